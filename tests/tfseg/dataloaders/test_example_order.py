from collections import Counter

import numpy as np
import pytest


def take(order, positions):
    return [int(order.example_at(np.int64(position))) for position in positions]


def test_every_epoch_has_every_example_once_in_another_order():
    from tfseg.dataloaders.example_order import ExampleOrder

    order = ExampleOrder(np.ones(50), seed=3)

    first, second = take(order, range(50)), take(order, range(50, 100))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second and first != list(range(50))


def test_the_order_follows_from_the_seed():
    from tfseg.dataloaders.example_order import ExampleOrder

    orders = [take(ExampleOrder(np.ones(20), seed), range(20)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_a_factor_of_one_and_a_half_comes_once_or_twice_an_epoch():
    from tfseg.dataloaders.example_order import ExampleOrder

    order = ExampleOrder(np.array([1.0, 1.5, 1.0, 1.5]), seed=0)

    assert order.epoch_length == 5
    counts = [Counter(take(order, range(5 * e, 5 * e + 5))) for e in range(40)]
    assert all(count[0] == count[2] == 1 for count in counts)
    assert {count[1] for count in counts} == {1, 2}
    assert sum(count[1] for count in counts) == pytest.approx(60, abs=12)


def test_repeat_factors_follow_the_rarest_category():
    from tfseg.dataloaders.example_order import repeat_factors

    categories = [np.array([1, 1])] * 6 + [np.array([1, 2]), np.array([1]), np.array([], int)]
    factors = repeat_factors(categories, num_categories=2, threshold=4 / 9)

    # Category 2 is in 1 of 9 images: sqrt((4 / 9) / (1 / 9)) = 2.
    assert factors.tolist() == [1, 1, 1, 1, 1, 1, 2, 1, 1]


@pytest.mark.parametrize("num_pipelines", [1, 2, 4])
def test_pipelines_share_the_same_global_batches(num_pipelines):
    from tfseg.dataloaders.example_order import pipeline_positions

    streams = [
        pipeline_positions(16, 8, num_pipelines, pipeline).take(16 // num_pipelines)
        for pipeline in range(num_pipelines)
    ]
    rows = 8 // num_pipelines
    parts = [np.array(list(stream.as_numpy_iterator())).reshape(2, rows) for stream in streams]

    assert np.concatenate(parts, axis=1).tolist() == [
        [16, 17, 18, 19, 20, 21, 22, 23],
        [24, 25, 26, 27, 28, 29, 30, 31],
    ]


def write_shard(path, records):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def test_index_records_finds_where_records_start(tmp_path):
    from tfseg.dataloaders.example_order import index_records

    write_shard(tmp_path / "a", [b"12345", b""])
    write_shard(tmp_path / "b", [b"1"])

    shards, offsets = index_records([str(tmp_path / "a"), str(tmp_path / "b")])

    assert shards.tolist() == [0, 0, 1]
    assert offsets.tolist() == [0, 21, 0]  # 12 bytes before the data, 4 after


def test_index_records_names_a_shard_cut_short(tmp_path):
    from tfseg.dataloaders.example_order import index_records

    write_shard(tmp_path / "a", [b"12345", b"678"])
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[:-2])

    with pytest.raises(ValueError, match=r"a: damaged: the record at byte 21 ends at byte 40"):
        index_records([str(tmp_path / "a")])
