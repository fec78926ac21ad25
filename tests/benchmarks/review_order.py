"""What the review page's order is worth: corrected photos by that order against photos by chance.

python -m tests.benchmarks.review_order --ccp=../shared/ccp --start=LITE0 --work_dir=DIR --seed=1

The truth of Clothing Co-Parsing plays the reviewer. A first model is trained on --num_first photos
of train, drawn by the seed; it predicts on the rest of train (tfseg.predict --review_dir), and for
every number of --num_corrected as many photos are taken from there by the page's order, and by
chance. From the first model, a training on the first photos and those goes on, as long for each;
it is judged on the data set's own val. Goes on where it stopped.

Prints a line for each: the order, how many photos, box and mask AP50.
"""

import json
import random
from pathlib import Path

from absl import app, flags

from data_prep.prepared import open_prepared
from data_prep.readers.review_folder import read_review
from data_prep.review.garments.order import ordered
from tests.benchmarks.commands import is_prepared, run, train_and_judge
from tests.loop.ccp_part import copy_part

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags."""
    flags.DEFINE_string("ccp", None, "Clothing Co-Parsing's folder.", required=True)
    flags.DEFINE_string("start", None, "Where the first model starts from.", required=True)
    flags.DEFINE_string("work_dir", None, "Folder for all that is made.", required=True)
    flags.DEFINE_integer("seed", 1, "Of the first photos, of chance and of the trainings.")
    flags.DEFINE_integer("num_first", 60, "Photos of the first model.", 1)
    flags.DEFINE_integer("first_steps", 500, "Its steps.", 1)
    flags.DEFINE_list("num_corrected", ["80", "240"], "Numbers of corrected photos.")
    flags.DEFINE_integer("steps", 300, "Steps of each training after it.", 1)
    flags.DEFINE_string("recipe", "configs/fashion_lite_384.flags", "Flagfile of all trainings.")


def prepare(folder: Path, names: list[str] | None) -> Path:
    """Builds the records of some photos, or of all; returns the folder of the data set."""
    prepared = folder / "prepared"
    if not is_prepared(prepared):
        raw = Path(FLAGS.ccp)
        if names is not None:
            raw = folder / "raw"
            copy_part(Path(FLAGS.ccp), names, raw)
        flags_of_build = ("--dataset=ccp", "--max_side=448", f"--raw_dir={raw}")
        run("data_prep.build_tfrecords", *flags_of_build, f"--data_dir={prepared}")
    return prepared


def photo_names(prepared: Path, split: str) -> list[str]:
    """The file names of a split's photos."""
    content = json.loads(open_prepared(str(prepared)).ground_truth_path(split).read_text())
    return sorted(Path(image["file_name"]).name for image in content["images"])


def train(folder: Path, prepared: Path, start: Path, num_steps: int) -> dict:
    """Trains on a set and judges on its val; returns the metrics."""
    return train_and_judge(
        *(folder, prepared, f"--init_from={start}", f"trainer.train_steps={num_steps}"),
        recipe=FLAGS.recipe,
        seed=FLAGS.seed,
    )


def report(order: str, num_photos: int, metrics: dict) -> None:
    """Prints a line."""
    box, mask = 100 * metrics["box/AP50"], 100 * metrics["mask/AP50"]
    print(f"{order} | {num_photos} | {box:.1f} | {mask:.1f}", flush=True)


def by_page(review_dir: Path) -> list[str]:
    """The file names of a review folder's photos in the page's order."""
    folder = read_review(review_dir)
    usable = [photo for photo in folder.predicted.values() if not photo.error]
    places = ordered(usable, folder.settings.score_thresholds)
    return [Path(place.file_name).name for place in places]


def main(_) -> None:
    """Trains, orders, trains again."""
    work_dir = Path(FLAGS.work_dir) / f"seed{FLAGS.seed}"
    full = prepare(Path(FLAGS.work_dir) / "full", None)
    val, pool = photo_names(full, "val"), photo_names(full, "train")
    random.Random(FLAGS.seed).shuffle(pool)
    first, rest = pool[: FLAGS.num_first], pool[FLAGS.num_first :]
    print("photos by | corrected | box AP50 | mask AP50")
    prepared = prepare(work_dir / "first", [*first, *val])
    metrics = train(work_dir / "first", prepared, Path(FLAGS.start), FLAGS.first_steps)
    report("(first model)", 0, metrics)

    review_dir = work_dir / "review"
    listed = work_dir / "rest.txt"
    photos_dir = Path(FLAGS.ccp).resolve() / "photos"
    listed.write_text("".join(f"{photos_dir / name}\n" for name in sorted(rest)))
    model = work_dir / "first" / "model"
    run(
        "tfseg.predict",
        f"--model_dir={model}",
        f"--input_list={listed}",
        f"--review_dir={review_dir}",
    )
    for count in map(int, FLAGS.num_corrected):
        for order, names in (("the page's order", by_page(review_dir)), ("chance", rest)):
            folder = work_dir / f"{order.split()[-1]}_{count}"
            prepared = prepare(folder, [*first, *names[:count], *val])
            report(order, count, train(folder, prepared, model, FLAGS.steps))


if __name__ == "__main__":
    define_flags()
    app.run(main)
