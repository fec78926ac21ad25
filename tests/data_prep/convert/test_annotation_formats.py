import json

import pytest

from data_prep.convert.annotation_formats import format_of
from data_prep.convert.coco_layouts import find_parts
from tests.data_prep.convert import drawn_labels

FILES = {
    "cvat_xml": ("annotations.xml", '<?xml version="1.0"?>\n<annotations><version>1.1</version>'),
    "label_studio": ("tasks.json", '[{"id": 1, "data": {"image": "a.jpg"}, "annotations": []}]'),
    "labelme": ("a.json", '{"version": "6.3.1", "flags": {}, "shapes": [], "imagePath": "a.jpg"}'),
    "yolo_seg": ("data.yaml", "names: [top]\n"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("is_folder", [False, True])
def test_dataset_coco_names_the_command_that_converts(tmp_path, name, is_folder):
    file_name, content = FILES[name]
    folder = tmp_path / "my labels"
    folder.mkdir()
    path = folder / file_name
    path.write_text(content)
    source = folder if is_folder or name == "labelme" else path

    assert format_of(path) == format_of(folder) == name
    with pytest.raises(ValueError, match=r"expected COCO's; convert it first: ") as refused:
        find_parts(folder) if is_folder else find_parts(None, path)
    command = "python -m data_prep.convert "
    if is_folder and file_name.endswith(".json") and name != "labelme":
        source = path  # a folder with a json is looked into first
    assert f"{command}--from={name} --to=coco '{source}' OUT.json" in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_coco_is_coco_in_every_encoding(tmp_path, encoding):
    path = drawn_labels.write_coco(tmp_path / "my.json")
    path.write_text(path.read_text(), encoding=encoding)
    assert format_of(path) == format_of(tmp_path) == "coco"


@pytest.mark.parametrize("content", ["", "[1, 2]", json.dumps([{"image_id": 1, "score": 0.5}])])
def test_json_of_no_tool_is_none(tmp_path, content):
    (tmp_path / "my.json").write_text(content)
    assert format_of(tmp_path / "my.json") is None


def test_labelme_in_folders_is_converted_as_a_whole(tmp_path):
    for name in ("dress/a.json", "top/b.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(FILES["labelme"][1])
    with pytest.raises(ValueError, match=f"--from=labelme --to=coco {tmp_path} OUT.json"):
        find_parts(tmp_path)
