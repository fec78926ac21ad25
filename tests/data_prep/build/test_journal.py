import io

import pytest

from data_prep.build.examples import PreparedExample
from data_prep.build.journal import JournaledExamples
from data_prep.readers.raw_dataset import Conversion, RawSource

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


@pytest.mark.parametrize("num_bytes_lost", [1, 50, 200])
def test_a_record_cut_short_is_made_again(tmp_path, num_bytes_lost):
    path = tmp_path / "journal"
    run(path, [1])
    end_of_first = path.stat().st_size
    path.unlink()
    run(path, [1, 2])
    path.write_bytes(path.read_bytes()[: max(end_of_first, path.stat().st_size - num_bytes_lost)])
    assert run(path, [1, 2, 3]) == [2, 3]
    assert run(path, [1, 2, 3]) == []


def test_a_damaged_record_is_named(tmp_path):
    path = tmp_path / "journal"
    run(path, [1])
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"journal: image 1 in it is damaged; remove the file"):
        run(path, [1])


def test_any_flipped_byte_is_found_or_its_record_made_again(tmp_path):
    path = tmp_path / "journal"
    run(path, [1, 2])
    whole = path.read_bytes()
    num_named = 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 3  # makes image 1 of image 2
        path.write_bytes(damaged)
        try:
            run(path, [1, 2, 3])
        except ValueError as error:
            assert "is damaged; remove the file" in str(error)
            num_named += 1
    assert num_named > len(whole) // 2
