"""That the installed TFDS still does what tfds_compat relies on."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import file_adapters, shuffle, writer

from data_prep.build import tfds_compat


class Drawn(tfds_compat.Builder):
    """Three numbers in one split."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {name: tfds.features.Text() for name in ("zebra", "ant", "middle", "b", "c")}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(3):
            yield number, dict.fromkeys(("zebra", "ant", "middle", "b", "c"), str(number))

    def write_all(self, write_shards) -> None:
        self.folder_before = Path(self.data_dir)
        assert not list(self.folder_before.glob("*tfrecord*"))
        write_shards()
        assert list(self.folder_before.glob("*tfrecord*"))
        (self.folder_before / "report.txt").write_text("three")


def build(data_dir, config) -> Drawn:
    builder = Drawn(data_dir=str(data_dir))
    builder.download_and_prepare(download_config=config)
    return builder


@pytest.fixture
def built(tmp_path) -> Drawn:
    return build(tmp_path, tfds_compat.SmallSplitsDownloadConfig(num_shards=5))


def test_write_all_runs_in_the_incomplete_folder_which_then_becomes_the_data_set(built, tmp_path):
    assert "incomplete" in built.folder_before.name
    assert not built.folder_before.exists()
    assert (tmp_path / "drawn/1.0.0/report.txt").read_text() == "three"
    assert len(list(built.as_dataset(split="train"))) == 3


def test_a_split_with_fewer_examples_than_shards_gets_as_many_shards(built, tmp_path):
    assert len(list((tmp_path / "drawn/1.0.0").glob("*.tfrecord-*-of-00003"))) == 3


def test_tfds_itself_stops_at_such_a_split(tmp_path):
    with pytest.raises(AssertionError, match="num_examples"):
        build(tmp_path, tfds.download.DownloadConfig(num_shards=5))


def test_shard_numbers_are_asked_for_as_before():
    stock = tfds.download.DownloadConfig(num_shards=5).get_shard_config()
    ours = tfds_compat.SmallSplitsDownloadConfig(num_shards=5).get_shard_config()
    parameters = list(inspect.signature(stock.get_number_shards).parameters)

    assert parameters == ["total_size", "num_examples", "uses_precise_sharding"]
    assert (stock.get_number_shards(99, 3), ours.get_number_shards(99, 3)) == (5, 3)
    assert (stock.get_number_shards(99, 7), ours.get_number_shards(99, 7)) == (5, 5)


def record(*names) -> bytes:
    """An Example whose features lie in the order of the names."""
    entries = [
        tf.train.Features(feature={name: tf.train.Feature()}).SerializeToString() for name in names
    ]
    features = b"".join(entries)
    return b"\n" + bytes([len(features)]) + features


def test_records_are_written_in_one_order_of_their_features(tmp_path):
    parameters = list(inspect.signature(writer.ExampleWriter.write).parameters)
    assert parameters == ["self", "path", "examples"]
    record_format = file_adapters.FileFormat.TFRECORD
    records = [record("b", "a", "c"), record("c", "b", "a"), record("a", "b", "c")]
    assert len({tf.train.Example.FromString(one).SerializeToString(deterministic=True)
                for one in records}) == 1  # fmt: skip

    written = {}
    for class_ in (writer.ExampleWriter, tfds_compat.DeterministicWriter):
        path = tmp_path / class_.__name__
        class_(file_format=record_format).write(path, enumerate(records))
        written[class_] = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())

    assert written[writer.ExampleWriter] == records
    assert written[tfds_compat.DeterministicWriter] == [record("a", "b", "c")] * 3


def test_a_builder_writes_in_that_order(built, tmp_path):
    for path in (tmp_path / "drawn/1.0.0").glob("*.tfrecord-*"):
        (one,) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        names = ("zebra", "ant", "middle", "b", "c")
        places = [one.index(b"\n" + bytes([len(name)]) + name.encode()) for name in names]
        assert np.argsort(places).tolist() == [1, 3, 4, 2, 0]


@pytest.fixture
def restored_constants(monkeypatch):
    """TFDS's own; a build of another test may have changed them in this process."""
    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 1000 << 20)
    monkeypatch.setattr(shuffle, "BUCKETS_NUMBER", 1000)


def shuffled(folder, num_mib: int) -> tuple[int, int, list[bytes]]:
    """Shuffles records of a mebibyte: temporary files, parts they are sorted in, and the order."""
    folder.mkdir()
    shuffler = shuffle.Shuffler(str(folder), hash_salt="salt")
    for number in range(num_mib):
        shuffler.add(number, number.to_bytes(2, "big") * (1 << 19))
    num_files, num_parts = len(list(folder.iterdir())), len(shuffler.bucket_lengths)
    return num_files, num_parts, [value[:2] for _, value in shuffler]


def test_shuffling_goes_by_way_of_few_files_beyond_eight_mebibytes(tmp_path, restored_constants):
    num_files, num_parts, stock = shuffled(tmp_path / "stock", 12)
    assert (num_files, num_parts) == (0, 1)  # all in memory

    tfds_compat.shuffle_in_little_memory()

    assert shuffled(tmp_path / "little", 7)[:2] == (0, 1)
    num_files, num_parts, ours = shuffled(tmp_path / "more", 12)
    assert 0 < num_files <= 12
    assert num_parts == 256
    assert ours == stock
