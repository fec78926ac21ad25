"""Traces one step of full-size recipes, made small, on faked GPUs, all in one process.

    python -m tests.tfseg.training.gpu_path.trace_recipes DIR RECIPE=PRECISION@NUM_GPUS ...

All is as tfseg.train does it up to the first step, which is traced and not run. Prints a json line
of the seconds that each took; the number of GPUs in it is that of the strategy's replicas.
"""

import json
import re
import sys
import time
from pathlib import Path

from tests.tfseg import small_experiment
from tests.tfseg.training.gpu_path import faked_gpus, run_recipes


def main() -> None:
    """Traces the steps."""
    work_dir = Path(sys.argv[1])
    jobs = [re.fullmatch(r"(\w+)=(\w+)@(\d+)", argument).groups() for argument in sys.argv[2:]]
    faked_gpus.fake(max(int(number) for *_, number in jobs))
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
    for recipe, precision, number in jobs:
        begin = time.monotonic()
        params = run_recipes.params_of(recipe, precision, prepared, int(number), False, 1)
        train_loop.train(params, str(work_dir / f"{recipe}_{precision}_{number}"))
        seconds[f"{recipe}={precision}@{replicas[-1]}"] = round(time.monotonic() - begin)
    print(f"\n{json.dumps(seconds)}", flush=True)


if __name__ == "__main__":
    main()
