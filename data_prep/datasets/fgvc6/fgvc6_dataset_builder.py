"""The prepared data set `fgvc6`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.fgvc6.raw_files import find_raw_files
from data_prep.datasets.fgvc6.reader import open_raw_dataset
from data_prep.readers.raw_dataset import RawDataset


class Builder(PreparedDatasetBuilder):
    """iMaterialist Fashion 2019: photos with the masks of 46 categories and 92 attributes."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "The competition's files, as in README.md."

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """train.csv, label_descriptions.json and the photos' folders."""
        return find_raw_files(raw_dir).files

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Indexes train.csv."""
        return open_raw_dataset(find_raw_files(raw_dir), options.max_side)
