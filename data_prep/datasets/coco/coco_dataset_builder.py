"""The prepared data set `coco`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.convert.coco_layouts import find_parts
from data_prep.datasets.coco.reader import open_raw_dataset
from data_prep.readers.raw_dataset import RawDataset


class Builder(PreparedDatasetBuilder):
    """A data set of the user's own: polygons, RLE with and without compression, crowds."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "A COCO json and its photos, as in README.md."

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """The jsons and the photos' folders."""
        parts = find_parts(raw_dir, **options.raw_paths)
        return list(dict.fromkeys(path for part in parts for path in part[:2]))

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Reads the jsons."""
        return open_raw_dataset(
            find_parts(raw_dir, **options.raw_paths),
            options.max_side,
            crowds_are_instances=options.choices.get("crowds") == "instances",
            keeps_splits=options.choices.get("splits") != "hash",
        )
