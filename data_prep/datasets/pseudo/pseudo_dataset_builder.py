"""The prepared data set `pseudo`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.pseudo import NUMBER_FLAGS
from data_prep.datasets.pseudo.reader import PseudoPaths, open_raw_dataset
from data_prep.datasets.pseudo.selection import SelectionRules
from data_prep.readers.raw_dataset import RawDataset
from tfseg.structures import thresholds


class Builder(PreparedDatasetBuilder):
    """Photos without labels, with a model's confident predictions for labels."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Photos and detections.json of tfseg.predict, as in README.md."

    @classmethod
    def raw_files(cls, raw_dir: Path, options: PrepOptions) -> list[Path]:
        """The detections, the photos' folder and what else was given."""
        return _paths(options).files

    @classmethod
    def open_raw(cls, raw_dir: Path, options: PrepOptions) -> RawDataset:
        """Reads the detections and tags."""
        paths = _paths(options)
        scores = {
            flag: float(options.choices.get(flag, default))
            for flag, (default, _) in NUMBER_FLAGS.items()
        }
        by_category = {}
        if paths.confident_scores is not None:
            tuned = thresholds.load(paths.confident_scores)
            if tuned is None:
                raise ValueError(f"{paths.confident_scores}: has no thresholds.json.")
            by_category = dict(tuned.score_thresholds)
        needs_all_tags = options.choices.get("all_tags_found") == "yes"
        rules = SelectionRules(by_category, needs_all_tags=needs_all_tags, **scores)
        return open_raw_dataset(paths, rules, options.max_side)


def _paths(options: PrepOptions) -> PseudoPaths:
    paths = options.raw_paths
    for flag in ("predictions", "photos_dir", "like"):
        if flag not in paths:
            raise ValueError(f"--{flag} is missing; see data_prep/datasets/pseudo/README.md.")
        if not paths[flag].exists():
            raise ValueError(f"--{flag}={paths[flag]}: not there.")
    return PseudoPaths(**paths)
