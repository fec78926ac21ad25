"""What cannot be seen without a GPU, looked at on this machine's, in under 15 minutes.

    python -m tests.benchmarks.gpu_check --output_path=gpu_check.md

Trains steps of every full-size recipe at its real size on drawn photos, on 1 to all GPUs, with XLA
and without, in each precision; sums over the GPUs; exports a model and compares the server's answer
on the GPU with the CPU's. Prints markdown to paste. Each measurement is a process of its own: one
that fails is told and the others go on. The exit code is 1 where anything failed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from tests.benchmarks.gpu_check import cases, report, served_answer
from tfseg.io import child_process, command_line

FLAGS = flags.FLAGS
_FIRST_OF_A_CASE_S = 60  # nothing begins with less time left


def define_flags() -> None:
    """Defines the flags."""
    command_line.define_path("output_path", None, "Also write the markdown to this file.")
    flags.DEFINE_list("recipes", list(cases.RECIPES), "Recipes; the first in every way.")
    flags.DEFINE_integer("num_gpus", None, "GPUs to use; all by default.", 1)
    flags.DEFINE_integer("batch_per_gpu", 4, "Photos a GPU and step; NVIDIA's figure is of 4.", 1)
    flags.DEFINE_float("minutes", 14.0, "Cases for which no time is left are listed, not run.")
    flags.DEFINE_float("seconds", 8.0, "How long each rate is measured at least.", 0.0)
    flags.DEFINE_integer("num_photos", 128, "Photos to draw.", 8)
    flags.DEFINE_float("all_reduce_mb", 176.0, "Tensor to sum; R50's gradients are 176 MiB.")
    flags.DEFINE_bool("small", False, "Shrink networks and photos: for a trial on a CPU.")
    flags.DEFINE_integer("max_cases", None, "At most so many trainings.")
    flags.DEFINE_integer("faked_gpus", 0, "For a trial on a CPU: so many of its own, as GPUs.")


def _draw_photos(folder: Path, num_photos: int) -> Path:
    """Draws and prepares photos; returns the prepared folder."""
    raw, prepared_dir = folder / "raw", folder / "prepared"
    for module, *arguments in (
        ("data_prep.sample.draw", f"--out_dir={raw}", f"--num_images={num_photos}"),
        (
            *("data_prep.build_tfrecords", "--dataset=modanet", f"--raw_dir={raw}"),
            *(f"--data_dir={prepared_dir}", "--max_bad_percent=50"),
        ),
    ):
        _run(cases.command(module, *arguments), timeout_s=600)
    return prepared_dir


def _run(command: list[str], timeout_s: float) -> str:
    """Runs a child; returns what it printed.

    Raises:
        RuntimeError: It failed, with the last line of why, or took too long.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cases.REPO_DIR,
            env=child_process.environment(TF_CPP_MIN_LOG_LEVEL="2"),
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"took over {timeout_s:.0f} s") from None
    if done.returncode:
        sys.stderr.write(done.stderr[-4000:])
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        last = lines[-1] if lines else "no message"
        raise RuntimeError(f"ended with {done.returncode}: {last[:200]}".replace("|", "/"))
    return done.stdout


def _json_of(command: list[str], timeout_s: float) -> dict:
    """The json of a child's last line, or {"error": why}."""
    try:
        return json.loads(_run(command, timeout_s).strip().splitlines()[-1])
    except RuntimeError as error:
        return {"error": str(error)}


def _photo_of(prepared_dir: Path) -> bytes:
    """A photo of the drawn ones, encoded."""
    import tensorflow as tf

    from data_prep import prepared

    paths = prepared.open_prepared(str(prepared_dir)).record_paths("train")
    feature = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
    record = next(iter(tf.data.TFRecordDataset(paths)))
    return tf.io.parse_single_example(record, feature)["image/encoded"].numpy()


def _machine(num_gpus: int) -> str:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(one) for one in gpus[:1]]
    kind = details[0].get("device_name", "GPU") if details else "faked GPU (CPU)"
    return f"{num_gpus} x {kind}, {os.cpu_count()} CPU cores, TensorFlow {tf.__version__}"


def _train_cases(planned: list[cases.Case], prepared_dir: Path, ends_at: float):
    """Runs the cases until the time is over; returns what they measured, and those left."""
    names = ("batch_per_gpu", "small", "seconds")
    options = json.dumps({name: FLAGS[name].value for name in names})
    measured: dict[cases.Case, dict] = {}
    for number, case in enumerate(planned):
        left_s = ends_at - time.monotonic()
        if left_s < _FIRST_OF_A_CASE_S:
            return measured, planned[number:]
        print(f"[{number + 1}/{len(planned)}, {left_s / 60:.0f} min left] {case}", file=sys.stderr)
        command = cases.command(
            "tests.benchmarks.gpu_check.train_case",
            *(str(prepared_dir), json.dumps(case.__dict__), options),
            faked_gpus=case.num_gpus if FLAGS.faked_gpus else 0,
        )
        measured[case] = _json_of(command, left_s)
    return measured, []


def _check(folder: Path, num_gpus: int, ends_at: float) -> tuple[str, bool]:
    prepared_dir = _draw_photos(folder, FLAGS.num_photos)
    sums = []
    for number in sorted({1, num_gpus}):
        command = cases.command(
            *("tests.benchmarks.gpu_check.all_reduce", str(number), str(FLAGS.all_reduce_mb)),
            faked_gpus=number if FLAGS.faked_gpus else 0,
        )
        sums.append({"num_gpus": number, **_json_of(command, 180)})
    try:
        served = served_answer.measure(_photo_of(prepared_dir), folder, FLAGS.faked_gpus)
    except (RuntimeError, OSError) as error:
        served = {"error": str(error)}
    planned = cases.plan(FLAGS.recipes, num_gpus, xla_on_many=not FLAGS.faked_gpus)
    measured, left = _train_cases(planned[: FLAGS.max_cases], prepared_dir, ends_at)
    text = report.markdown(_machine(num_gpus), measured, sums, served, left)
    return text, not report.problems(measured, sums, served)


def main(argv: list[str]) -> None:
    """Reads the flags, measures, prints the markdown."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        ends_at = time.monotonic() + 60 * FLAGS.minutes
        import tensorflow as tf

        num_gpus = FLAGS.faked_gpus or len(tf.config.list_physical_devices("GPU"))
        if not num_gpus:
            raise ValueError(
                "TensorFlow sees no GPU here; --small --faked_gpus=2 tries the script."
            )
        num_gpus = min(FLAGS.num_gpus or num_gpus, num_gpus)
        with tempfile.TemporaryDirectory() as folder:
            text, good = _check(Path(folder), num_gpus, ends_at)
        print(text)
        if FLAGS.output_path:
            Path(FLAGS.output_path).write_text(text, encoding="utf-8")
    sys.exit(not good)


if __name__ == "__main__":
    command_line.run(define_flags, main)
