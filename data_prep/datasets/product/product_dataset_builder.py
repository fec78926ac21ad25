"""The prepared data set `product`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.product.reader import find_raw_files, open_raw_dataset
from data_prep.readers.raw_dataset import RawDataset


class Builder(PreparedDatasetBuilder):
    """Product photos: the self-made set, from a COCO json or from folders of photos and masks."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Photos and their masks, as in README.md."

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """The json and the photos' folder, or the folders of photos and masks."""
        return find_raw_files(raw_dir, **options.raw_paths).files

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Reads the json, or lists the folders."""
        paths = find_raw_files(raw_dir, **options.raw_paths)
        return open_raw_dataset(
            paths,
            options.max_side,
            keeps_own_categories=options.choices.get("categories") == "own",
            only_good=options.choices.get("only_good") == "yes",
        )
