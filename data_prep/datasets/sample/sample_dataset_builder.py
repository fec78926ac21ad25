"""The prepared data set `sample`."""

from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.build.preparation import PrepOptions
from data_prep.datasets.modanet.modanet_dataset_builder import Builder as ModanetBuilder
from data_prep.sample.raw_sample import SampleFacts, draw_sample

_FACTS = SampleFacts(num_images=400, num_challenge=16, seed=1)


class Builder(ModanetBuilder):
    """Drawn people in ModaNet's raw form; the photos are drawn first where raw_dir is empty."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Nothing to download: the photos are drawn."

    @classmethod
    def make_raw_files(cls, raw_dir: Path, options: PrepOptions) -> None:
        """Draws 400 photos, unless there is something in the folder."""
        if not raw_dir.exists() or (raw_dir.is_dir() and not any(raw_dir.iterdir())):
            draw_sample(raw_dir, _FACTS, options.num_workers)
