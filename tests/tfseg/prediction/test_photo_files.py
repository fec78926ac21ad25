import pytest

from tfseg.prediction.photo_files import (
    PhotoFile,
    find_by_glob,
    find_in_list,
    find_in_tree,
    image_ids,
    output_names,
)


@pytest.fixture
def tree(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", "sub/deep/c.webp", "sub/.hidden.jpg", "out/a.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def names_of(photos):
    return [photo.name for photo in photos]


def test_find_in_tree_looks_below_and_not_into_the_output(tree):
    assert names_of(find_in_tree(tree, left_out=tree / "out")) == [
        "a.png",
        "b.JPG",
        "sub/deep/c.webp",
    ]


def test_find_by_glob_names_from_the_common_folder(tree):
    photos = find_by_glob(f"{tree}/**/*.[jp][pn]g")

    assert names_of(photos) == ["a.png", "out/a.jpg"]
    assert [photo.path for photo in photos] == [tree / "a.png", tree / "out" / "a.jpg"]


def test_find_in_list_reads_lists_from_windows(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"\xef\xbb\xbfa.png\r\nb.jpg\r\n")

    assert [photo.path for photo in find_in_list(listed)] == [
        tmp_path / "a.png",
        tmp_path / "b.jpg",
    ]


def test_find_in_list_keeps_its_order_and_takes_any_file(tree):
    listed = tree / "sub" / "list.txt"
    listed.write_text("# mine\n../notes.txt\n\ndeep/c.webp\n../notes.txt\nmissing.jpg\n")

    photos = find_in_list(listed)

    assert names_of(photos) == ["notes.txt", "sub/deep/c.webp", "sub/missing.jpg"]


def test_one_photo_spelled_in_several_ways_is_one(tree):
    listed = tree / "list.txt"
    listed.write_text(f"a.png\nsub/../a.png\n./a.png\n{tree}/a.png\nb.JPG\n")

    assert names_of(find_in_list(listed)) == ["a.png", "b.JPG"]
    assert names_of(find_by_glob(f"{tree}/*/../a.png")) == ["a.png"]


def test_a_way_back_out_of_a_linked_folder_is_another_place(tree):
    (tree / "link").symlink_to(tree / "sub" / "deep")
    (tree / "sub" / "a.png").write_bytes(b"")
    (tree / "list.txt").write_text("a.png\nlink/../a.png\n")

    assert names_of(find_in_list(tree / "list.txt")) == ["a.png", "sub/a.png"]


@pytest.mark.parametrize(
    ("find", "expected"),
    [
        (lambda tree: find_in_tree(tree / "nowhere"), "nowhere: no such folder"),
        (lambda tree: find_in_tree(tree / "sub" / "deep" / "c.webp"), "no such folder"),
        (lambda tree: find_by_glob(f"{tree}/*.tiff"), r"\*\.tiff: matches no file"),
        (lambda tree: find_in_list(tree / "b.JPG"), "b.JPG: names no photo"),
        (lambda tree: find_in_list(tree / "none.txt"), "none.txt: cannot be read"),
    ],
)
def test_finding_nothing_is_named(tree, find, expected):
    with pytest.raises(ValueError, match=expected):
        find(tree)


def test_a_folder_without_photos_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no photo in it or below; looked for \.jpg"):
        find_in_tree(tmp_path)


def photo(name):
    return PhotoFile(None, name)


def test_output_names_never_collide():
    names = output_names([photo("x/a.jpg"), photo("x/A.png"), photo("y/a.jpg"), photo("b.c.jpg")])

    assert names == {
        "x/a.jpg": "x/a.jpg",
        "x/A.png": "x/A.png",
        "y/a.jpg": "y/a",
        "b.c.jpg": "b.c",
    }


def test_output_names_keep_from_the_name_of_another_photo():
    names = output_names([photo("a.jpg"), photo("a.png"), photo("a.jpg.png"), photo("a")])

    assert names == {name: name for name in ("a.jpg", "a.png", "a.jpg.png", "a")}


def test_output_names_refuse_one_name_twice():
    with pytest.raises(ValueError, match="2 photos have 1 names only"):
        output_names([photo("a.jpg"), photo("a.jpg")])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0100014.jpg", "x/0100040.jpg"], [100014, 100040]),
        (["7.jpg", "07.jpg"], [1, 2]),
        (["7.jpg", "seven.jpg"], [1, 2]),
    ],
)
def test_image_ids_are_the_names_numbers_where_they_can_be(names, expected):
    assert list(image_ids([photo(name) for name in names]).values()) == expected
