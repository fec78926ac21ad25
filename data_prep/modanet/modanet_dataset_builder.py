"""ModaNet: https://github.com/eBay/modanet."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builder import PreparedDatasetBuilder, PrepOptions
from data_prep.modanet.raw_files import CATEGORY_NAMES, find_raw_files, open_raw_dataset
from data_prep.raw_dataset import RawDataset


class Builder(PreparedDatasetBuilder):
    """Street fashion photos with the masks of 13 categories."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "See README.md: ModaNet's json and PaperDoll's photos."
    CATEGORY_NAMES = CATEGORY_NAMES

    def open_raw(self, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Finds and joins ModaNet's json and PaperDoll's photos."""
        return open_raw_dataset(find_raw_files(raw_dir, **options.raw_paths), options.max_side)
