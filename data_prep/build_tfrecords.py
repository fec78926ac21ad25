"""Entry point: a raw data set -> a prepared one (shards, ground truth, report).

python -m data_prep.build_tfrecords --dataset=modanet --raw_dir=RAW --data_dir=PREPARED

Interrupted or killed, it leaves nothing that looks complete; run it again and it starts anew.
"""

import importlib
import json
import os
import sys
from pathlib import Path

from absl import app, flags, logging

# The worker processes import this module too: only light imports up here.
from data_prep.ordered_pool import WorkerDiedError
from data_prep.prepared import REPORT_NAME
from data_prep.splits import SplitPlan

DATASETS = ("modanet",)

_DATASET = flags.DEFINE_enum("dataset", None, DATASETS, "The data set.", required=True)
_RAW_DIR = flags.DEFINE_string("raw_dir", None, "Folder of the raw files.", required=True)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where to write.", required=True)
_ANNOTATIONS = flags.DEFINE_string("annotations", None, "The jsons' folder, or the train json.")
_PHOTOS_LMDB = flags.DEFINE_string("photos_lmdb", None, "PaperDoll's photos.lmdb.")
_PHOTOS_DB = flags.DEFINE_string("photos_db", None, "PaperDoll's chictopia.sqlite3.")
_MAX_SIDE = flags.DEFINE_integer(
    "max_side", None, "Longest side to keep, pixels; larger photos are shrunk.", lower_bound=1
)
_VAL_PERCENT = flags.DEFINE_float("val_percent", 15.0, "Percent of the posts for val.")
_TEST_PERCENT = flags.DEFINE_float("test_percent", 0.0, "Percent of the posts for test.")
_NUM_FOLDS = flags.DEFINE_integer(
    "num_folds", None, "Cross-validation, instead of the percentages: the number of folds."
)
_FOLD = flags.DEFINE_integer("fold", None, "Cross-validation: which fold is val, from 0.")
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", None, "Processes; as many as cores unless given.", lower_bound=1
)
_MAX_BAD_PERCENT = flags.DEFINE_float(
    "max_bad_percent", 5.0, "More photos left out than this stop the build.", 0, 100
)
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards", None, "Shards per split; by size unless given.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace a prepared data set.")


def main(argv: list[str]) -> None:
    """Builds; what is wrong with the input ends in one line and exit code 1."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    try:
        _build()
    except (ValueError, OSError, WorkerDiedError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to start anew", file=sys.stderr)
        sys.exit(130)


def _build() -> None:
    raw_paths = {
        "annotations": _ANNOTATIONS.value,
        "photos_lmdb": _PHOTOS_LMDB.value,
        "photos_db": _PHOTOS_DB.value,
    }
    split_plan = SplitPlan(
        _VAL_PERCENT.value, _TEST_PERCENT.value, num_folds=_NUM_FOLDS.value, fold=_FOLD.value
    )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.WARNING)
    # TensorFlow Datasets takes seconds to import.
    from data_prep.build_dataset import build_dataset
    from data_prep.prep_report import table
    from data_prep.preparation import PrepOptions

    module = f"data_prep.{_DATASET.value}.{_DATASET.value}_dataset_builder"
    path, was_complete = build_dataset(
        importlib.import_module(module).Builder,
        Path(_RAW_DIR.value),
        Path(_DATA_DIR.value),
        PrepOptions(
            max_side=_MAX_SIDE.value,
            split_plan=split_plan,
            max_bad_percent=_MAX_BAD_PERCENT.value,
            num_shards=_NUM_SHARDS.value,
            num_workers=_NUM_WORKERS.value or os.cpu_count() or 1,
            raw_paths={name: Path(place) for name, place in raw_paths.items() if place},
        ),
        overwrite=_OVERWRITE.value,
    )
    if was_complete:
        print(f"{path} is already complete; --overwrite builds it anew")
        return
    print(table(json.loads((path / REPORT_NAME).read_text(encoding="utf-8"))))
    print(f"prepared data set: {path}")


if __name__ == "__main__":
    app.run(main)
