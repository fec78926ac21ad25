"""Peak memory of trainings on the CPU, measured, beside what is estimated before they start.

python -m tests.benchmarks.training_memory --data_dir=PREPARED [--runs=r50_512_batch_2,...]

Each run is tfseg.train in a process of its own for a few steps, checkpoint included.
"""

import os
import re
import subprocess
import sys
import tempfile

from absl import app, flags

FLAGS = flags.FLAGS

_R50 = ("configs/r50_512.yaml", "configs/modanet_r50.yaml")
_R101 = ("configs/r50_512.yaml", "configs/modanet_r101.yaml")
_R18 = ("configs/r50_256_light.yaml", "configs/street_r18_384.yaml")
_R50_LIGHT = ("configs/r50_256_light.yaml", "configs/street_r50_256.yaml")
_FLOAT32 = ("runtime.mixed_precision_dtype=float32", "task.train_data.dtype=float32")
_SQUARE = (*_FLOAT32, "task.model.input_size=[512,512,3]")
_BATCH = "task.train_data.global_batch_size="
# Name: config files and overrides.
RUNS = {
    "r50_512_batch_2": (_R50, (*_SQUARE, f"{_BATCH}2")),
    "r50_512_batch_1": (_R50, (*_SQUARE, f"{_BATCH}1")),
    "r50_512_32_masks": (
        _R50,
        (*_SQUARE, f"{_BATCH}2", "task.model.mask_sampler.num_sampled_masks=32"),
    ),
    "r101_512_batch_1": (_R101, (*_SQUARE, f"{_BATCH}1")),
    "r18_384_batch_4": (_R18, ()),
    "r18_384_batch_12": (_R18, (f"{_BATCH}12",)),
    "r50_256_light_batch_4": (_R50_LIGHT, ()),
}


def measure(name: str) -> tuple[float, str]:
    """GiB at the peak of a run, and the estimate that the training printed of itself."""
    config_files, overrides = RUNS[name]
    steps = FLAGS.num_steps
    settings = [
        *overrides,
        f"trainer.train_steps={steps}",
        f"trainer.steps_per_loop={steps}",
        f"trainer.summary_interval={steps}",
        f"trainer.checkpoint_interval={steps}",
        "trainer.validation_epochs=0",
    ]
    with tempfile.TemporaryDirectory() as model_dir:
        process = subprocess.Popen(
            [sys.executable, "-m", "tfseg.train", f"--model_dir={model_dir}"]
            + [f"--data_dir={FLAGS.data_dir}", "--num_gpus=0", "--from_scratch"]
            + ([f"--dataset={FLAGS.dataset}"] if FLAGS.dataset else [])
            + [f"--config_file={path}" for path in config_files]
            + [f"--params_override={one}" for one in settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{name}: the training failed: {printed[-2000:]}")
    estimate = re.search(r"memory about ([\d.]+)", printed).group(1)
    return usage.ru_maxrss / 2**20, estimate


def main(_) -> None:
    """Reads the flags, trains, prints the table."""
    print("| run | peak GiB | estimated GiB |\n|---|---|---|", flush=True)
    for name in FLAGS.runs:
        peak, estimate = measure(name)
        print(f"| {name} | {peak:.2f} | {estimate} |", flush=True)


if __name__ == "__main__":
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_list("runs", list(RUNS), "Which runs, of RUNS.")
    flags.DEFINE_integer("num_steps", 5, "Steps of each.")
    app.run(main)
