"""The prepared data set `modanet`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builder import PreparedDatasetBuilder
from data_prep.modanet.raw_files import ModanetPaths, find_raw_files
from data_prep.modanet.reader import open_raw_dataset
from data_prep.raw_dataset import RawDataset


class Builder(PreparedDatasetBuilder):
    """ModaNet: street fashion photos with the masks of 13 categories."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "ModaNet's json and PaperDoll's photos, as in README.md."

    def raw_files(self, raw_dir: Path) -> list[Path]:
        """The json files, photos.lmdb, and chictopia.sqlite3 or chictopia.sql.gz."""
        return self._paths(raw_dir).files

    def open_raw(self, raw_dir: Path) -> RawDataset:
        """Joins them."""
        return open_raw_dataset(self._paths(raw_dir), self.prep_options.max_side)

    def _paths(self, raw_dir: Path) -> ModanetPaths:
        return find_raw_files(raw_dir, **self.prep_options.raw_paths)
