import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.extract_photos import extract_photos

REPO_DIR = Path(__file__).resolve().parents[2]


def write_records(path, photos):
    """Writes (image/filename, image/encoded) pairs as one shard; None leaves the feature out."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, encoded in photos:
            values = {"image/filename": name, "image/encoded": encoded}
            feature = {
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for key, value in values.items()
                if value is not None
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return str(path)


@pytest.fixture
def shards(tmp_path):
    first = write_records(tmp_path / "a", [(b"7.jpg", b"seven"), (b"x/3.jpg", b"three")])
    return [first, write_records(tmp_path / "b", [(b"5.jpg", b"\xff\x00")])]


def test_extract_photos_writes_every_photo_byte_for_byte(shards, tmp_path):
    paths = extract_photos(shards, tmp_path / "new" / "out")

    assert [path.name for path in paths] == ["7.jpg", "3.jpg", "5.jpg"]
    assert [path.read_bytes() for path in paths] == [b"seven", b"three", b"\xff\x00"]


def test_extract_photos_stops_after_num_photos(shards, tmp_path):
    extract_photos(shards, tmp_path / "out", num_photos=2)

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["3.jpg", "7.jpg"]


def test_extract_photos_keeps_a_name_inside_the_folder(tmp_path):
    shard = write_records(tmp_path / "a", [(b"../../up.jpg", b"up")])

    assert extract_photos([shard], tmp_path / "out") == [tmp_path / "out" / "up.jpg"]


def test_extract_photos_refuses_two_photos_of_one_name(tmp_path):
    shard = write_records(tmp_path / "a", [(b"x/1.jpg", b"first"), (b"y/1.jpg", b"second")])

    with pytest.raises(ValueError, match=r"out/1\.jpg: two photos of the split have this name"):
        extract_photos([shard], tmp_path / "out")
    assert (tmp_path / "out" / "1.jpg").read_bytes() == b"first"


def test_extract_photos_of_a_damaged_shard_names_it(shards, tmp_path):
    damaged = Path(shards[0])
    damaged.write_bytes(damaged.read_bytes()[:-5])

    with pytest.raises(ValueError, match=r"photo 1 of a and its other shards cannot be read"):
        extract_photos(shards, tmp_path / "out")


def test_extract_photos_of_a_record_without_photo(tmp_path):
    shard = write_records(tmp_path / "a", [(b"1.jpg", None)])

    with pytest.raises(ValueError, match=r"photo 0 of a .*image/encoded"):
        extract_photos([shard], tmp_path / "out")


def test_main_of_a_missing_folder_is_one_line(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "data_prep.extract_photos", f"--data_dir={tmp_path}/none"]
        + [f"--output_dir={tmp_path}/out"],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith(f"error: {tmp_path}/none: no such folder")
