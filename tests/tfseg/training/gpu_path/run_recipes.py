"""Trains a full-size recipe, made small, as on a machine with N GPUs; prints a json line.

    python -m tests.tfseg.training.gpu_path.run_recipes N DIR xla|plain RECIPE=PRECISION STEPS ...

Every choice of a recipe is kept (synchronized normalization, precision, averages, repeat factors,
frozen parts, XLA where asked for) but sizes and lengths. It trains for the first number of steps
and saves, then goes on from there up to the next.
"""

import json
import sys
from pathlib import Path

import numpy as np

from tests.tfseg import small_experiment
from tests.tfseg.training.gpu_path import faked_gpus
from tfseg.configs import recipes

SMALL = (
    *small_experiment.SMALL_MODEL,
    "task.train_data.global_batch_size=8",
    "task.train_data.shuffle_buffer_size=8",
    "trainer.steps_per_loop=1",
    "trainer.summary_interval=1",
    "trainer.checkpoint_interval=1",
    "trainer.validation_epochs=0",
)


def params_of(recipe: str, precision: str, prepared, num_gpus: int, xla: bool, steps: int):
    """A recipe's params, made small."""
    from tfseg.configs import experiment

    _, *flags = recipes.expand(["train", f"--config={recipe}"])
    paths = [flag.removeprefix("--config_file=") for flag in flags]
    overrides = [*SMALL, f"trainer.train_steps={steps}", f"runtime.enable_xla={str(xla).lower()}"]
    overrides.append(f"runtime.mixed_precision_dtype={precision}")
    if recipe != "modanet_lite0":
        depth = 50 if recipe == "modanet_r101" else 10  # its blocks have a third convolution
        overrides.append(f"task.model.backbone.resnet.model_id={depth}")
    return experiment.build_params(
        "maskrcnn_resnetfpn_fashion", paths, overrides, prepared, "train", num_gpus
    )


def run(recipe, precision, prepared, num_gpus: int, work_dir: Path, xla: bool, lengths) -> dict:
    """Trains up to each of the lengths, each time from the checkpoint; what came of it."""
    import tensorflow as tf

    from tfseg.checkpoint import trained_model
    from tfseg.training import train_loop

    model_dir = str(work_dir / f"{recipe}_{precision}")
    for steps in lengths:
        params = params_of(recipe, precision, prepared, num_gpus, xla, steps)
        train_loop.train(params, model_dir)
    trained = trained_model.load_trained(model_dir)
    finite = all(bool(tf.reduce_all(tf.math.is_finite(w))) for w in trained.model.weights)
    averaged = _has_averages(trained, small_experiment.weights(model_dir, trained.step))
    return {"step": trained.step, "finite": finite, "averaged": averaged}


def _has_averages(trained, checkpoint: dict[str, np.ndarray]) -> bool:
    """Whether what is read back are the averages of weights, not those of the last step."""
    averages = [key for key in checkpoint if "OPTIMIZER_SLOT" in key and "/average/" in key]
    bias = trained.model.mask_head.trainable_weights[-1].numpy()
    is_average = any(np.array_equal(bias, checkpoint[name]) for name in averages)
    return len(averages) > 50 and is_average


def main() -> None:
    """Runs the recipe."""
    num_gpus, work_dir, xla = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "xla"
    faked_gpus.fake(num_gpus)
    if not xla:
        small_experiment.leave_graphs_as_traced()
    prepared = small_experiment.open_written(work_dir / "prepared")
    recipe, _, precision = sys.argv[4].partition("=")
    told = run(recipe, precision, prepared, num_gpus, work_dir, xla, map(int, sys.argv[5:]))
    print(f"\n{json.dumps(told)}", flush=True)


if __name__ == "__main__":
    main()
