"""Seconds a training step, float32 against oneDNN's bfloat16, side by side in one run.

python -m tests.benchmarks.train_step --data_dir=PREPARED

Trains the demo's model on one batch again and again, in rounds that take turns.
"""

import time

import numpy as np
import tensorflow as tf
from absl import app, flags
from official.core import task_factory
from official.modeling import optimization

from data_prep import prepared
from tfseg.configs import experiment
from tfseg.training import strategy

FLAGS = flags.FLAGS


def make_step(prepared_set, bfloat16: bool):
    """Returns a function without arguments that trains one step on a fixed batch."""
    params = experiment.build_params(
        "maskrcnn_resnetfpn_fashion",
        ["configs/r50_256_light.yaml", "configs/demo.yaml"],
        [],
        prepared_set,
    )
    strategy.set_precision("float32", bfloat16)
    fashion_task = task_factory.get_task(params.task)
    model = fashion_task.build_model()
    factory = optimization.OptimizerFactory(params.trainer.optimizer_config)
    optimizer = factory.build_optimizer(factory.build_learning_rate())
    batch = next(iter(fashion_task.build_inputs(params.task.train_data)))
    step = tf.function(lambda: fashion_task.train_step(batch, model, optimizer))
    step()  # graph building, with this precision's graph rewriter
    return step


def main(_) -> None:
    """Reads the flags and prints the comparison."""
    prepared_set = prepared.open_prepared(FLAGS.data_dir)
    steps = {"float32": make_step(prepared_set, False), "bfloat16": make_step(prepared_set, True)}
    seconds = {name: [] for name in steps}
    for _ in range(FLAGS.num_rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            tf.nest.map_structure(lambda tensor: tensor.numpy(), step())
            seconds[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"  {name:9} {median:.3f} s a step")
    print(f"  float32 / bfloat16: {medians['float32'] / medians['bfloat16']:.2f}")


if __name__ == "__main__":
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_integer("num_rounds", 10, "Timed steps of each.")
    app.run(main)
