"""The data sets there are: the folders data_prep/datasets/<name>/ with a <name>_dataset_builder.py.

A new data set is one such folder. Its package may have RAW_PATH_FLAGS, {flag: help}: the flags
that name a raw file which does not lie in its usual place below --raw_dir. They reach the builder
as prep_options.raw_paths, by the same names. CHOICE_FLAGS, {flag: (values, help)}, are its choices;
they reach it as prep_options.choices, and so do NUMBER_FLAGS, {flag: (default, help)}, as text
where they are given. MAIN_PATH_FLAG is the raw path whose folder is --raw_dir where that is not
given. The folder may have a downloads.py with DOWNLOADS, the
raw files that are published, and BUILT_AS, the data set that builds them where it has no builder.
"""

import importlib
from pathlib import Path

from data_prep import datasets


def dataset_names() -> tuple[str, ...]:
    """The data sets, by name; imports none of them."""
    folders = [folder for parent in datasets.__path__ for folder in Path(parent).iterdir()]
    return tuple(sorted(f.name for f in folders if (f / f"{_builder_module(f.name)}.py").is_file()))


def raw_path_flags(name: str) -> dict[str, str]:
    """A data set's own flags and their help; imports its package, not its builder."""
    return getattr(importlib.import_module(f"data_prep.datasets.{name}"), "RAW_PATH_FLAGS", {})


def choice_flags(name: str) -> dict[str, tuple[tuple[str, ...], str]]:
    """A data set's own choices: {flag: (values, the default first, help)}; as raw_path_flags."""
    return getattr(importlib.import_module(f"data_prep.datasets.{name}"), "CHOICE_FLAGS", {})


def number_flags(name: str) -> dict[str, tuple[float, str]]:
    """A data set's own numbers: {flag: (default, help)}; as raw_path_flags."""
    return getattr(importlib.import_module(f"data_prep.datasets.{name}"), "NUMBER_FLAGS", {})


def main_path_flag(name: str) -> str:
    """The raw path that a data set can do with in place of --raw_dir; as raw_path_flags."""
    module = importlib.import_module(f"data_prep.datasets.{name}")
    return getattr(module, "MAIN_PATH_FLAG", "annotations")


def builder_class(name: str) -> type:
    """A data set's PreparedDatasetBuilder; imports TensorFlow Datasets, which takes seconds."""
    return importlib.import_module(f"data_prep.datasets.{name}.{_builder_module(name)}").Builder


def names_with_downloads() -> tuple[str, ...]:
    """The data sets whose raw files are published; imports none of them."""
    folders = [folder for parent in datasets.__path__ for folder in Path(parent).iterdir()]
    return tuple(sorted(f.name for f in folders if (f / "downloads.py").is_file()))


def downloads(name: str) -> tuple:
    """Where a data set's raw files are published: RemoteFile, KaggleFiles and GitTree."""
    return importlib.import_module(f"data_prep.datasets.{name}.downloads").DOWNLOADS


def built_as(name: str) -> str:
    """The data set that builds what is downloaded under a name: itself where it has a builder."""
    module = importlib.import_module(f"data_prep.datasets.{name}.downloads")
    return getattr(module, "BUILT_AS", name)


def _builder_module(name: str) -> str:
    return f"{name}_dataset_builder"
