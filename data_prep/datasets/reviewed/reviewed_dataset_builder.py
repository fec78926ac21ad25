"""The prepared data set `reviewed`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.reviewed.reader import open_raw_dataset
from data_prep.readers.raw_dataset import RawDataset
from data_prep.readers.review_folder import DECISIONS_NAME, read_review
from tfseg.structures.review_predictions import PREDICTIONS_NAME, SETTINGS_NAME


class Builder(PreparedDatasetBuilder):
    """Photos of one's own, accepted or corrected in a review; each state of it is a version."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The last number is that of the decisions."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "A folder of tfseg.predict --review_dir, as in README.md."

    def __init__(self, *, version: str | None = None, **kwargs):
        self.SUPPORTED_VERSIONS = [tfds.core.Version(version)] if version else []
        super().__init__(version=version, **kwargs)

    @classmethod
    def version_of(cls, raw_dir: Path, options: PrepOptions) -> str:
        """1.0.N after N decisions, those that were taken back too: it only grows."""
        photos = read_review(_review_dir(raw_dir, options)).photos.values()
        return f"1.0.{sum(photo.revision for photo in photos)}"

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """The predictions and decisions, and the photos' folder."""
        review_dir = _review_dir(raw_dir, options)
        paths = [review_dir / name for name in (SETTINGS_NAME, PREDICTIONS_NAME, DECISIONS_NAME)]
        photos_dir = read_review(review_dir).photos_dir
        return [path for path in (*paths, photos_dir) if path.exists()]

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Reads the decisions."""
        review_dir = _review_dir(raw_dir, options)
        return open_raw_dataset(review_dir, options.max_side, options.split_plan)


def _review_dir(raw_dir: Path, options: PrepOptions) -> Path:
    return options.raw_paths.get("review_dir", raw_dir)
