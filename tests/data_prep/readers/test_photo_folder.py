import pytest

from data_prep.readers.photo_conversion import RawPhoto
from data_prep.readers.photo_encoding import PhotoError
from data_prep.readers.photo_folder import PhotoFolder


def photo(name):
    return RawPhoto(1, name, annotated_hw=None)


def test_a_missing_photo_is_told_with_where_it_was_looked_for_and_what_is_there(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "other.jpg").write_bytes(b"photo")

    with pytest.raises(PhotoError) as caught:
        PhotoFolder(tmp_path).read_photo(photo("a.jpg"))

    assert caught.value.reason == "photo_missing"
    assert str(caught.value) == f"looked in {tmp_path}: 1 photos there, such as below/other.jpg"


def test_photos_of_a_folder_that_is_gone_are_missing(tmp_path):
    with pytest.raises(PhotoError, match="looked in .*gone: no such folder"):
        PhotoFolder(tmp_path / "gone").read_photo(photo("a.jpg"))


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "link.jpg"])
def test_a_name_that_leads_out_of_the_folder_is_not_read(tmp_path, name):
    (tmp_path / "a.jpg").write_bytes(b"photo")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.jpg").symlink_to(tmp_path / "a.jpg")

    with pytest.raises(PhotoError) as caught:
        PhotoFolder(folder).read_photo(photo(name))

    assert caught.value.reason == "photo_name_outside_folder"


@pytest.mark.parametrize("name", ["a\0.jpg", "a" * 300, "ring.jpg"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    (tmp_path / "ring.jpg").symlink_to("ring.jpg")
    with pytest.raises(PhotoError) as caught:
        PhotoFolder(tmp_path).read_photo(photo(name))

    assert caught.value.reason == "photo_unreadable"
