import random
import struct
from pathlib import Path

import lmdb
import pytest

from data_prep.datasets.modanet.lmdb_reader import LmdbDamage, LmdbReader
from data_prep.datasets.modanet.raw_files import PhotoStore
from data_prep.readers.photo_encoding import PhotoError
from tests.data_prep.raw_modanet import write_lmdb

PAGE_BYTES = 4096


def values_of_all_sizes(number: int) -> dict[int, bytes]:
    """By photo id: in a leaf, and over one or several pages of their own, to the byte."""
    rng = random.Random(3)
    sizes = [0, 1, 30, 1000, 2000, 4079, 4080, 4081, 8176, 8177, 20_000]
    return {rng.randrange(10**7): rng.randbytes(sizes[i % len(sizes)]) for i in range(number)}


@pytest.mark.parametrize("number", [1, 11, 3000])
def test_reader_gives_what_was_written(tmp_path, number):
    photos = values_of_all_sizes(number)
    write_lmdb(tmp_path, photos)
    reader = LmdbReader(tmp_path / "data.mdb")
    assert {i: reader.get(str(i).encode()) for i in photos} == photos
    absent = {
        b"0",
        b"99999999",
        b"12345x",
        *(b"%d" % (i + 1) for i in photos if i + 1 not in photos),
    }
    assert {reader.get(key) for key in absent} == {None}


def test_reader_agrees_with_lmdb_after_deletions_and_many_transactions(tmp_path):
    photos = values_of_all_sizes(800)
    kept = dict(list(photos.items())[::3])
    with lmdb.open(str(tmp_path), map_size=1 << 28) as environment:
        for photo_id, value in photos.items():
            with environment.begin(write=True) as transaction:
                transaction.put(str(photo_id).encode(), value)
        with environment.begin(write=True) as transaction:
            for photo_id in photos.keys() - kept.keys():
                transaction.delete(str(photo_id).encode())
    reader = LmdbReader(tmp_path / "data.mdb")
    assert {i: reader.get(str(i).encode()) for i in photos} == {i: kept.get(i) for i in photos}


def test_reader_of_an_empty_one_has_nothing(tmp_path):
    write_lmdb(tmp_path, {})
    assert LmdbReader(tmp_path / "data.mdb").get(b"1") is None


def test_reader_uses_the_other_meta_page_where_one_is_damaged(tmp_path):
    write_lmdb(tmp_path, {7: b"seven"})
    path = tmp_path / "data.mdb"
    contents = bytearray(path.read_bytes())
    contents[16] ^= 255  # the first meta page's magic number; the second is the later one
    path.write_bytes(contents)
    assert LmdbReader(path).get(b"7") == b"seven"


def tree_pages(contents: bytes) -> list[int]:
    """Branches and leaves, whose every byte LMDB trusts."""
    flags = [struct.unpack_from("<H", contents, p + 10)[0] for p in range(0, len(contents), 4096)]
    return [page for page, flag in enumerate(flags) if page > 1 and flag in (1, 2)]


def test_reader_survives_any_damage_to_its_tree(tmp_path):
    photos = {i: b"photo %d " % i + bytes(5000 if i % 3 else 500) for i in range(300)}
    write_lmdb(tmp_path, photos)
    path = tmp_path / "data.mdb"
    whole = path.read_bytes()
    pages = tree_pages(whole)
    rng = random.Random(1)
    num_errors = num_missing = 0
    for _ in range(300):
        contents = bytearray(whole)
        for _ in range(rng.choice([1, 4, 40])):
            contents[rng.choice(pages) * PAGE_BYTES + rng.randrange(PAGE_BYTES)] = rng.randrange(
                256
            )
        path.write_bytes(contents)
        reader = LmdbReader(path)
        for photo_id in rng.sample(range(300), 60):
            try:
                value = reader.get(str(photo_id).encode())
            except LmdbDamage:
                num_errors += 1
            else:
                num_missing += value is None
    assert num_errors > 100
    assert num_missing > 20


def test_reader_refuses_a_value_of_another_photo(tmp_path):
    """A page number that leads to another photo's pages, of another length."""
    photos = {1: b"a" * 9000, 2: b"b" * 30_000}
    write_lmdb(tmp_path, photos)
    path = tmp_path / "data.mdb"
    contents = path.read_bytes()
    (leaf,) = tree_pages(contents)
    start = contents.index(b"\x01\x00\x01\x00" + b"1", leaf * PAGE_BYTES) + 5
    other = contents.index(b"\x01\x00\x01\x00" + b"2", leaf * PAGE_BYTES) + 5
    damaged = contents[:start] + contents[other : other + 8] + contents[start + 8 :]
    path.write_bytes(damaged)
    reader = LmdbReader(path)
    assert reader.get(b"2") == photos[2]
    with pytest.raises(LmdbDamage, match="does not begin a value of 9000 bytes"):
        reader.get(b"1")
    with pytest.raises(PhotoError, match="data.mdb: page") as caught:
        PhotoStore(tmp_path).read(1)
    assert caught.value.reason == "photo_unreadable"


def test_reader_maps_nothing(tmp_path):
    write_lmdb(tmp_path, {7: b"seven"})
    reader = LmdbReader(tmp_path / "data.mdb")
    assert reader.get(b"7") == b"seven"
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
