import unicodedata

import pytest

from data_prep.readers.photo_names import other_names


@pytest.fixture
def folder(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\xff\xd8\xff")
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("a/1.jpg", "1.jpg"),
        ("a\\1.jpg", "a/1.jpg"),
        ("C:\\photos\\a\\1.jpg", "a/1.jpg"),
        ("../../media/upload/4/1.jpg", "1.jpg"),
        ("/data/upload/4/1.jpg", "1.jpg"),
        ("red%20dress%201.jpg", "red dress 1.jpg"),
        ("https://shop.example/p/1.jpg?w=300", "1.jpg"),
        ("/data/local-files/?d=shots/1.jpg", "1.jpg"),
        ("1.jpg", "1.JPG"),
        ("1.JPEG", "1.jpg"),
        ("1", "1.jpg"),
        ("3f2a9c01-1.jpg", "1.jpg"),
        (
            unicodedata.normalize("NFC", "robe d'été.jpg"),
            unicodedata.normalize("NFD", "robe d'été.jpg"),
        ),
        ("train/1.jpg", "deep/train/1.jpg"),
        ("1a2b3c4d-red_dress_1.jpg", "red dress (1).jpg"),
        ("red-dress_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "red dress.jpg"),
        ("images/1_png.rf.8ab3.jpg", "1.png"),
    ],
)
def test_a_name_that_a_tool_changed_means_the_one_photo_that_fits(folder, name, there):
    assert other_names(folder(there, "2.jpg"), [name, "2.jpg"]) == {name: there}


def test_a_link_to_itself_is_no_photo(folder):
    (folder("1.jpg") / "2.jpg").symlink_to("2.jpg")
    assert other_names(folder(), ["2.jpg", "a" * 300]) == {}


def test_names_that_are_files_are_left_alone(folder):
    assert other_names(folder("1.jpg", "a/2.png"), ["1.jpg", "a/2.png"]) == {}


def test_the_longest_end_of_a_name_decides(folder):
    photos = folder("train/1.jpg", "val/1.jpg", "images/val/1.jpg")
    assert other_names(photos, ["x/train/1.jpg"]) == {"x/train/1.jpg": "train/1.jpg"}
    assert other_names(photos, ["images\\val\\1.jpg"]) == {"images\\val\\1.jpg": "images/val/1.jpg"}


def test_no_photo_is_guessed_where_several_fit_or_another_name_has_it(folder):
    photos = folder("a/1.jpg", "b/1.jpg")
    assert other_names(photos, ["1.jpg"]) == {}
    assert other_names(photos, ["a/1.jpg", "c/1.jpg"]) == {"c/1.jpg": "b/1.jpg"}
    assert other_names(photos, ["a/1.jpg", "b/1.jpg", "c/1.jpg"]) == {}
    assert other_names(folder("2.jpg"), ["x/2.jpg", "y/2.jpg"]) == {}


def test_a_link_that_leads_out_is_no_candidate(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "1.jpg"
    outside.write_bytes(b"\xff\xd8\xff")
    photos = folder("2.jpg")
    (photos / "1.JPG").symlink_to(outside)
    assert other_names(photos, ["1.jpg"]) == {}
