"""Trains a full-size recipe, made small, as on a machine with N GPUs; prints a json line.

    python -m tests.tfseg.training.gpu_path.run_recipes N DIR xla|plain RECIPE=PRECISION STEPS ...

Every choice of a recipe is kept (synchronized normalization, precision, averages, repeat factors,
frozen parts, XLA where asked for) but sizes and lengths. It trains for the first number of steps
and saves, then goes on from there up to the next.
"""

import json
import shlex
import sys
from pathlib import Path

from tests.tfseg.training.gpu_path import faked_gpus

SMALL = (
    "task.model.input_size=[64,64,3]",
    "task.model.decoder.fpn.num_filters=16",
    "task.model.rpn_head.num_filters=16",
    "task.model.detection_head.fc_dims=32",
    "task.model.mask_head.num_convs=1",
    "task.model.mask_head.num_filters=16",
    "task.model.roi_generator.pre_nms_top_k=60",
    "task.model.roi_generator.num_proposals=20",
    "task.model.roi_sampler.num_sampled_rois=16",
    "task.model.mask_sampler.num_sampled_masks=4",
    "task.train_data.global_batch_size=8",
    "task.train_data.parser.rpn_batch_size_per_im=32",
    "task.train_data.shuffle_buffer_size=8",
    "trainer.steps_per_loop=1",
    "trainer.summary_interval=1",
    "trainer.checkpoint_interval=1",
    "trainer.validation_epochs=0",
)
_REPO_DIR = Path(__file__).resolve().parents[4]


def params_of(recipe: str, precision: str, prepared, num_gpus: int, xla: bool, steps: int):
    """A recipe's params, made small."""
    from tfseg.configs import experiment

    words = shlex.split((_REPO_DIR / "configs" / f"{recipe}.flags").read_text(), comments=True)
    paths = [str(_REPO_DIR / word.partition("=")[2]) for word in words]
    overrides = [*SMALL, f"trainer.train_steps={steps}", f"runtime.enable_xla={str(xla).lower()}"]
    overrides.append(f"runtime.mixed_precision_dtype={precision}")
    if recipe == "modanet_r101":
        overrides.append("task.model.backbone.resnet.model_id=50")
    elif recipe != "modanet_lite0":
        overrides.append("task.model.backbone.resnet.model_id=18")
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
    return {"step": trained.step, "finite": finite}


def main() -> None:
    """Runs the recipe."""
    num_gpus, work_dir, xla = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "xla"
    faked_gpus.fake(num_gpus)
    from tests.tfseg import small_experiment

    prepared = small_experiment.open_written(work_dir / "prepared")
    recipe, _, precision = sys.argv[4].partition("=")
    told = run(recipe, precision, prepared, num_gpus, work_dir, xla, map(int, sys.argv[5:]))
    print(f"\n{json.dumps(told)}", flush=True)


if __name__ == "__main__":
    main()
