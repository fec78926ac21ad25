"""What a photo costs: the stock export of the same weights against ours, side by side in one run.

python -m tests.benchmarks.serving_speed --input_side=512
python -m tests.benchmarks.serving_speed --model_dir=DIR --photos_dir=PHOTOS

Without --model_dir the weights are random: times are real, and a threshold keeps ten detections.
Rounds take turns; "cpu" is the median of process CPU seconds, "wall" the minimum. The cost in AP:
tests.benchmarks.serving_accuracy.
"""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import app, flags

from serving.servables.model_store import ServedVersion, session_config
from tests.benchmarks import exported_variants

FLAGS = flags.FLAGS


class Variant(NamedTuple):
    """One export and how it is run: its input's and, where it is ours, its outputs' names."""

    name: str
    served: ServedVersion
    input_name: str
    is_ours: bool

    def run(self, photos: list[bytes]) -> dict[str, np.ndarray]:
        """Runs serving_default; returns its outputs by name."""
        signature = self.served.signatures["serving_default"]
        names = list(signature.outputs)
        values = self.served.run(
            {signature.inputs[self.input_name].name: np.array(photos, object)},
            [signature.outputs[name].name for name in names],
        )
        return dict(zip(names, values, strict=True))


def load_variants(folder: Path, input_side: int, model_dir: str | None, names) -> list[Variant]:
    """Exports and loads the variants that are asked for."""
    variants = []
    for recipe in names:
        export_name, _, precision = recipe.partition("+")
        path = folder / export_name
        if not path.exists():
            exported_variants.export_variant(export_name, path, input_side, model_dir)
        served = ServedVersion(1, path, session_config(precision))
        is_ours = not export_name.startswith("stock")
        variants.append(Variant(recipe, served, "image_bytes" if is_ours else "inputs", is_ours))
    return variants


def measure(variants: list[Variant], photos: list[bytes], num_rounds: int) -> dict:
    """Returns by name: median CPU seconds, least and median wall seconds of a photo."""
    cpu = {variant.name: [] for variant in variants}
    wall = {variant.name: [] for variant in variants}
    for variant in variants:
        variant.run(photos[:1])
    for round_number in range(num_rounds):
        photo = [photos[round_number % len(photos)]]
        for variant in variants:
            start, start_cpu = time.perf_counter(), time.process_time()
            variant.run(photo)
            cpu[variant.name].append(time.process_time() - start_cpu)
            wall[variant.name].append(time.perf_counter() - start)
    return {
        name: (float(np.median(cpu[name])), min(wall[name]), float(np.median(wall[name])))
        for name in cpu
    }


def main(_) -> None:
    """Reads the flags and prints the table."""
    photos = exported_variants.photos(FLAGS.photos_dir, FLAGS.num_photos)
    with tempfile.TemporaryDirectory() as folder:
        variants = load_variants(
            Path(folder), FLAGS.input_side, FLAGS.model_dir or None, FLAGS.variants
        )
        figures = measure(variants, photos, FLAGS.num_rounds)
        first = figures[variants[0].name]
        print(f"input {FLAGS.input_side}, {len(photos)} photos, {FLAGS.num_rounds} rounds")
        print(f"{'variant':34} {'cpu s':>7} {'wall s':>7} {'cpu x':>6} {'wall x':>6} {'found':>6}")
        for variant in variants:
            cpu, least, _ = figures[variant.name]
            found = variant.run(photos[:1])["num_detections"][0]
            print(
                f"{variant.name:34} {cpu:7.3f} {least:7.3f} {first[0] / cpu:6.2f} "
                f"{first[1] / least:6.2f} {found:6}",
                flush=True,
            )


if __name__ == "__main__":
    flags.DEFINE_integer("input_side", 512, "Pixels of the network's square input.")
    flags.DEFINE_string("model_dir", None, "A trained model; random weights without.")
    flags.DEFINE_string("photos_dir", None, "Folder of JPEGs; one 3:4 photo is drawn without.")
    flags.DEFINE_integer("num_photos", 8, "The first so many photos of it.", 1)
    flags.DEFINE_integer("num_rounds", 8, "Timed calls of each.", 1)
    flags.DEFINE_list(
        "variants",
        ["stock", "stock+bfloat16", "ours_all_proposals", "ours", "ours+bfloat16"],
        "Exports of tests/benchmarks/exported_variants.py, +bfloat16 for the server's option.",
    )
    tf.get_logger().setLevel("ERROR")
    app.run(main)
