import io
import pickle
import signal
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_prep.build.example_bytes import bytes_from_example, example_from_bytes
from data_prep.build.examples import PreparedExample
from data_prep.build.journal import JournaledExamples
from data_prep.readers.raw_dataset import Conversion, Note, RawSource
from tfseg.io.journal import remove_journal

REPO_DIR = Path(__file__).resolve().parents[3]

SOURCE = RawSource("photos", num_photos=9, num_annotations=0, converter=None)


class CountedExamples:
    """Leaves out the photos whose id is a multiple of ten."""

    def __init__(self):
        self.made_ids = []

    def made(self, source, image_ids):
        for image_id in image_ids:
            self.made_ids.append(image_id)
            if image_id % 10 == 0:
                yield PreparedExample(Conversion("0.jpg", left_out_reason="photo_missing"))
            else:
                features = {"encoded": io.BytesIO(b"photo %d" % image_id)}
                yield PreparedExample(Conversion("1.jpg"), image_id=image_id, features=features)

    def close(self):
        pass


def run(path, image_ids):
    """(ids of the examples, ids that were made and not read back)."""
    inner = CountedExamples()
    examples = JournaledExamples(inner, path)
    made = list(examples.made(SOURCE, image_ids))
    examples.close()
    photos = [m.features["encoded"].read() if m.features else None for m in made]
    expected = [None if i % 10 == 0 else b"photo %d" % i for i in image_ids]
    assert photos == expected
    return inner.made_ids


def test_examples_are_made_once(tmp_path):
    path = tmp_path / "journal"
    assert run(path, [1, 2, 3]) == [1, 2, 3]
    assert run(path, [1, 2, 3, 4, 5]) == [4, 5]
    assert run(path, [5, 1]) == []


def test_left_out_photos_are_looked_at_again(tmp_path):
    path = tmp_path / "journal"
    assert run(path, [1, 10, 2]) == [1, 10, 2]
    assert run(path, [1, 10, 2]) == [10]


def test_a_kill_loses_nothing_that_was_made(tmp_path):
    program = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from tests.data_prep.build.test_journal import SOURCE, CountedExamples\n"
        "from data_prep.build.journal import JournaledExamples\n"
        f"made = JournaledExamples(CountedExamples(), Path({str(tmp_path / 'journal')!r}))\n"
        "for index, _ in enumerate(made.made(SOURCE, [1, 2, 3, 4])):\n"
        "    if index == 2:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=REPO_DIR, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    assert run(tmp_path / "journal", [1, 2, 3, 4]) == [4]


def test_a_journal_of_an_earlier_version_is_told_and_begun_anew(tmp_path, capsys):
    path = tmp_path / "journal"
    path.write_bytes(struct.pack("<QQI", 1, 40, 7) + pickle.dumps(Trap()))

    assert run(path, [1, 2]) == [1, 2]

    assert capsys.readouterr().err == (
        f"{path}: is of an earlier version, or no journal; beginning anew\n"
    )
    assert run(path, [1, 2]) == []


class Trap:
    """Raises where it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('a journal was run')",)


def test_a_damaged_record_is_named(tmp_path):
    path = tmp_path / "journal"
    run(path, [1])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"photo 1", b"photo 7"))
    with pytest.raises(ValueError, match=r"journal: is damaged \(entry 1\); remove the file"):
        run(path, [1])


def test_any_flipped_byte_is_found_or_its_record_made_again(tmp_path):
    path = tmp_path / "journal"
    run(path, [1, 2])
    whole = path.read_bytes()
    num_named = 0
    for position in [i for i, byte in enumerate(whole) if byte][::4]:
        damaged = bytearray(whole)
        damaged[position] ^= 3  # makes image 1 of image 2
        path.write_bytes(damaged)
        try:
            run(path, [1, 2, 3])  # it asserts that what is read back is right
        except ValueError as error:
            assert "remove the file" in str(error) or "see that the disk" in str(error)
            num_named += 1
        remove_journal(path)
    assert num_named > 25


def test_examples_are_read_back_as_they_were(tmp_path):
    features = {"image": {"encoded": io.BytesIO(b"\xff\xd8"), "height": np.int64(4), "mask": []}}
    features["image"]["object"] = {"area": [0.1, 1 / 3], "png": [io.BytesIO(b""), io.BytesIO(b"p")]}
    notes = [Note("clipped_to_photo", 7, "caf\udce9.jpg")]
    example = PreparedExample(
        Conversion("a.jpg", repairs=notes),
        3,
        features,
        "{}",
        ("1", "2"),
        Counter({4: 2}),
        b"\x01",
        frozenset({(4, 20), (4, 7)}),
    )

    back = example_from_bytes(bytes_from_example(example))

    assert back.conversion == example.conversion
    assert back.conversion.repairs[0].reason == "clipped_to_photo"
    assert back.features["image"]["encoded"].read() == b"\xff\xd8"
    assert back.features["image"]["height"] == 4
    assert back.features["image"]["object"]["area"] == [0.1, 1 / 3]
    assert [file.read() for file in back.features["image"]["object"]["png"]] == [b"", b"p"]
    assert (back.image_id, back.category_counts, back.digest) == (3, Counter({4: 2}), b"\x01")
    assert back.annotation_jsons == ("1", "2")
    assert back.category_attributes == {(4, 7), (4, 20)}
