"""The prepared data set `combined`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.combined.reader import CATEGORY_MAP_PATH, find_raw_files, open_raw_dataset
from data_prep.readers.raw_dataset import RawDataset


class Builder(PreparedDatasetBuilder):
    """ModaNet, FGVC6, Clothing Co-Parsing and product photos in ModaNet's 13 categories."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "The files of at least one of the sets, as in README.md."

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """Those of the data sets, and the category map."""
        paths = find_raw_files(raw_dir, **options.raw_paths)
        return [*paths.files, CATEGORY_MAP_PATH]

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Opens each and maps its categories."""
        paths = find_raw_files(raw_dir, **options.raw_paths)
        return open_raw_dataset(paths, options.max_side)
