"""What to expect of tfseg.train --init_from=fashion_lite on 50, 100, 200, 400 photos of one's own.

python -m tests.benchmarks.own_photos --work_dir=DIR

The model in the box has seen every labelled real photo at hand but its own val split, so the drawn
sample (data_prep.sample) stands for photos of one's own. That is the easy case in two ways: its
categories are the model's, so that no head starts anew, and drawings vary less than photographs; it
is the hard case in one: the model has never seen a drawing. --data_dir takes a set of one's own
instead.

Draws, prepares, trains on the first N photos of train (task.num_train_examples; each number's
photos are among those of the next) with the same recipe and steps for every N, judges on the same
val photos. Goes on where it stopped. Prints a line for each N, and one of the start as it is: box
and mask AP, AP50, percent; seconds of the training's command from start to end, on this machine,
and those of its processors, which other work beside it changes less.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

from absl import app, flags

from data_prep.prepared import open_prepared
from tests.benchmarks import commands
from tests.benchmarks.commands import is_prepared, judge, run

FLAGS = flags.FLAGS
START = "fashion_lite"


def define_flags() -> None:
    """Defines the flags."""
    flags.DEFINE_string("work_dir", None, "Folder for all that is made.", required=True)
    flags.DEFINE_string("data_dir", None, "A prepared data set in place of the drawn one.")
    flags.DEFINE_list("num_photos", ["50", "100", "200", "400"], "Numbers of photos to train on.")
    flags.DEFINE_integer("num_drawn", 600, "Photos to draw, those of val among them.", 1)
    flags.DEFINE_float("val_percent", 25, "Percent of them for val.", 0, 100)
    flags.DEFINE_integer("steps", 250, "Steps of each training.", 1)
    flags.DEFINE_integer("seed", 0, "Of the drawing and of the trainings.")
    flags.DEFINE_string("recipe", "configs/demo.flags", "Flagfile of all trainings.")


def prepare(work_dir: Path) -> Path:
    """Draws photos and builds their records; returns the folder of the data set."""
    prepared, raw = work_dir / "prepared", work_dir / "raw"
    if is_prepared(prepared):
        return prepared
    drawing = (f"--num_images={FLAGS.num_drawn}", f"--seed={FLAGS.seed}")
    run("data_prep.sample.draw", f"--out_dir={raw}", *drawing)
    split = (f"--val_percent={FLAGS.val_percent}", "--max_bad_percent=100")  # the sample has faults
    to = (f"--raw_dir={raw}", f"--data_dir={prepared}")
    run("data_prep.build_tfrecords", "--dataset=sample", *split, *to)
    return prepared


def processor_seconds() -> float:
    """Seconds that processors have worked for the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def train(folder: Path, prepared: Path, num_photos: int) -> list[float] | None:
    """Trains; returns how many seconds it took, of a clock and of processors, None where it was
    stopped in between."""
    seconds_path = folder / "seconds.json"
    if seconds_path.exists():
        return json.loads(seconds_path.read_text())
    goes_on = (folder / "model").exists()
    begin = time.monotonic(), processor_seconds()
    commands.train(
        *(folder, prepared, f"--init_from={START}"),
        f"task.num_train_examples={num_photos}",
        f"trainer.train_steps={FLAGS.steps}",
        recipe=FLAGS.recipe,
        seed=FLAGS.seed,
    )
    taken = [time.monotonic() - begin[0], processor_seconds() - begin[1]]
    seconds = None if goes_on else taken
    seconds_path.write_text(json.dumps(seconds))
    return seconds


def row(photos: str, metrics: dict, seconds: list[float] | None) -> str:
    """A line of the table."""
    keys = ("box/AP", "box/AP50", "mask/AP", "mask/AP50")
    cells = [f"{100 * metrics[key]:.1f}" for key in keys]
    took = ("stopped in between", "") if seconds is None else (f"{one:.0f} s" for one in seconds)
    return f"| {' | '.join([photos, *cells, *took])} |"


def main(_) -> None:
    """Prepares, trains, judges, prints the table."""
    work_dir = Path(FLAGS.work_dir)
    prepared = Path(FLAGS.data_dir) if FLAGS.data_dir else prepare(work_dir)
    opened = open_prepared(str(prepared))
    num_train, num_val = (opened.num_examples(split) for split in ("train", "val"))
    counts = list(map(int, FLAGS.num_photos))
    if max(counts) > num_train:
        sys.exit(
            f"error: --num_photos={max(counts)}: {prepared} has {num_train} photos in train; give "
            "fewer, or raise --num_drawn with a new --work_dir."
        )
    whose = "photos" if FLAGS.data_dir else "drawn photos (same categories as the start's)"
    rows = [row("none", judge(work_dir / "start", prepared, f"--model={START}"), [0.0, 0.0])]
    for count in counts:
        folder = work_dir / f"photos_{count}"
        seconds = train(folder, prepared, count)
        metrics = judge(folder, prepared, f"--model_dir={folder / 'model'}")
        rows.append(row(str(count), metrics, seconds))
    cores = len(os.sched_getaffinity(0))
    print(f"{START}, {FLAGS.recipe}, {FLAGS.steps} steps, {cores} cores; {num_val} {whose} of val")
    print("| trained on | box AP | box AP50 | mask AP | mask AP50 | training | processors |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    define_flags()
    app.run(main)
