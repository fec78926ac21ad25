"""Time of a training step of an EfficientNet-Lite backbone, with and without what makes it quick.

python -m tests.benchmarks.depthwise_step --data_dir=PREPARED

One core; the variants take turns, each with a batch of its own that it trains on again and again.
"plain" are TensorFlow's own gradients of depthwise convolutions, "quick" those of ops/depthwise.py;
in both, convolutions are in bfloat16, and all of the backbone is trained unless "frozen" says so.
"""

import os
import statistics
import time

import tensorflow as tf
from absl import app, flags
from official.core import task_factory
from official.modeling import optimization

from data_prep import prepared
from tfseg.configs import experiment
from tfseg.training import strategy, task

FLAGS = flags.FLAGS
VARIANTS = {  # bfloat16, quick gradients, level up to which the backbone is frozen
    "plain, float32": (False, False, 0),
    "plain": (True, False, 0),
    "quick": (True, True, 0),
    "quick, frozen": (True, True, 2),
}


def _make_step(prepared_set, bfloat16: bool, quick: bool, frozen_level: int):
    """A function that trains one step; its graph is built."""
    params = experiment.build_params(
        "maskrcnn_resnetfpn_fashion",
        FLAGS.config_file,
        [f"task.freeze_backbone_level={frozen_level}", f"task.bfloat16_on_cpu={bfloat16}"],
        prepared_set,
    )
    os.environ.pop(strategy.KEPT_IN_FLOAT32, None)
    strategy.set_precision(params.runtime.mixed_precision_dtype, bfloat16)
    if not quick:
        os.environ[strategy.KEPT_IN_FLOAT32] = ""
    kept, task.use_quick_gradients = (
        task.use_quick_gradients,
        task.use_quick_gradients if quick else lambda backbone: 0,
    )
    try:
        one = task_factory.get_task(params.task)
        model = one.build_model()
        factory = optimization.OptimizerFactory(params.trainer.optimizer_config)
        optimizer = factory.build_optimizer(factory.build_learning_rate())
        if params.trainer.optimizer_config.ema:
            optimizer.shadow_copy(model)
        batch = next(iter(one.build_inputs(params.task.train_data)))
        step = tf.function(lambda: one.train_step(batch, model, optimizer))
        step()
    finally:
        task.use_quick_gradients = kept
    return step


def main(_) -> None:
    """Reads the flags, times, prints the table."""
    os.sched_setaffinity(0, {FLAGS.core})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    prepared_set = prepared.open_prepared(FLAGS.data_dir, FLAGS.dataset)
    steps = {name: _make_step(prepared_set, *options) for name, options in VARIANTS.items()}
    seconds = {name: [] for name in steps}
    for _ in range(FLAGS.rounds):
        for name, step in steps.items():
            start = time.process_time()
            step()
            seconds[name].append(time.process_time() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    fastest_before = min(medians["plain"], medians["plain, float32"])
    print("| step | processor time, ms | times as fast as the better plain one |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {1000 * median:.0f} | {fastest_before / median:.2f} |")


if __name__ == "__main__":
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_multi_string(
        "config_file",
        [
            "configs/r50_256_light.yaml",
            "configs/street_r18_384.yaml",
            "configs/street_lite0_384.yaml",
        ],
        "The recipe's YAML files.",
    )
    flags.DEFINE_integer("rounds", 7, "Steps of each.", 1)
    flags.DEFINE_integer("core", 0, "Number of the core to run on.")
    app.run(main)
