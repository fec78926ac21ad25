"""The prepared data set `modanet`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.modanet.raw_files import find_raw_files
from data_prep.datasets.modanet.reader import open_raw_dataset
from data_prep.readers.raw_dataset import RawDataset


class Builder(PreparedDatasetBuilder):
    """ModaNet: street fashion photos with the masks of 13 categories."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "ModaNet's json and PaperDoll's photos, as in README.md."

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """The json files, photos.lmdb, and chictopia.sqlite3 or chictopia.sql.gz."""
        return find_raw_files(raw_dir, **options.raw_paths).files

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Joins them."""
        return open_raw_dataset(find_raw_files(raw_dir, **options.raw_paths), options.max_side)
