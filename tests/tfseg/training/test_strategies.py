"""The same training on one device, on two, and on two workers."""

import json
import socket
import time

import numpy as np
import pytest

from tests.tfseg import small_experiment
from tests.tfseg.small_experiment import assert_same_weights, finish, start, weights

pytestmark = pytest.mark.slow

STEPS = 1  # differences in the last digits grow from step to step


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return small_experiment.write_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def on_one_device(prepared, tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("one")
    finish(start(prepared, model_dir, STEPS))
    return model_weights(model_dir)


def model_weights(model_dir):
    """Without the optimizer's: a strategy names them in its own way."""
    kept = ("backbone/", "decoder/", "rpn_head/", "detection_head/", "mask_head/")
    return {
        name: value
        for name, value in weights(model_dir, STEPS).items()
        if name.startswith(kept) and ".OPTIMIZER_SLOT" not in name
    }


@pytest.fixture(scope="module")
def untrained(prepared, tmp_path_factory):
    """The weights that each training starts from."""
    import tensorflow as tf
    import tf_keras

    from tfseg.modeling import factory

    params = small_experiment.build(prepared, "trainer.train_steps=1")
    tf_keras.utils.set_random_seed(params.task.train_data.seed)
    model_dir = tmp_path_factory.mktemp("untrained")
    model = factory.build_model(params.task)
    tf.train.Checkpoint(**dict(model.checkpoint_items)).write(f"{model_dir}/ckpt-{STEPS}")
    return model_weights(model_dir)


def test_two_devices_learn_what_one_learns_from_the_same_batches(
    prepared, on_one_device, untrained, tmp_path
):
    """Model Garden divides each loss by what counts on all replicas, not on each by its own."""
    printed = finish(start(prepared, tmp_path, STEPS, num_devices=2))

    assert "batch 4 on 2 devices" in printed
    on_two_devices = model_weights(tmp_path)
    assert_same_weights(on_two_devices, on_one_device, tolerance=1e-2)
    # What is fused keeps the unbiased variance, what is synchronized the other.
    trained = [name for name in untrained if "/moving_" not in name]
    update, distance = (
        np.sqrt(sum(np.square(np.float64(one[name]) - other[name]).sum() for name in trained))
        for one, other in ((on_one_device, untrained), (on_one_device, on_two_devices))
    )
    assert update > 0.01
    assert distance < 1e-3 * update


FROZEN = ["task.freeze_batch_norm=true"]
IN_TWO_PARTS = [*FROZEN, "task.gradient_accumulation_steps=2"]


def size(one, other):
    """The length of the difference of what is trained."""
    trained = [name for name in other if "/moving_" not in name]
    return np.sqrt(sum(np.square(np.float64(one[n]) - other[n]).sum() for n in trained))


# Photos of the first shard count four times: our own losses in place of Model Garden's.
# The first eight photos are of both shards, the first four of one.
WEIGHTED = [
    "task.train_data.path_loss_weights=[4.0,1.0]",
    "task.train_data.global_batch_size=8",
]


@pytest.mark.parametrize(
    ("losses", "num_devices"),
    [([], 1), ([], 2), (WEIGHTED, 2)],
    ids=["one_device", "two_devices", "two_devices_weighted"],
)
def test_a_batch_in_parts_gives_the_update_of_the_whole(
    prepared, untrained, tmp_path, losses, num_devices
):
    trainings = (
        start(prepared, tmp_path / "whole", STEPS, [*FROZEN, *losses]),
        start(prepared, tmp_path / "parts", STEPS, [*IN_TWO_PARTS, *losses], num_devices),
    )
    for training in trainings:
        finish(training)

    whole, parts = (model_weights(tmp_path / name) for name in ("whole", "parts"))
    update = size(whole, untrained)
    assert update > 0.01
    assert size(whole, parts) < 1e-3 * update


def cluster(num_workers):
    """TF_CONFIG of each worker of a cluster on this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(num_workers)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(num_workers)
    ]


def test_a_batch_that_two_devices_cannot_share_is_refused(prepared, tmp_path):
    process = start(
        prepared, tmp_path, STEPS, ["task.train_data.global_batch_size=5"], num_devices=2
    )

    printed = process.communicate(timeout=300)[0]
    assert "global_batch_size: got 5 on 2 devices, expected a multiple of 2" in printed
    assert process.returncode == 1


def test_two_workers_learn_what_one_learns(prepared, on_one_device, tmp_path):
    workers = [start(prepared, tmp_path, STEPS, tf_config=one) for one in cluster(2)]
    for worker in workers:
        finish(worker)
    assert_same_weights(model_weights(tmp_path), on_one_device, tolerance=1e-2)


def saved(model_dir):
    return [int(path.stem[5:]) for path in model_dir.glob("ckpt-*.index")]


def test_a_worker_that_dies_ends_the_training_with_what_to_do_and_a_restart_goes_on(
    prepared, tmp_path
):
    chief, other = (start(prepared, tmp_path, 2000, tf_config=one) for one in cluster(2))
    deadline = time.monotonic() + 600
    try:
        while not saved(tmp_path):
            assert chief.poll() is None, chief.communicate()[0]
            assert time.monotonic() < deadline, "no checkpoint came"
            time.sleep(0.1)
    finally:
        other.kill()
    other.communicate()
    printed = chief.communicate(timeout=600)[0]

    assert chief.returncode == 1, printed
    assert "another worker stopped or cannot be reached" in printed
    assert "start the same command on all machines again" in printed

    last = max(saved(tmp_path))
    again = [start(prepared, tmp_path, last + 2, tf_config=one) for one in cluster(2)]
    printed = [finish(worker) for worker in again]
    assert f"going on from step {last} of {last + 2}" in printed[0]
    assert max(saved(tmp_path)) == last + 2
