"""Batches by tf.data service: a dispatcher and two workers, processes of their own."""

import re

import numpy as np
import pytest

from tests import forked
from tests.tfseg import small_experiment

COMMAND = "tfseg.dataloaders.data_service"


def started(*flags: str):
    """A running command, and the first line that it prints."""
    process = forked.Process(COMMAND, *flags)
    return process, process.stdout.readline()


@pytest.fixture(scope="module")
def service_address():
    dispatcher, line = started()
    processes = [dispatcher]
    try:
        address = re.search(r"grpc://\S+", line)[0]
        for _ in range(2):
            worker, line = started(f"--dispatcher={address}", "--host=localhost")
            processes.append(worker)
            assert line == f"worker of {address}, reached as localhost.\n"
        yield address
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(timeout=60) for process in processes]
    assert codes == [130, 130, 130]  # each ended by the signal, none before


def input_of(prepared, *overrides):
    from official.core import task_factory

    import tfseg.training  # noqa: F401  registers the task

    params = small_experiment.build(prepared, "trainer.train_steps=1", *overrides)
    return task_factory.get_task(params.task).train_input()


@pytest.mark.parametrize(("start", "replicas"), [(0, 1), (8, 2)])
def test_workers_make_every_batch_of_an_epoch_once(tmp_path, service_address, start, replicas):
    import tensorflow as tf

    prepared = small_experiment.write_prepared(tmp_path)
    repeats = "task.train_data.repeat_factor_threshold=0.9"
    remote = input_of(
        prepared,
        repeats,
        "task.train_data.enable_tf_data_service=true",
        f"task.train_data.tf_data_service_address={service_address}",
    )
    local = input_of(prepared, repeats)
    num_batches = -(-2 * local.order.epoch_length // 4) * replicas
    wanted = {
        int(labels["position"][0]): (pixels, labels)
        for pixels, labels in local.dataset(start, replicas=replicas).take(num_batches)
    }

    met = set()
    for pixels, labels in remote.dataset(start, replicas=replicas).take(20 * num_batches):
        position = int(labels["position"][0])
        assert position not in met
        met.add(position)
        if position in wanted:
            same = tf.nest.map_structure(np.array_equal, (pixels, labels), wanted[position])
            assert all(tf.nest.flatten(same)), same
        if met.issuperset(wanted):
            break

    assert met.issuperset(wanted)
    assert min(met) == start


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("localhost:5050", "expected grpc://HOST:PORT"),
        ("grpc://localhost", "expected grpc://HOST:PORT"),
        ("grpc://localhost:1", "no dispatcher answers there"),
    ],
)
def test_an_address_without_a_dispatcher_is_refused_at_once(address, problem):
    from tfseg.dataloaders import remote_input

    with pytest.raises(ValueError, match=f"--data_service={re.escape(address)}: {problem}"):
        remote_input.check_reachable(address, "--data_service")
