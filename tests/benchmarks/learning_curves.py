"""Draws what trainings reached on their val split, step by step, side by side in one picture.

python -m tests.benchmarks.learning_curves --output_path=curves.png
    --run='from scratch=DIR' --run='FGVC6 first=DIR/1_fgvc6,DIR/2_modanet'

A run of several stages gives their model_dirs in order: the steps of one follow those before. What
was evaluated during training is read (trainer.validation_interval), of the last dir alone.
"""

from pathlib import Path

import matplotlib
import tensorflow as tf
from absl import app, flags

from tfseg.evaluation.history import read_history

matplotlib.use("Agg")
FLAGS = flags.FLAGS


def define_flags() -> None:
    flags.DEFINE_multi_string("run", None, "NAME=DIR[,DIR...]", required=True)
    flags.DEFINE_string("output_path", None, "The picture.", required=True)


def read_run(text: str) -> tuple[str, list[tuple[int, float, float]]]:
    """Returns a run's name and (step of all stages, box AP50, mask AP50), percent."""
    name, _, folders = text.partition("=")
    *before, last = folders.split(",")
    earlier = sum(_last_step(folder) for folder in before)
    points = [
        (earlier + line["step"], 100 * line["box/AP50"], 100 * line["mask/AP50"])
        for line in read_history(last)
    ]
    if not points:
        raise ValueError(f"--run={text}: {last} holds no validation; train with validations on.")
    return name, points


def _last_step(model_dir: str) -> int:
    return int(Path(tf.train.latest_checkpoint(model_dir)).name.split("-")[1])


def main(_) -> None:
    """Reads the flags, draws, prints the points."""
    import matplotlib.pyplot as plt

    runs = [read_run(text) for text in FLAGS.run]
    figure, axes = plt.subplots(figsize=(7, 3.6), dpi=130)
    for name, points in runs:
        steps, box, mask = zip(*points, strict=True)
        (line,) = axes.plot(steps, mask, marker="o", label=f"{name}: masks")
        axes.plot(steps, box, marker=".", ls=":", color=line.get_color(), label=f"{name}: boxes")
        for step, box_ap50, mask_ap50 in points:
            print(f"{name}: step {step}, box AP50 {box_ap50:.1f}, mask AP50 {mask_ap50:.1f}")
    axes.set(
        xlabel="training steps, all stages", ylabel="AP50 on val photos, percent", ylim=(0, None)
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(FLAGS.output_path)


if __name__ == "__main__":
    define_flags()
    app.run(main)
