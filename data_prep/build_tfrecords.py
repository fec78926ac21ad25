"""Entry point: a raw data set -> a prepared one (shards, ground truth, report).

python -m data_prep.build_tfrecords --dataset=modanet --raw_dir=RAW --data_dir=PREPARED
"""

import importlib
import os
import sys
from pathlib import Path

from absl import app, flags

_DATASETS = ("modanet",)

_DATASET = flags.DEFINE_enum("dataset", None, _DATASETS, "The data set.", required=True)
_RAW_DIR = flags.DEFINE_string("raw_dir", None, "Folder of the raw files.", required=True)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where to write.", required=True)
_ANNOTATIONS = flags.DEFINE_string("annotations", None, "The json's folder, or the train json.")
_PHOTOS_LMDB = flags.DEFINE_string("photos_lmdb", None, "PaperDoll's photos.lmdb.")
_PHOTOS_DB = flags.DEFINE_string("photos_db", None, "PaperDoll's chictopia.sqlite3.")
_MAX_SIDE = flags.DEFINE_integer(
    "max_side", None, "Longest side to keep, pixels; larger photos are shrunk.", lower_bound=1
)
_VAL_PERCENT = flags.DEFINE_float("val_percent", 15.0, "Percent of the photos for val.")
_TEST_PERCENT = flags.DEFINE_float("test_percent", 0.0, "Percent of the photos for test.")
_NUM_FOLDS = flags.DEFINE_integer("num_folds", None, "Cross-validation: the number of folds.")
_FOLD = flags.DEFINE_integer("fold", None, "Cross-validation: which fold is val, from 0.")
_NUM_WORKERS = flags.DEFINE_integer("num_workers", None, "Processes; all cores.", lower_bound=1)
_MAX_BAD_PERCENT = flags.DEFINE_float(
    "max_bad_percent", 5.0, "More photos left out than this stop the build.", 0, 100
)
_NUM_SHARDS = flags.DEFINE_integer("num_shards", None, "Shards per split.", lower_bound=1)


def main(argv: list[str]) -> None:
    """Builds; a bad input ends in one line and exit code 1."""
    del argv
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        _build()
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def _build() -> None:
    # Late: TensorFlow Datasets is slow to import and the worker processes import this module.
    import tensorflow_datasets as tfds

    from data_prep import prep_report
    from data_prep.builder import PrepOptions
    from data_prep.prepared import REPORT_NAME, _read_json
    from data_prep.splits import SplitPlan

    module = importlib.import_module(f"data_prep.{_DATASET.value}.{_DATASET.value}_dataset_builder")
    flags_given = {
        "annotations": _ANNOTATIONS.value,
        "photos_lmdb": _PHOTOS_LMDB.value,
        "photos_db": _PHOTOS_DB.value,
    }
    options = PrepOptions(
        max_side=_MAX_SIDE.value,
        split_plan=SplitPlan(
            _VAL_PERCENT.value, _TEST_PERCENT.value, _NUM_FOLDS.value, _FOLD.value
        ),
        max_bad_percent=_MAX_BAD_PERCENT.value,
        num_workers=_NUM_WORKERS.value or os.cpu_count() or 1,
        raw_paths={name: Path(path) for name, path in flags_given.items() if path},
    )
    tfds.disable_progress_bar()
    builder = module.Builder(data_dir=_DATA_DIR.value)
    builder.prep_options = options
    config = tfds.download.DownloadConfig(
        manual_dir=_RAW_DIR.value,
        try_download_gcs=False,
        num_shards=_NUM_SHARDS.value,
    )
    builder.download_and_prepare(download_config=config)
    print(prep_report.table(_read_json(Path(builder.data_dir) / REPORT_NAME)))


if __name__ == "__main__":
    app.run(main)
