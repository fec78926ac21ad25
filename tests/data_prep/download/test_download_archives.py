import io
import tarfile
import zipfile

import pytest

from data_prep.download.archives import unpack_tar, unpack_zip

PIXELS = bytes(range(256)) * 40


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, contents in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(contents)
            tar.addfile(entry, io.BytesIO(contents))
    return path


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, contents in members.items():
            archive.writestr(name, contents)
    return path


def accept(folder):
    assert (folder / "data.mdb").is_file()


@pytest.mark.parametrize("prefix", ["photos.lmdb/", "", "./photos.lmdb/", "a/b/"])
def test_unpack_tar_takes_the_folder_of_the_file(tmp_path, prefix):
    tar_path = write_tar(
        tmp_path / "x.tar", {f"{prefix}data.mdb": PIXELS, f"{prefix}lock.mdb": b""}
    )
    unpack_tar(tar_path, tmp_path / "photos.lmdb", "data.mdb", accept)
    assert (tmp_path / "photos.lmdb" / "data.mdb").read_bytes() == PIXELS
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["photos.lmdb", "x.tar"]
    assert sorted(p.name for p in (tmp_path / "photos.lmdb").iterdir()) == ["data.mdb", "lock.mdb"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_unpack_tar_takes_no_links_and_devices(tmp_path, kind):
    """Chains of links lead outside of Python 3.11.7's own filter (CVE-2025-4517)."""
    tar_path = tmp_path / "x.tar"
    with tarfile.open(tar_path, "w") as tar:
        data = tarfile.TarInfo("photos.lmdb/data.mdb")
        tar.addfile(data, io.BytesIO())
        other = tarfile.TarInfo("photos.lmdb/other")
        other.type, other.linkname = kind, "data.mdb"
        tar.addfile(other)
    with pytest.raises(ValueError, match=r"x\.tar: cannot be unpacked \('photos\.lmdb/other' is a"):
        unpack_tar(tar_path, tmp_path / "photos.lmdb", "data.mdb", accept)
    assert not (tmp_path / "photos.lmdb").exists()


def test_unpack_tar_begins_anew_after_an_interruption(tmp_path):
    tar_path = write_tar(tmp_path / "x.tar", {"photos.lmdb/data.mdb": PIXELS})
    leftover = tmp_path / ".photos.lmdb.unpacking" / "old"
    leftover.mkdir(parents=True)
    (leftover / "data.mdb").write_bytes(PIXELS[:9])
    unpack_tar(tar_path, tmp_path / "photos.lmdb", "data.mdb", accept)
    assert (tmp_path / "photos.lmdb" / "data.mdb").read_bytes() == PIXELS


def test_unpack_tar_puts_nothing_in_place_where_the_check_fails(tmp_path):
    tar_path = write_tar(tmp_path / "x.tar", {"data.mdb": PIXELS})

    def refuse(folder):
        raise ValueError("cut short")

    with pytest.raises(ValueError, match="cut short"):
        unpack_tar(tar_path, tmp_path / "photos.lmdb", "data.mdb", refuse)
    assert not (tmp_path / "photos.lmdb").exists()


def test_unpack_tar_names_a_damaged_one(tmp_path):
    tar_path = write_tar(tmp_path / "x.tar", {"data.mdb": PIXELS})
    tar_path.write_bytes(tar_path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="x.tar: cannot be unpacked"):
        unpack_tar(tar_path, tmp_path / "photos.lmdb", "data.mdb", accept)
    assert not (tmp_path / "photos.lmdb").exists()


@pytest.mark.parametrize("members", [{"other": b"x"}, {"a/data.mdb": b"x", "b/data.mdb": b"x"}])
def test_unpack_tar_names_one_with_other_contents(tmp_path, members):
    tar_path = write_tar(tmp_path / "x.tar", members)
    with pytest.raises(ValueError, match="x.tar: got [02] files named data.mdb in it"):
        unpack_tar(tar_path, tmp_path / "photos.lmdb", "data.mdb", accept)


def test_unpack_tar_lets_nothing_out_of_its_folder(tmp_path):
    tar_path = write_tar(tmp_path / "x.tar", {"data.mdb": PIXELS, "../../escaped": b"x"})
    with pytest.raises(ValueError, match="cannot be unpacked.*escaped"):
        unpack_tar(tar_path, tmp_path / "in" / "photos.lmdb", "data.mdb", accept)
    assert not (tmp_path / "escaped").exists()


def test_unpack_zip_with_zips_in_it(tmp_path):
    buffers = {}
    for name, members in {
        "train.zip": {"a.jpg": b"one"},
        "test.zip": {"test/b.jpg": b"three"},
        "train.csv.zip": {"train.csv": b"id\n"},
    }.items():
        buffers[name] = write_zip(tmp_path / name, members).read_bytes()
    zip_path = write_zip(tmp_path / "all.zip", {**buffers, "labels.json": b"{}"})
    sizes = unpack_zip(zip_path, tmp_path / "out")
    assert sizes == {"train/a.jpg": 3, "test/b.jpg": 5, "train.csv": 3, "labels.json": 2}
    assert (tmp_path / "out/train/a.jpg").read_bytes() == b"one"


@pytest.mark.parametrize("damage", ["cut", "flipped", "not a zip"])
def test_unpack_zip_names_a_damaged_one(tmp_path, damage):
    zip_path = write_zip(tmp_path / "all.zip", {"a.jpg": PIXELS}, zipfile.ZIP_STORED)
    contents = bytearray(zip_path.read_bytes())
    if damage == "flipped":
        contents[5000] ^= 255
    zip_path.write_bytes({"cut": contents[:-40], "not a zip": b"<html>"}.get(damage, contents))
    with pytest.raises(ValueError, match="all.zip: cannot be unpacked"):
        unpack_zip(zip_path, tmp_path / "out")
