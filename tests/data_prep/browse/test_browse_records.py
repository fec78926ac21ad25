import struct

import numpy as np
import pytest
import tensorflow as tf

from data_prep.browse.records import read_facts, read_picture
from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.modanet.modanet_dataset_builder import Builder
from data_prep.prepared import open_prepared

OPTIONS = PrepOptions(max_bad_percent=30, num_workers=1)


@pytest.fixture(scope="module")
def prepared(raw_dir, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("prepared")
    build_dataset(Builder, raw_dir, data_dir, OPTIONS)
    return open_prepared(data_dir)


@pytest.mark.parametrize(("split", "num_records"), [("train", 15), ("val", 2), ("challenge", 1)])
def test_read_facts_says_what_tensorflow_reads(prepared, split, num_records):
    (path,) = prepared.record_paths(split)
    facts = list(read_facts(path))
    records = [record.numpy() for record in tf.data.TFRecordDataset(path)]
    assert len(facts) == len(records) == num_records
    for fact, record in zip(facts, records, strict=True):
        expected = tf.train.Example.FromString(record).features.feature
        text = {k: expected[k].bytes_list.value for k in ("image/source_id", "image/filename")}
        assert fact.image_id.encode() == text["image/source_id"][0]
        assert fact.file_name.encode() == text["image/filename"][0]
        assert [fact.height] == expected["image/height"].int64_list.value
        assert [fact.width] == expected["image/width"].int64_list.value
        labels = expected["image/object/class/label"].int64_list.value
        assert fact.category_ids.tolist() == labels
        assert fact.areas.tolist() == expected["image/object/area"].float_list.value
        for column, side in enumerate(("xmin", "ymin", "xmax", "ymax")):
            values = expected[f"image/object/bbox/{side}"].float_list.value
            assert fact.boxes_xyxy[:, column].tolist() == list(values)
        photo, masks = read_picture(fact)
        assert [photo] == expected["image/encoded"].bytes_list.value
        assert masks == expected["image/object/mask"].bytes_list.value


def write_record(path, **features):
    """One record with every feature the reader wants, some replaced."""
    values = {
        "image/encoded": [b"x" * 100_000],
        "image/source_id": [b"7"],
        "image/filename": ["Kleid, größer.jpg".encode()],
        "image/source": [b"train.csv"],
        "image/height": [6000],
        "image/width": [4000],
        "image/object/bbox/xmin": [0.0, 0.25],
        "image/object/bbox/ymin": [0.0, 0.5],
        "image/object/bbox/xmax": [1.0, 0.5],
        "image/object/bbox/ymax": [1.0, 1.0],
        "image/object/class/label": [1, 300],
        "image/object/area": [24_000_000.0, 3_000_000.0],
        "image/object/is_crowd": [0, 1],
        "image/object/attributes": [b"20_30", b""],
        "image/object/mask": [b"m" * 70_000, b"n"],
        **features,
    }
    feature = {}
    for key, value in values.items():
        if value and isinstance(value[0], bytes):
            feature[key] = tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
        elif value and isinstance(value[0], float):
            feature[key] = tf.train.Feature(float_list=tf.train.FloatList(value=value))
        else:
            feature[key] = tf.train.Feature(int64_list=tf.train.Int64List(value=value))
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())
        writer.write(example.SerializeToString())


def test_read_facts_of_large_numbers_attributes_and_other_letters(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_record(path)
    first, second = read_facts(str(path))
    assert (first.height, first.width) == (6000, 4000)
    assert first.category_ids.tolist() == [1, 300]
    assert first.attributes == ("20_30", "")
    assert first.crowds.tolist() == [False, True]
    assert first.file_name == "Kleid, größer.jpg"
    assert first.source == "train.csv"
    photo, masks = read_picture(second)
    assert (len(photo), [len(mask) for mask in masks]) == (100_000, [70_000, 1])


@pytest.mark.parametrize(
    "features",
    [
        {"image/object/area": [1.0]},
        {"image/height": []},
        {"image/width": [0]},
        {"image/source_id": [b"\xff\xfe"]},
    ],
    ids=lambda features: next(iter(features)),
)
def test_read_facts_names_a_record_that_does_not_go_together(tmp_path, features):
    path = tmp_path / "a.tfrecord"
    write_record(path, **features)
    with pytest.raises(ValueError, match=r"a.tfrecord: record 0 is damaged .*--overwrite"):
        list(read_facts(str(path)))


def test_read_picture_names_a_record_that_lacks_a_mask(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_record(path, **{"image/object/mask": [b"m"]})
    facts = next(read_facts(str(path)))
    with pytest.raises(ValueError, match="record 7 is damaged .*1 masks of 2 instances"):
        read_picture(facts)


@pytest.mark.parametrize("kept", [5, 13, 100, 100_050, 170_300])
def test_read_facts_names_a_shard_that_is_cut_short(tmp_path, kept):
    path = tmp_path / "a.tfrecord"
    write_record(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="a.tfrecord: record 0 is damaged"):
        list(read_facts(str(path)))


def test_read_facts_of_damaged_bytes_ends_in_its_own_error_or_not_at_all(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_record(path, **{"image/encoded": [b"x" * 50], "image/object/mask": [b"m", b"n"]})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    num_errors = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            for facts in read_facts(str(path)):
                read_picture(facts)
        except ValueError as error:
            assert "is damaged" in str(error)
            num_errors += 1
    assert num_errors > 100


def test_read_facts_of_a_length_beyond_the_shard(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(struct.pack("<Q", 2**60) + bytes(20))
    with pytest.raises(ValueError, match="past the shard's end"):
        list(read_facts(str(path)))
