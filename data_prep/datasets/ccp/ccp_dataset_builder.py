"""The prepared data set `ccp`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.ccp.raw_files import find_raw_files
from data_prep.datasets.ccp.reader import open_raw_dataset
from data_prep.readers.raw_dataset import RawDataset


class Builder(PreparedDatasetBuilder):
    """Clothing Co-Parsing: street photos with a label for every pixel."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "The repository's files, as in README.md."

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """The photos', labels' and tags' folders, the names and our table of them."""
        return find_raw_files(raw_dir).files

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Lists the photos."""
        categories = options.choices.get("categories", "modanet")
        return open_raw_dataset(find_raw_files(raw_dir), options.max_side, categories)
