"""Entry point: a raw data set -> a prepared one (shards, ground truth, report).

python -m data_prep.build_tfrecords --dataset=modanet --raw_dir=RAW --data_dir=PREPARED

Interrupted or killed, it leaves nothing that looks complete; run it again and it goes on: photos
are not read and masked again, shards are written anew.
"""

import json
import os
import sys
from pathlib import Path

from absl import flags

# The worker processes import this module too: only light imports up here.
from data_prep import dataset_registry
from data_prep.build.splits import SplitPlan
from data_prep.prepared import REPORT_NAME
from tfseg.io import command_line

FLAGS = flags.FLAGS
_NO_YES = ("no", "yes")


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    names = dataset_registry.dataset_names()
    flags.DEFINE_enum("dataset", None, names, "The data set.", required=True)
    command_line.define_path(
        "raw_dir", None, "Folder of the raw files; not needed where other flags name them all."
    )
    command_line.define_path("data_dir", None, "Where to write.", required=True)
    for flag, help_text in _raw_path_flags(names).items():
        command_line.define_path(flag, None, help_text)
    for flag, (values, help_text) in _choice_flags(names).items():
        if values == _NO_YES:
            flags.DEFINE_bool(flag, False, help_text)
        else:
            flags.DEFINE_enum(flag, None, values, f"{help_text} {values[0]} by default.")
    for name in names:
        for flag, (default, help_text) in dataset_registry.number_flags(name).items():
            flags.DEFINE_float(flag, None, f"{help_text} {default} by default.", 0, 1)
    flags.DEFINE_integer(
        "max_side", None, "Longest side to keep, pixels; larger photos are shrunk.", lower_bound=1
    )
    flags.DEFINE_bool(
        "colour_attributes",
        False,
        "Name each garment's colours from its pixels, as attributes after the data set's own.",
    )
    flags.DEFINE_float("val_percent", 15.0, "Percent for val: of the photos; of ModaNet's posts.")
    flags.DEFINE_float("test_percent", 0.0, "Percent for test, likewise.")
    flags.DEFINE_integer(
        "num_folds", None, "Cross-validation, instead of the percentages: the number of folds."
    )
    flags.DEFINE_integer("fold", None, "Cross-validation: which fold is val, from 0.")
    flags.DEFINE_integer(
        "num_workers", None, "Processes; as many as cores unless given.", lower_bound=1
    )
    flags.DEFINE_float(
        "max_bad_percent", 5.0, "More photos left out than this stop the build.", 0, 100
    )
    flags.DEFINE_integer(
        "num_shards", None, "Shards per split; by size unless given.", lower_bound=1
    )
    flags.DEFINE_list(
        "beam_options",
        None,
        "Build on Apache Beam: its pipeline options, such as runner=DirectRunner.",
    )
    flags.DEFINE_bool("overwrite", False, "Replace a prepared data set.")


def _raw_path_flags(names: tuple[str, ...]) -> dict[str, str]:
    """Several data sets may have a flag of the same name; its help says what it is to each."""
    helps: dict[str, list[str]] = {}
    for name in names:
        for flag, help_text in dataset_registry.raw_path_flags(name).items():
            helps.setdefault(flag, []).append(f"{name}: {help_text}")
    return {flag: " ".join(texts) for flag, texts in helps.items()}


def _choice_flags(names: tuple[str, ...]) -> dict[str, tuple[tuple[str, ...], str]]:
    """Data sets' choices; those of one name have the same values, and a help of each."""
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for name in names:
        for flag, (values, help_text) in dataset_registry.choice_flags(name).items():
            _, before = found.get(flag, (values, ""))
            found[flag] = (values, f"{before} {help_text}".strip())
    return found


def _raw_paths(dataset: str) -> dict[str, Path]:
    own_flags = dataset_registry.raw_path_flags(dataset)
    all_flags = _raw_path_flags(dataset_registry.dataset_names())
    paths = {flag: Path(FLAGS[flag].value) for flag in all_flags if FLAGS[flag].value}
    for flag in paths:
        if flag not in own_flags:
            expected = ", ".join(f"--{own}" for own in own_flags) or "none besides --raw_dir"
            raise ValueError(
                f"--{flag}: the data set '{dataset}' has no such place of raw files; expected "
                f"{expected}."
            )
    return paths


def _choices(dataset: str) -> dict[str, str]:
    own_flags = dataset_registry.choice_flags(dataset)
    own_numbers = dataset_registry.number_flags(dataset)
    others = {
        flag: name
        for name in dataset_registry.dataset_names()
        for flag in (*dataset_registry.choice_flags(name), *dataset_registry.number_flags(name))
    }
    for flag, name in others.items():
        if FLAGS[flag].value and flag not in {*own_flags, *own_numbers}:
            raise ValueError(f"--{flag}: a choice of --dataset={name}, not of '{dataset}'.")
    given = {flag: FLAGS[flag].value for flag in own_flags}
    given |= {flag: "yes" for flag, value in given.items() if value is True}
    given |= {flag: None for flag, value in given.items() if value is False}
    choices = {flag: v for flag, v in given.items() if v not in (None, own_flags[flag][0][0])}
    numbers = {flag: FLAGS[flag].value for flag in own_numbers}
    return choices | {flag: str(v) for flag, v in numbers.items() if v is not None}


def _raw_dir(dataset: str, raw_paths: dict[str, Path]) -> Path:
    main_flag = dataset_registry.main_path_flag(dataset)
    if FLAGS.raw_dir is None and main_flag not in raw_paths:
        raise ValueError(
            f"--raw_dir is missing; expected the folder of the raw files, as in "
            f"data_prep/datasets/{dataset}/README.md."
        )
    return Path(FLAGS.raw_dir or raw_paths[main_flag].parent)


def main(argv: list[str]) -> None:
    """Reads the flags, builds, prints the report's table."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors(again="to go on"):
        raw_paths = _raw_paths(FLAGS.dataset)
        raw_dir = _raw_dir(FLAGS.dataset, raw_paths)
        split_plan = SplitPlan(
            FLAGS.val_percent, FLAGS.test_percent, num_folds=FLAGS.num_folds, fold=FLAGS.fold
        )
        # TensorFlow Datasets takes seconds to import.
        from data_prep.build.build_dataset import build_dataset
        from data_prep.build.prep_report import table, warnings
        from data_prep.build.preparation import PrepOptions

        path, was_complete = build_dataset(
            dataset_registry.builder_class(FLAGS.dataset),
            raw_dir,
            Path(FLAGS.data_dir),
            PrepOptions(
                max_side=FLAGS.max_side,
                split_plan=split_plan,
                max_bad_percent=FLAGS.max_bad_percent,
                num_shards=FLAGS.num_shards,
                num_workers=FLAGS.num_workers or os.cpu_count() or 1,
                raw_paths=raw_paths,
                choices=_choices(FLAGS.dataset),
                colour_attributes=FLAGS.colour_attributes,
                beam_options=None if FLAGS.beam_options is None else tuple(FLAGS.beam_options),
            ),
            overwrite=FLAGS.overwrite,
        )
        if was_complete:
            print(f"{path} is already complete; --overwrite builds it anew")
            return
        report = json.loads((path / REPORT_NAME).read_text(encoding="utf-8"))
        print(table(report))
        for line in warnings(report):
            print(line, file=sys.stderr)
        print(f"prepared data set: {path}")


if __name__ == "__main__":
    command_line.run(define_flags, main)
