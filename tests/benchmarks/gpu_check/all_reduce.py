"""Sums a tensor over all GPUs as a training does (NCCL), and prints a json line of what it took.

python -m tests.benchmarks.gpu_check.all_reduce NUM_GPUS MEGABYTES
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf

from tfseg.training import strategy

_ROUNDS = 10


def measure(num_gpus: int, megabytes: float) -> dict:
    """Sums, compares with what the sum has to be, and measures the time of a sum.

    Returns:
        right: Every replica has the right sum, of a matrix and of a scalar.
        bus_gb_a_second: 2 (N - 1) / N times the bytes of the tensor by the time of a sum, NCCL's
            own measure; None for one GPU.
    """
    distribution = strategy.make_strategy(num_gpus)
    num_replicas = distribution.num_replicas_in_sync
    rows = max(1, round(megabytes * 2**20 / 4096))

    def summed(rounds):
        context = tf.distribute.get_replica_context()
        own = tf.cast(context.replica_id_in_sync_group, tf.float32) + 1.0
        large = tf.fill([rows, 1024], own)
        for _ in range(rounds):
            sums = context.all_reduce(tf.distribute.ReduceOp.SUM, [large, own])
            large = sums[0] / num_replicas  # each sum needs the one before
        return sums

    def run(rounds: int):
        return distribution.experimental_local_results(distribution.run(summed, args=(rounds,)))

    expected = num_replicas * (num_replicas + 1) / 2
    once, often = tf.function(lambda: run(1)), tf.function(lambda: run(1 + _ROUNDS))
    right = all(
        np.all(large.numpy() == expected) and float(own) == expected for large, own in once()
    )
    seconds = {}
    for function in (once, often):
        function()
        start = time.perf_counter()
        [own.numpy() for _, own in function()]
        seconds[function] = time.perf_counter() - start
    a_sum = max((seconds[often] - seconds[once]) / _ROUNDS, 1e-9)
    on_bus = 2 * (num_replicas - 1) / num_replicas * rows * 4096 / 1e9
    return {
        "num_gpus": num_gpus,
        "right": bool(right),
        "bus_gb_a_second": on_bus / a_sum if num_replicas > 1 else None,
    }


if __name__ == "__main__":
    print(f"\n{json.dumps(measure(int(sys.argv[1]), float(sys.argv[2])))}", flush=True)
