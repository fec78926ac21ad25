import io
import os

import pytest
from PIL import Image

from tfseg.io import photo_files
from tfseg.io.photo_files import find_files, is_photo_name, kind_of


def names(paths):
    return [path.name for path in paths]


@pytest.fixture
def folder(tmp_path):
    for name in ("b.JPG", "a.jfif", "c.HEIC", "d.tif", "notes.txt", ".e.jpg", "sub/f.avif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    return tmp_path


def test_find_files_below_and_not_round_in_a_ring(folder, capsys):
    found = find_files(folder)

    assert names(found.photos) == ["a.jfif", "b.JPG", "c.HEIC", "d.tif", "f.avif"]
    found.tell_others()
    assert capsys.readouterr().err == "1 file of other kinds passed over: notes.txt\n"


def test_find_files_in_the_folder_alone(folder):
    assert names(find_files(folder, below=False).photos) == ["a.jfif", "b.JPG", "c.HEIC", "d.tif"]


def test_find_files_leaves_the_output_out(folder):
    assert "f.avif" not in names(find_files(folder, left_out=folder / "sub").photos)


def test_a_link_that_leads_nowhere_and_a_pipe_are_told(tmp_path, capsys):
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "ring.jpg").symlink_to("ring.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")

    found = find_files(tmp_path)

    assert found.photos == []
    found.tell_others()
    told = capsys.readouterr().err
    assert told == "3 files of other kinds passed over: gone.jpg, pipe.jpg, ring.jpg\n"


def test_tell_others_names_a_few(tmp_path, capsys):
    for index in range(7):
        (tmp_path / f"{index}.txt").write_bytes(b"")

    find_files(tmp_path).tell_others()

    assert capsys.readouterr().err == (
        "7 files of other kinds passed over: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt, ...\n"
    )


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "jfif", "jpe", "tif", "tiff", "HEIF"])
def test_is_photo_name(suffix):
    assert is_photo_name(f"a.b.{suffix}")
    assert not is_photo_name(suffix)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP", "AVIF"])
def test_kind_of_what_pillow_writes(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, kind)

    assert kind_of(buffer.getvalue()) == kind


@pytest.mark.parametrize(
    ("encoded", "kind"),
    [
        (b"", "empty file"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic", "HEIC"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif", "AVIF"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42", ""),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><p>Not found", "web page"),
        (b"RIFF\x00\x00\x00\x00WAVE", ""),
        (b"damaged", ""),
    ],
)
def test_kind_of_others(encoded, kind):
    assert kind_of(encoded) == kind


def test_what_is_no_photo_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with (tmp_path / "endless.jpg").open("wb") as file:
        file.truncate(photo_files.MAX_PHOTO_BYTES + 1)
    (tmp_path / "good.jpg").write_bytes(b"\xff\xd8")
    assert photo_files.read_photo_bytes(tmp_path / "good.jpg") == b"\xff\xd8"
    with pytest.raises(OSError, match="is no file, but a folder or device"):
        photo_files.read_photo_bytes(tmp_path / "pipe.jpg")
    with pytest.raises(OSError, match="has 512 MB, expected at most 512"):
        photo_files.read_photo_bytes(tmp_path / "endless.jpg")
    with pytest.raises(FileNotFoundError):
        photo_files.read_photo_bytes(tmp_path / "none.jpg")
