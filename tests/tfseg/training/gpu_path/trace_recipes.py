"""Traces one step of a full-size recipe, made small, on each of several numbers of faked GPUs.

    python -m tests.tfseg.training.gpu_path.trace_recipes DIR RECIPE=PRECISION N ...

All is as tfseg.train does it up to the first step, which is traced and not run. Prints a json line
of the seconds that each number of GPUs took.
"""

import json
import sys
import time
from pathlib import Path

from tests.tfseg import small_experiment
from tests.tfseg.training.gpu_path import faked_gpus, run_recipes


def main() -> None:
    """Traces the steps."""
    work_dir = Path(sys.argv[1])
    recipe, _, precision = sys.argv[2].partition("=")
    numbers = [int(number) for number in sys.argv[3:]]
    faked_gpus.fake(max(numbers))
    import tensorflow as tf

    from tfseg.training import train_loop

    replicas = []

    def trace(runner, *_):
        trainer = runner.trainer
        step = trainer.create_train_loop_fn()
        step.get_concrete_function(iter(trainer.train_dataset), tf.constant(1))
        replicas.append(trainer.strategy.num_replicas_in_sync)

    train_loop._run = trace
    prepared = small_experiment.open_written(work_dir / "prepared")
    seconds = {}
    for number in numbers:
        begin = time.monotonic()
        params = run_recipes.params_of(recipe, precision, prepared, number, False, 1)
        train_loop.train(params, str(work_dir / f"traced_{number}"))
        seconds[replicas[-1]] = round(time.monotonic() - begin)
    print(f"\n{json.dumps(seconds)}", flush=True)


if __name__ == "__main__":
    main()
