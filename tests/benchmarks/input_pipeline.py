"""Training examples a second: our input against Model Garden's stock one, on the same shards.

python -m tests.benchmarks.input_pipeline --data_dir=PREPARED

Both flip and scale as configs/modanet_r50.yaml does, at its 512 pixels; rounds take turns. What
counts is the processor time of an image, which other work on the machine does not change.
"""

import time

import numpy as np
import tensorflow as tf
from absl import app, flags
from official.core import task_factory
from official.vision.tasks import maskrcnn

import tfseg.training  # noqa: F401  registers the task
from data_prep import prepared
from tfseg.configs import experiment

FLAGS = flags.FLAGS
_ROUND_BATCHES = 30


def _stock(params) -> tf.data.Dataset:
    """Model Garden's own input for the same config."""
    task = maskrcnn.MaskRCNNTask(params.task)
    data = params.task.train_data.replace(shuffle_buffer_size=100)
    return task.build_inputs(data)


def main(_) -> None:
    """Reads the flags and prints the comparison."""
    params = experiment.build_params(
        "maskrcnn_resnetfpn_fashion",
        ["configs/r50_512.yaml", "configs/modanet_r50.yaml"],
        ["task.train_data.global_batch_size=4", *FLAGS.params_override],
        prepared.open_prepared(FLAGS.data_dir),
    )
    ours = task_factory.get_task(params.task).build_inputs(params.task.train_data)
    inputs = {"stock": _stock(params), "ours": ours}
    cpu, wall = ({name: [] for name in inputs} for _ in range(2))
    for number in range(FLAGS.num_rounds + 1):
        for name, dataset in inputs.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            # An iterator of its own, gone at the end: no buffers are filled in the other's time.
            for _ in dataset.take(_ROUND_BATCHES):
                pass
            if number:  # the first round also prepares
                cpu[name].append((time.process_time() - start_cpu) / (4 * _ROUND_BATCHES))
                wall[name].append((time.perf_counter() - start) / (4 * _ROUND_BATCHES))
    for name in inputs:
        print(
            f"  {name:6} {1 / np.median(wall[name]):6.1f} images/s, "
            f"{1000 * np.median(cpu[name]):5.1f} ms of processor time an image"
        )
    print(
        f"  stock / ours: {np.median(cpu['stock']) / np.median(cpu['ours']):.2f} of processor time"
    )


if __name__ == "__main__":
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_multi_string("params_override", [], "KEY=VALUE over the config.")
    flags.DEFINE_integer("num_rounds", 8, "Rounds of each.")
    app.run(main)
