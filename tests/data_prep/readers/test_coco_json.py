import json

import pytest

from data_prep.readers.coco_json import CocoImage, CocoJson

IMAGE = {"id": 5, "file_name": "5.jpg", "width": 40, "height": 30}
ANNOTATION = {"id": 9, "image_id": 5, "category_id": 1, "segmentation": []}
CATEGORY = {"id": 1, "name": "bag"}


def write(tmp_path, contents):
    path = tmp_path / "train.json"
    path.write_text(contents if isinstance(contents, str) else json.dumps(contents))
    return path


def coco(images=(IMAGE,), annotations=(ANNOTATION,), categories=(CATEGORY,), **others):
    return {
        **others,
        "images": list(images),
        "annotations": list(annotations),
        "categories": list(categories),
    }


def test_coco_json_reads_images_and_categories(tmp_path):
    read = CocoJson(write(tmp_path, coco(info={"a": [1, {"images": []}]}, licenses=[])))
    assert read.images == [CocoImage(image_id=5, file_name="5.jpg", height=30, width=40)]
    assert read.category_names == {1: "bag"}


def test_coco_json_cuts_out_each_image_s_annotations_in_file_order(tmp_path):
    other = {**ANNOTATION, "id": 3, "image_id": 6, "segmentation": [[1, 2, 3, 4, 5, 6]]}
    last = {**ANNOTATION, "id": 1}
    path = write(tmp_path, coco([IMAGE, {**IMAGE, "id": 6}], [ANNOTATION, other, last]))
    read = CocoJson(path)
    five, six = (read.record(image) for image in read.images)
    assert [json.loads(text) for text in five.annotation_texts] == [ANNOTATION, last]
    assert [json.loads(text) for text in six.annotation_texts] == [other]
    assert read.annotation_ids(5) == [9, 1]
    assert read.num_annotations == 3


def test_coco_json_reads_any_order_and_spacing(tmp_path):
    text = json.dumps(
        {"annotations": [ANNOTATION], "categories": [CATEGORY], "images": [IMAGE]}, indent=3
    )
    read = CocoJson(write(tmp_path, f"\n {text} \n"))
    assert json.loads(read.record(read.images[0]).annotation_texts[0]) == ANNOTATION


def test_coco_json_without_annotations(tmp_path):
    read = CocoJson(write(tmp_path, coco(annotations=[])))
    assert read.record(read.images[0]).annotation_texts == ()


def test_coco_json_without_the_list_of_annotations_only_where_none_are_needed(tmp_path):
    contents = coco()
    del contents["annotations"]
    path = write(tmp_path, contents)
    with pytest.raises(ValueError, match="has no list 'annotations'"):
        CocoJson(path)
    read = CocoJson(path, needs_annotations=False)
    assert read.record(read.images[0]).annotation_texts == ()
    assert read.num_annotations == 0


def test_orphan_annotation_ids(tmp_path):
    orphan = {**ANNOTATION, "id": 77, "image_id": 8}
    assert CocoJson(
        write(tmp_path, coco(annotations=[ANNOTATION, orphan]))
    ).orphan_annotation_ids() == [77]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "git lfs pull"),
        ("", "is empty"),
        ("<html>", "not a json: it begins with '<html>'"),
        (json.dumps(coco()) + "{}", r"goes on after the json's end \(character \d+\): got '{}'"),
        ('{"images": [{"id"', "not valid json .* cut short"),
        ("{'images': []}", "not valid json .*; got .'images': "),
        ('{"images": [{"id": ' + "9" * 5000, "not valid json .*; got '{.id.: 9999"),
        ('{"x": ' + "[" * 200_000, "nested too deep"),
        (json.dumps(coco())[:-30], "not valid json"),
        ("[1, 2]", "is a list, as results of a detector are"),
        ('{"images": 3}', "'images' is not a list"),
        ("{}", "has no list 'images'"),
        ({"images": [], "annotations": []}, "has no list 'categories'"),
        (coco(images=[3]), r"images\[0\] is '3', expected an object"),
        (coco(images=[{**IMAGE, "width": "4x"}]), r"images\[0\] has width '4x', expected a whole"),
        (coco(images=[{**IMAGE, "id": "a.jpg"}]), r"has id 'a.jpg', .*; number the images"),
        (coco(images=[{**IMAGE, "height": 0}]), r"images\[0\] has size 40x0"),
        (coco(images=[{"id": 1, "width": 3}]), r"images\[0\] has height 'None'"),
        (
            coco(annotations=[{**ANNOTATION, "image_id": 1.5}]),
            r"annotations\[0\] has image_id '1.5'",
        ),
        (coco(annotations=[{**ANNOTATION, "category_id": True}]), "has category_id 'True'"),
        (coco(annotations=[{**ANNOTATION, "id": 2**70}]), r"annotations\[0\] has id '11805"),
        (coco(annotations=[{**ANNOTATION, "iscrowd": 2}]), r"annotations\[0\] has iscrowd '2'"),
        (coco(categories=[CATEGORY, {"id": 1, "name": "top"}]), "the id 1 of 'bag' again, for"),
        (coco(categories=[{"id": 1}]), r"categories\[0\] has no 'name'"),
        (coco(categories=[{"id": 1, "name": " "}]), r"categories\[0\] has name ' '"),
        (coco(categories=[{"id": 1, "name": "a\nb"}]), r"has name 'a\\nb', expected words"),
    ],
)
def test_coco_json_refuses_what_is_not_coco(tmp_path, contents, message):
    path = write(tmp_path, contents)
    with pytest.raises(ValueError, match=message) as caught:
        CocoJson(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ids_come_as_numbers_texts_and_whole_floats(tmp_path):
    image = {**IMAGE, "id": "5", "height": 30.0}
    annotation = {"image_id": 5.0, "category_id": "1", "segmentation": []}
    category = {"id": "1", "name": "bag"}
    read = CocoJson(write(tmp_path, coco([image], [annotation, annotation], [category])))
    assert read.images == [CocoImage(5, "5.jpg", 30, 40)]
    assert read.category_names == {1: "bag"}
    instances = read.record(read.images[0]).raw_photo().instances
    assert [(i.record_id, i.raw_category_id) for i in instances] == [(1, 1), (2, 1)]


def test_a_photo_without_a_size_is_of_its_own(tmp_path):
    read = CocoJson(write(tmp_path, coco([{"id": 5, "file_name": "5.jpg", "height": None}])))
    assert read.record(read.images[0]).raw_photo().annotated_hw is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, False),
        (1, True),
        ("0", False),
        ("1", True),
        (False, False),
        ("true", True),
        (None, False),
    ],
)
def test_iscrowd_is_read_by_its_meaning(tmp_path, value, expected):
    read = CocoJson(write(tmp_path, coco(annotations=[{**ANNOTATION, "iscrowd": value}])))
    (instance,) = read.record(read.images[0]).raw_photo().instances
    assert instance.is_crowd is expected


def test_a_byte_order_mark_is_no_damage(tmp_path):
    path = tmp_path / "train.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(coco()).encode())
    read = CocoJson(path)
    assert json.loads(read.record(read.images[0]).annotation_texts[0]) == ANNOTATION


def test_utf_16_is_called_by_its_name(tmp_path):
    path = tmp_path / "train.json"
    path.write_bytes(json.dumps(coco()).encode("utf-16"))
    with pytest.raises(ValueError, match="is UTF-16 text, expected UTF-8; save it as"):
        CocoJson(path)


def test_coco_json_refuses_a_binary_file(tmp_path):
    path = tmp_path / "train.json"
    path.write_bytes(b"\x1f\x8b\xff\xfe")
    with pytest.raises(ValueError, match="not a text file"):
        CocoJson(path)


def test_coco_json_missing(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        CocoJson(tmp_path / "train.json")
