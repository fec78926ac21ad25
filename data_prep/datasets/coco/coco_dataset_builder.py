"""The prepared data set `coco`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.coco.reader import find_raw_files, open_raw_dataset
from data_prep.readers.raw_dataset import RawDataset


class Builder(PreparedDatasetBuilder):
    """A data set of the user's own: polygons, RLE with and without compression, crowds."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "A COCO json and its photos, as in README.md."

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """The json and the photos' folder."""
        return list(find_raw_files(raw_dir, **options.raw_paths))

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Reads the json."""
        paths = find_raw_files(raw_dir, **options.raw_paths)
        return open_raw_dataset(*paths, options.max_side)
