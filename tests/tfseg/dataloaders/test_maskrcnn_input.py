from pathlib import Path

import numpy as np
import pytest

from tests.tfseg import small_experiment


def input_of(prepared):
    from official.core import task_factory

    import tfseg.training  # noqa: F401  registers the task

    params = small_experiment.build(prepared, "trainer.train_steps=1")
    return task_factory.get_task(params.task).train_input()


def test_an_epoch_has_every_photo_of_every_shard(tmp_path):
    dataset = input_of(small_experiment.write_prepared(tmp_path)).dataset()

    ids = np.concatenate([labels["source_id"] for _, labels in dataset.take(6)])
    assert sorted(ids[:12]) == sorted(ids[12:]) == list(range(1, 13))


def test_an_input_begun_later_goes_on_alike(tmp_path):
    train_input = input_of(small_experiment.write_prepared(tmp_path))

    from_start = list(train_input.dataset().take(4))[2:]
    begun_later = list(train_input.dataset(start=8).take(2))

    import tensorflow as tf

    for one, other in zip(tf.nest.flatten(from_start), tf.nest.flatten(begun_later), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_record_is_named_when_it_is_read(tmp_path):
    import tensorflow as tf

    prepared = small_experiment.write_prepared(tmp_path)
    path = Path(prepared.record_paths("train")[0])
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)

    with pytest.raises(tf.errors.DataLossError, match="corrupted record"):
        list(input_of(prepared).dataset().take(3))
