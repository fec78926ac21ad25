"""Builds of the raw ModaNet that tests/data_prep/conftest.py draws."""

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.modanet.modanet_dataset_builder import Builder

# A quarter of the fixture's photos are damaged on purpose.
OPTIONS = PrepOptions(max_bad_percent=30, num_workers=1)
VERSION = "1.0.0"


def build(raw_dir, data_dir, overwrite=False, **options):
    options = PrepOptions(**{"max_bad_percent": 30, "num_workers": 1, **options})
    return build_dataset(Builder, raw_dir, data_dir, options, overwrite)


def tally(*ids, files):
    return {"count": len(ids), "example_ids": list(ids), "example_files": files}
