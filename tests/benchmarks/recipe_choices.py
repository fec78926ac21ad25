"""What each choice of the full-size recipes is worth on real photos, with the small backbone.

python -m tests.benchmarks.recipe_choices --ccp=../shared/ccp --imagenet=LITE0 --work_dir=DIR

LITE0 is EfficientNet-Lite0 with ImageNet's weights (make street puts it into build/street/start).
The recipe, fashion_lite_384 on Clothing Co-Parsing's street photos alone, is trained as it is and
once with each choice undone, all for the same steps from the same seed, and judged on val. Goes on
where it stopped. Prints a table: box and mask AP and AP50, percent, and how much each is short of
the recipe's.
"""

import json
from pathlib import Path

from absl import app, flags

from tests.benchmarks.commands import is_prepared, run, train_and_judge

FLAGS = flags.FLAGS
RECIPE = "configs/fashion_lite_384.flags"
ANCHORS = "task.model.anchor"
ROUNDED = "boxes rounded to bfloat16 (Keras's mixed precision)"
FROM_SCRATCH = "random weights"
# By what is undone: what differs from the recipe's params.
CHOICES: dict[str, tuple[str, ...]] = {
    "nothing: 384 x 256, ImageNet, anchors of 4 strides in two scales": (),
    "anchors of 8 strides, one scale (Model Garden's)": (
        f"{ANCHORS}.anchor_size=8.0",
        f"{ANCHORS}.num_scales=1",
    ),
    "anchors of 4 strides, one scale": (f"{ANCHORS}.num_scales=1",),
    "a square of as many pixels, 320 x 320": ("task.model.input_size=[320,320,3]",),
    "half the pixels, 256 x 192": ("task.model.input_size=[256,192,3]",),
    ROUNDED: (),
    FROM_SCRATCH: ("task.freeze_backbone_level=0",),
}


def define_flags() -> None:
    """Defines the flags."""
    flags.DEFINE_string("ccp", None, "Clothing Co-Parsing's folder.", required=True)
    flags.DEFINE_string("imagenet", None, "What trainings start from.", required=True)
    flags.DEFINE_string("work_dir", None, "Folder for all that is made.", required=True)
    flags.DEFINE_integer("steps", 400, "Steps of each training.", 1)
    flags.DEFINE_integer("seed", 1, "Of the trainings.")
    flags.DEFINE_list("override", [], "Params of all of them (--params_override).")


def prepare(work_dir: Path) -> Path:
    """Builds the records; returns the folder of the data set."""
    prepared = work_dir / "prepared"
    if is_prepared(prepared):
        return prepared
    to = (f"--raw_dir={FLAGS.ccp}", f"--data_dir={prepared}", "--max_side=448")
    run("data_prep.build_tfrecords", "--dataset=ccp", *to)
    return prepared


def train(choice: str, prepared: Path, folder: Path) -> dict:
    """Trains with one choice undone and judges; returns the metrics."""
    trainer = "tests.benchmarks.rounded_boxes" if choice == ROUNDED else "tfseg.train"
    start = "--from_scratch" if choice == FROM_SCRATCH else f"--init_from={FLAGS.imagenet}"
    overrides = (*FLAGS.override, *CHOICES[choice], f"trainer.train_steps={FLAGS.steps}")
    return train_and_judge(
        *(folder, prepared, start, *overrides), recipe=RECIPE, seed=FLAGS.seed, trainer=trainer
    )


def row(choice: str, metrics: dict, of_recipe: dict) -> str:
    """A line of the table."""
    cells = []
    for key in ("box/AP", "box/AP50", "mask/AP", "mask/AP50"):
        value, best = 100 * metrics[key], 100 * of_recipe[key]
        cells.append(f"{value:.1f}" + (f" ({value - best:+.1f})" if metrics != of_recipe else ""))
    return f"| {' | '.join([choice, *cells])} |"


def main(_) -> None:
    """Prepares, trains, judges, prints the table."""
    work_dir = Path(FLAGS.work_dir)
    prepared = prepare(work_dir)
    folders = [work_dir / f"seed{FLAGS.seed}_choice{number}" for number in range(len(CHOICES))]
    found = {
        choice: train(choice, prepared, folder)
        for choice, folder in zip(CHOICES, folders, strict=True)
    }
    (work_dir / f"seed{FLAGS.seed}.json").write_text(json.dumps(found, indent=1))
    recipe = next(iter(found.values()))
    print(f"{RECIPE}, {FLAGS.steps} steps, seed {FLAGS.seed}")
    print("| undone | box AP | box AP50 | mask AP | mask AP50 |\n|---|---|---|---|---|")
    print("\n".join(row(choice, metrics, recipe) for choice, metrics in found.items()))


if __name__ == "__main__":
    define_flags()
    app.run(main)
