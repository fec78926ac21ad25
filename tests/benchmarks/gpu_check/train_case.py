"""Trains some steps of one recipe and prints a json line of what they took.

    python -m tests.benchmarks.gpu_check.train_case DATA_DIR CASE_AS_JSON OPTIONS_AS_JSON

It is the trainer that tfseg.train runs, without checkpoints. After the steps on the photos come as
many on one batch again and again: where those are quicker, the input holds the GPUs up.
"""

import json
import math
import sys
import time

from data_prep import prepared
from tests.benchmarks.gpu_check import cases
from tests.tfseg import small_experiment

_STEPS_A_LOOP = 5


def make_trainer(params, distribution):
    """The trainer of tfseg.train, ready to train."""
    from official.core import task_factory, train_utils

    import tfseg.training  # noqa: F401  registers the task
    from tfseg.checkpoint import optimizers

    with distribution.scope():
        task = task_factory.get_task(params.task)
        trainer = train_utils.create_trainer(params, task, train=True, evaluate=False)
        optimizers.create_variables(trainer.optimizer, trainer.model.trainable_variables)
    return trainer


def repeat_one_batch(trainer, distribution) -> None:
    """Has the trainer train on its first batch again and again."""
    import tensorflow as tf

    data = trainer.config.task.train_data

    def one_batch(context: tf.distribute.InputContext) -> tf.data.Dataset:
        return trainer.task.build_inputs(data, context).take(1).cache().repeat()

    trainer.train_dataset = distribution.distribute_datasets_from_function(one_batch)


def images_a_second(trainer, batch: int, seconds: float) -> tuple[float, dict[str, float]]:
    """Trains for at least so long; returns the rate and the losses of the last steps."""
    import tensorflow as tf

    num_steps, start = 0, time.perf_counter()
    while not num_steps or time.perf_counter() - start < seconds:
        logs = trainer.train(tf.constant(_STEPS_A_LOOP))
        losses = {name: float(value) for name, value in logs.items() if name.endswith("loss")}
        num_steps += _STEPS_A_LOOP
    return num_steps * batch / (time.perf_counter() - start), losses


def peak_bytes(num_gpus: int) -> int | None:
    """Most memory that tensors of any GPU took; None where TensorFlow does not tell (CPUs)."""
    import tensorflow as tf

    names = [device.name for device in tf.config.list_logical_devices("GPU")[:num_gpus]]
    try:
        return max(
            tf.config.experimental.get_memory_info(name.removeprefix("/device:"))["peak"]
            for name in names
        )
    except ValueError:
        return None


def measure(params, num_gpus: int, seconds: float) -> dict:
    """Trains and measures; the keys are those that report.py shows."""
    import tensorflow as tf

    from tfseg.training import strategy

    strategy.set_precision(params.runtime.mixed_precision_dtype, False)
    distribution = strategy.make_strategy(num_gpus)
    trainer = make_trainer(params, distribution)
    batch = params.task.train_data.global_batch_size
    start = time.perf_counter()
    trainer.train(tf.constant(1))
    first_step = time.perf_counter() - start
    rate, losses = images_a_second(trainer, batch, seconds)
    repeat_one_batch(trainer, distribution)
    trainer.train(tf.constant(1))  # a new iterator may have the step traced again
    cached_rate, cached_losses = images_a_second(trainer, batch, seconds)
    values = [*losses.values(), *cached_losses.values()]
    height, width = params.task.model.input_size[:2]
    return {
        "batch": batch,
        "size": f"{height} x {width}",
        "first_step_s": first_step,
        "images_a_second": rate,
        "cached_images_a_second": cached_rate,
        "peak_bytes": peak_bytes(num_gpus),
        "finite": bool(values) and all(map(math.isfinite, values)),
        "losses": losses,
    }


def main() -> None:
    """Reads the arguments, measures, prints."""
    data_dir, case, options = sys.argv[1], cases.Case(**json.loads(sys.argv[2])), sys.argv[3]
    chosen = json.loads(options)
    if chosen["small"] and not case.xla:
        small_experiment.leave_graphs_as_traced()
    params = cases.build_params(
        case, prepared.open_prepared(data_dir), chosen["batch_per_gpu"], chosen["small"]
    )
    print(f"\n{json.dumps(measure(params, case.num_gpus, chosen['seconds']))}", flush=True)


if __name__ == "__main__":
    main()
