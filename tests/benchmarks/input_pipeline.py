"""Training examples a second: our input against others, on the same shards.

python -m tests.benchmarks.input_pipeline --data_dir=PREPARED \
    --params_override=task.model.input_size=[512,512,3]
python -m tests.benchmarks.input_pipeline --data_dir=PREPARED --inputs=plain,ours \
    --config_file=configs/r50_512.yaml --config_file=configs/modanet_r50_1024.yaml

`stock` is Model Garden's, which flips and scales alone; `plain` is ours as it is defined, by whole
photos and whole masks (tests/tfseg/dataloaders/whole_photo_input.py). Rounds take turns. What
counts is the processor time of an image, which other work on the machine changes little.
"""

import functools
import time

import numpy as np
import tensorflow as tf
from absl import app, flags
from official.core import task_factory
from official.vision.tasks import maskrcnn

import tfseg.training  # noqa: F401  registers the task
from data_prep import prepared
from tests.tfseg.dataloaders import whole_photo_input
from tfseg.configs import experiment

FLAGS = flags.FLAGS
_ROUND_BATCHES = 20
_GPUS, _IMAGES_A_GPU = 8, 40  # a second


def _stock(params) -> tf.data.Dataset:
    """Model Garden's own input for the same config."""
    task = maskrcnn.MaskRCNNTask(params.task)
    data = params.task.train_data.replace(shuffle_buffer_size=100)
    return task.build_inputs(data)


def _batches(example_at) -> tf.data.Dataset:
    # Without a buffer: none fills while it is the other's turn.
    examples = tf.data.Dataset.counter().map(example_at, num_parallel_calls=2)
    return examples.batch(4, drop_remainder=True)


def _plain(params) -> tf.data.Dataset:
    """Ours, by whole photos."""
    train_input = task_factory.get_task(params.task).train_input()
    return _batches(functools.partial(whole_photo_input.example_at, train_input))


def _ours(params) -> tf.data.Dataset:
    return _batches(task_factory.get_task(params.task).train_input().example_at)


_MADE_BY = {"stock": _stock, "plain": _plain, "ours": _ours}


def main(_) -> None:
    """Reads the flags and prints the comparison."""
    params = experiment.build_params(
        "maskrcnn_resnetfpn_fashion",
        FLAGS.config_file,
        ["task.train_data.global_batch_size=4", *FLAGS.params_override],
        prepared.open_prepared(FLAGS.data_dir),
    )
    inputs = {name: _MADE_BY[name](params) for name in FLAGS.inputs}
    cpu, wall = ({name: [] for name in inputs} for _ in range(2))
    iterators = {name: iter(dataset) for name, dataset in inputs.items()}
    for number in range(FLAGS.num_rounds + 1):
        for name, iterator in iterators.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            for _ in range(_ROUND_BATCHES):
                next(iterator)
            if number:  # the first round also prepares
                cpu[name].append((time.process_time() - start_cpu) / (4 * _ROUND_BATCHES))
                wall[name].append((time.perf_counter() - start) / (4 * _ROUND_BATCHES))
    for name in inputs:
        a_photo = np.median(cpu[name])
        print(
            f"  {name:6} {1 / np.median(wall[name]):6.1f} images/s, "
            f"{1000 * a_photo:5.1f} ms of processor time an image; {_GPUS} GPUs of "
            f"{_IMAGES_A_GPU} images/s want {_GPUS * _IMAGES_A_GPU * a_photo:.1f} cores"
        )
    for name in FLAGS.inputs[:-1]:
        last = FLAGS.inputs[-1]
        ratios = np.divide(cpu[name], cpu[last])
        print(f"  {name} / {last}: {np.median(ratios):.2f} of processor time (median of rounds)")


if __name__ == "__main__":
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_multi_string("params_override", [], "KEY=VALUE over the config.")
    flags.DEFINE_multi_string(
        "config_file", ["configs/r50_512.yaml", "configs/modanet_r50.yaml"], "The recipe's files."
    )
    flags.DEFINE_list("inputs", ["stock", "ours"], f"Of {', '.join(_MADE_BY)}; the last is ours.")
    flags.DEFINE_integer("num_rounds", 8, "Rounds of each.")
    app.run(main)
