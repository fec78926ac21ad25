"""Where the time of a training step on a CPU goes, from TensorFlow's profiler, in two tables.

python -m tests.benchmarks.step_profile --data_dir=PREPARED --config_file=configs/r50_512.yaml \
    --params_override=task.model.input_size=[512,512,3] \
    --params_override=runtime.mixed_precision_dtype=float32 \
    --params_override=task.train_data.dtype=float32 \
    --params_override=task.train_data.global_batch_size=2

Trains on one batch again and again, on one core and one operation after the other, so that an
operation's time is its processor time. The input runs apart from it, over batches of its own.
"""

import collections
import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from official.core import task_factory
from official.modeling import optimization
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from data_prep import prepared
from tfseg.configs import experiment
from tfseg.training import strategy

FLAGS = flags.FLAGS

# The first pattern that is found in an operation's name, without gradient_tape/, names its part.
PARTS = {
    r"^mask_rcnn_model/(res|efficient)_net/": "backbone",
    r"^mask_rcnn_model/fpn/": "pyramid",
    r"^mask_rcnn_model/rpn_head/": "region head",
    r"^mask_rcnn_model/\w*roi_generator": "regions: decoding, NMS",
    r"^mask_rcnn_model/multilevel_roi_aligner": "RoIAlign",
    r"^mask_rcnn_model/(roi_sampler|mask_sampler)": "sampling and targets",
    r"^mask_rcnn_model/detection_head/": "box head",
    r"^mask_rcnn_model/mask_head/": "mask head",
    r"_loss": "losses",
    r"^(SGD|Adam|ExponentialMovingAverage|global_norm|clip)": "optimizer and averages",
    r"AddN|Regularizer|L2Loss": "weight decay, sums of gradients",
}
KINDS = {
    r"BackpropFilter": "convolutions, gradient of weights",
    r"BackpropInput": "convolutions, gradient of inputs",
    r"Conv2D": "convolutions, forward",
    r"MatMul|Einsum": "products of matrices",
    r"BatchNorm": "batch normalization, fused",
    r"NonMaxSuppression|TopK|Sort": "NMS, top k",
    r"UnsortedSegmentSum|Gather|Pool": "gathering, pooling and their gradients",
    r"^(Sum|Mul|Add|AddV2|AddN|Sub|Square|SquaredDifference|Tile|Mean|RealDiv|Neg|Rsqrt)$": (
        "sums, products, tiles"
    ),
    r"Relu|Sigmoid|Softmax": "activations",
    r"Apply|Assign": "updates of weights",
}


def _named(patterns: dict[str, str], text: str) -> str:
    return next((name for one, name in patterns.items() if re.search(one, text)), "other")


def operation_times(trace_dir: str) -> dict[str, float]:
    """Seconds of each operation, `name:type`, without those it waited for, from a trace."""
    (path,) = Path(trace_dir).glob("**/*.xplane.pb")
    space = xplane_pb2.XSpace()
    space.ParseFromString(path.read_bytes())
    seconds = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            open_events = []  # names and ends of those around the current one
            for event in sorted(line.events, key=lambda one: (one.offset_ps, -one.duration_ps)):
                while open_events and open_events[-1][1] <= event.offset_ps:
                    open_events.pop()
                if open_events:
                    seconds[open_events[-1][0]] -= event.duration_ps / 1e12
                name = plane.event_metadata[event.metadata_id].name
                seconds[name] += event.duration_ps / 1e12
                open_events.append((name, event.offset_ps + event.duration_ps))
    # Operations alone: neither the executor's own events (`A::B`) nor Python's.
    return {name: value for name, value in seconds.items() if re.search(r"[^:]:\w+$", name)}


def _make_step(params):
    """A function that trains one step on a fixed batch, and the training input."""
    strategy.set_precision(params.runtime.mixed_precision_dtype, params.task.bfloat16_on_cpu)
    task = task_factory.get_task(params.task)
    model = task.build_model()
    factory = optimization.OptimizerFactory(params.trainer.optimizer_config)
    optimizer = factory.build_optimizer(factory.build_learning_rate())
    if params.trainer.optimizer_config.ema:
        optimizer.shadow_copy(model)
    inputs = task.build_inputs(params.task.train_data)
    batch = next(iter(inputs))
    return tf.function(lambda: task.train_step(batch, model, optimizer)), inputs


def _print_parts(seconds: dict[str, float], num_steps: int) -> None:
    times = collections.defaultdict(lambda: [0.0, 0.0])
    for name, value in seconds.items():
        plain = name.removeprefix("gradient_tape/")
        times[_named(PARTS, plain)][plain != name] += 1000 * value / num_steps
    _print_table("part", ("forward", "backward"), times)


def _print_kinds(seconds: dict[str, float], num_steps: int) -> None:
    times = collections.defaultdict(lambda: [0.0])
    for name, value in seconds.items():
        times[_named(KINDS, name.rsplit(":", 1)[1])][0] += 1000 * value / num_steps
    _print_table("kind of operation", (), times)


def _print_table(title: str, columns: tuple[str, ...], times: dict[str, list[float]]) -> None:
    total = sum(map(sum, times.values()))
    print(f"| {title} | {''.join(f'{one} ms | ' for one in columns)}ms | share |")
    print("|---" * (len(columns) + 3) + "|")
    for name, row in sorted(times.items(), key=lambda item: -sum(item[1])):
        cells = "".join(f"{value:.1f} | " for value in row) if columns else ""
        print(f"| {name} | {cells}{sum(row):.1f} | {100 * sum(row) / total:.1f} % |")
    print(f"| all | {' | ' * len(columns)}{total:.1f} | 100 % |\n")


def _input_seconds(inputs: tf.data.Dataset, num_batches: int) -> float:
    """Processor time of a batch of the input; begun anew, so that no buffer is full already."""
    start = time.process_time()
    for _ in inputs.take(num_batches):
        pass
    return (time.process_time() - start) / num_batches


def main(_) -> None:
    """Reads the flags, trains, prints the tables."""
    os.sched_setaffinity(0, {FLAGS.core})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    params = experiment.build_params(
        "maskrcnn_resnetfpn_fashion",
        FLAGS.config_file,
        FLAGS.params_override,
        prepared.open_prepared(FLAGS.data_dir, FLAGS.dataset),
    )
    step, inputs = _make_step(params)
    for _ in range(2):  # the first builds the graph
        step()
    seconds = []
    with tempfile.TemporaryDirectory() as trace_dir:
        tf.profiler.experimental.start(trace_dir)
        for _ in range(FLAGS.num_steps):
            start = time.process_time()
            step()
            seconds.append(time.process_time() - start)
        tf.profiler.experimental.stop()
        operations = operation_times(trace_dir)
    _print_parts(operations, FLAGS.num_steps)
    _print_kinds(operations, FLAGS.num_steps)
    of_step, of_input = np.median(seconds), _input_seconds(inputs, 60)
    print(
        f"processor time of a step {of_step:.3f} s, of its input {of_input:.3f} s: "
        f"{100 * of_input / (of_step + of_input):.1f} % of both"
    )


if __name__ == "__main__":
    flags.DEFINE_string("data_dir", None, "Folder with the prepared data set.", required=True)
    flags.DEFINE_string("dataset", None, "Name of the data set, where data_dir holds several.")
    flags.DEFINE_multi_string(
        "config_file",
        ["configs/r50_256_light.yaml", "configs/street_r18_384.yaml"],
        "The recipe's YAML files.",
    )
    flags.DEFINE_multi_string("params_override", [], "KEY=VALUE over the config.")
    flags.DEFINE_integer("num_steps", 3, "Steps that are profiled.")
    flags.DEFINE_integer("core", 0, "Number of the core to run on.")
    app.run(main)
