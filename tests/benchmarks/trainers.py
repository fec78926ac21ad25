"""Steps a second and loss curves: tfseg.train against official.vision.train, taking turns.

python -m tests.benchmarks.trainers --data_dir=PREPARED --picture_path=curves.png

Both programs train the same config from random weights on the same shards, side by side: one
runs while the other is stopped, a loop of steps each. The config is a recipe's, without what
Model Garden's input cannot do. The recipe's bfloat16 is left out, too, unless --bfloat16 adds a
third training that has it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from absl import app, flags
from official.vision.configs import maskrcnn

from data_prep import prepared
from tests.benchmarks.reporting_trainer import REPORT

FLAGS = flags.FLAGS
STOCK, OURS, BFLOAT16 = "official.vision.train", "tfseg.train", "tfseg.train, bfloat16"


class Training:
    """A training program in a process of its own, stopped but while run_loop waits for it.

    Attributes:
        reports: A dict of each loop so far (reporting_trainer).
        wall: Seconds that each loop took.
    """

    def __init__(self, arguments: list[str]):
        """Starts the program: a module of Python and its arguments."""
        self.reports, self.wall = [], []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.reporting_trainer", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self._process.send_signal(signal.SIGSTOP)

    def run_loop(self) -> None:
        """Lets the program run until it has trained a loop of steps more."""
        start = time.perf_counter()
        self._process.send_signal(signal.SIGCONT)
        for line in self._process.stdout:
            if line.startswith(REPORT):
                break
        else:
            raise RuntimeError(f"{self._process.args}: ended with {self._process.wait()}.")
        self._process.send_signal(signal.SIGSTOP)
        self.wall.append(time.perf_counter() - start)
        self.reports.append(json.loads(line.removeprefix(REPORT)))

    def end(self) -> None:
        """Ends the program."""
        self._process.kill()
        self._process.communicate()

    def values(self, name: str) -> np.ndarray:
        """A figure of every loop."""
        return np.array([report[name] for report in self.reports])


def _our_overrides() -> list[str]:
    """What makes a recipe one that both trainers can do, of the wanted length."""
    augmentation = "task.train_data.augmentation"
    return [
        *(f"{augmentation}.{name}=0.0" for name in ("brightness", "contrast", "saturation")),
        *(f"{augmentation}.{name}=0.0" for name in ("rotation_degrees", "copy_paste_probability")),
        "task.train_data.repeat_factor_threshold=0.0",
        f"trainer.train_steps={FLAGS.num_steps}",
        f"trainer.steps_per_loop={FLAGS.loop_steps}",
        f"trainer.summary_interval={FLAGS.loop_steps}",
        f"trainer.checkpoint_interval={FLAGS.num_steps}",
        "trainer.validation_epochs=0",
        *FLAGS.params_override,
    ]


def _write_stock_config(path: Path, prepared_set, overrides: list[str]) -> None:
    """Writes the same config without the keys that Model Garden's experiment does not know."""
    from tfseg.configs import experiment

    content = experiment.build_params(
        "maskrcnn_resnetfpn_fashion", FLAGS.config_file, overrides, prepared_set
    ).as_dict()
    stock = maskrcnn.maskrcnn_resnetfpn_coco()
    for part, known in (
        (content["task"], stock.task),
        (content["task"]["train_data"], stock.task.train_data),
        (content["trainer"], stock.trainer),
    ):
        for name in set(part) - set(known.as_dict()):
            del part[name]
    path.write_text(yaml.safe_dump(content))


def _start(folder: Path, prepared_set) -> dict[str, Training]:
    overrides = [*_our_overrides(), "task.bfloat16_on_cpu=false"]
    _write_stock_config(folder / "stock.yaml", prepared_set, overrides)
    stock = [
        STOCK,
        "--experiment=maskrcnn_resnetfpn_coco",
        f"--config_file={folder}/stock.yaml",
        "--mode=train",
        f"--model_dir={folder}/stock",
    ]
    ours = [
        "tfseg.train",
        *(f"--config_file={path}" for path in FLAGS.config_file),
        f"--data_dir={prepared_set.path}",
        "--num_gpus=0",
        "--from_scratch",
    ]
    programs = {STOCK: stock}
    for name, bfloat16 in ((OURS, "false"), (BFLOAT16, "true")):
        settings = [*_our_overrides(), f"task.bfloat16_on_cpu={bfloat16}"]
        flags_given = [f"--params_override={one}" for one in settings]
        programs[name] = [*ours, f"--model_dir={folder}/bfloat16_{bfloat16}", *flags_given]
    if not FLAGS.bfloat16:
        del programs[BFLOAT16]
    return {name: Training(arguments) for name, arguments in programs.items()}


def _print_speeds(trainings: dict[str, Training]) -> None:
    steps = FLAGS.loop_steps
    rates, cpu = {}, {}
    for name, training in trainings.items():
        rates[name] = steps / np.median(training.wall[1:])  # the first loop builds the graph
        cpu[name] = np.median(np.diff(training.values("seconds"))) / steps
        print(f"  {name:24} {rates[name]:6.3f} steps/s, {cpu[name]:.3f} s of processor time a step")
    for name in list(trainings)[1:]:
        print(
            f"  {name} / {STOCK}: {rates[name] / rates[STOCK]:.2f} in steps/s, "
            f"{cpu[STOCK] / cpu[name]:.2f} in steps a second of processor time"
        )


def _print_curves(trainings: dict[str, Training]) -> None:
    """Means of windows of the total loss, and how much the mean of such a window scatters."""
    windows = np.array_split(np.arange(len(next(iter(trainings.values())).reports)), 6)
    print("  total loss, means of windows +- standard error")
    for name, training in trainings.items():
        losses = [training.values("total_loss")[window] for window in windows]
        parts = [f"{np.mean(one):.3f}+-{np.std(one) / np.sqrt(len(one)):.3f}" for one in losses]
        print(f"  {name:24} {'  '.join(parts)}")
    names = ("rpn_score_loss", "rpn_box_loss", "frcnn_cls_loss", "frcnn_box_loss", "mask_loss")
    print("  means of the last window: " + ", ".join(names))
    for name, training in trainings.items():
        means = [np.mean(training.values(loss)[windows[-1]]) for loss in names]
        print(f"  {name:24} {', '.join(f'{mean:.3f}' for mean in means)}")


def _draw_curves(trainings: dict[str, Training], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for (name, training), colour in zip(
        trainings.items(), ("#777777", "#c0392b", "#2471a3"), strict=False
    ):
        steps, losses = training.values("step"), training.values("total_loss")
        axes.plot(steps, losses, colour, alpha=0.25, linewidth=1)
        width = max(1, len(losses) // 12)
        smooth = np.convolve(losses, np.ones(width) / width, "valid")
        axes.plot(steps[width - 1 :], smooth, colour, linewidth=2, label=name)
    axes.set(xlabel="step", ylabel="total loss, and its running mean", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=130)


def main(_) -> None:
    """Reads the flags, trains in turns, prints the comparison."""
    prepared_set = prepared.open_prepared(FLAGS.data_dir, FLAGS.dataset)
    with tempfile.TemporaryDirectory() as folder:
        trainings = _start(Path(folder), prepared_set)
        try:
            for _ in range(FLAGS.num_steps // FLAGS.loop_steps):
                for training in trainings.values():
                    training.run_loop()
        finally:
            for training in trainings.values():
                training.end()
    _print_speeds(trainings)
    _print_curves(trainings)
    if FLAGS.picture_path:
        _draw_curves(trainings, FLAGS.picture_path)


if __name__ == "__main__":
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_multi_string(
        "config_file",
        ["configs/r50_256_light.yaml", "configs/street_r18_384.yaml"],
        "The recipe's YAML files.",
    )
    flags.DEFINE_multi_string("params_override", [], "KEY=VALUE over the config, for both.")
    flags.DEFINE_integer("num_steps", 300, "Steps of each training.")
    flags.DEFINE_integer("loop_steps", 5, "Steps a turn.")
    flags.DEFINE_bool("bfloat16", False, "Also train with task.bfloat16_on_cpu.")
    flags.DEFINE_string("picture_path", None, "Gets the loss curves as a picture.")
    app.run(main)
