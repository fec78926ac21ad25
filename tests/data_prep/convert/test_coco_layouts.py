import json

import pytest

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.convert.coco_layouts import find_parts
from data_prep.datasets.coco.coco_dataset_builder import Builder
from data_prep.prepared import open_prepared
from tests.data_prep.decoded import features
from tests.data_prep.raw_modanet import draw_jpeg

POLYGON = [[2, 2, 20, 2, 20, 20, 2, 20]]


def write(root, json_name, photos, categories=({"id": 1, "name": "top"},), **fields):
    """Writes a json of photos, {file_name in it: path of the file below root}."""
    images, annotations = [], []
    for index, (name, path) in enumerate(photos.items(), start=1):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(draw_jpeg(40, 30))
        images.append({"id": index, "file_name": name, "width": 40, "height": 30})
        entry = {"id": index, "image_id": index, "category_id": 1, "segmentation": POLYGON}
        annotations.append({**entry, **fields})
    contents = {"images": images, "annotations": annotations, "categories": list(categories)}
    (root / json_name).parent.mkdir(parents=True, exist_ok=True)
    (root / json_name).write_text(json.dumps(contents))


def names_of(root, split):
    return sorted(f["image/filename"][0].decode() for f in features(root, split).values())


def build(root, tmp_path, **choices):
    build_dataset(Builder, root, tmp_path / "out", PrepOptions(num_workers=1, choices=choices))
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("jsons", "folders"),
    [
        (("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
         ("train2017", "val2017")),
        (("annotations/instances_train.json", "annotations/instances_val.json"),
         ("images/train", "images/val")),
        (("train/_annotations.coco.json", "valid/_annotations.coco.json"), ("train", "valid")),
        (("train.json", "validation.json"), ("images", "images")),
        (("train/labels.json", "val/labels.json"), ("train/data", "val/data")),
    ],
)  # fmt: skip
def test_the_splits_that_a_tool_made_are_kept(tmp_path, jsons, folders):
    root = tmp_path / "raw"
    write(root, jsons[0], {f"{i}.jpg": f"{folders[0]}/{i}.jpg" for i in (1, 2, 3)})
    write(root, jsons[1], {f"{i}.jpg": f"{folders[1]}/{i}.jpg" for i in (4, 5)})

    data_dir = build(root, tmp_path)

    assert names_of(data_dir, "train") == ["1.jpg", "2.jpg", "3.jpg"]
    assert names_of(data_dir, "val") == ["4.jpg", "5.jpg"]


def test_splits_hash_divides_all_photos_anew(tmp_path):
    root = tmp_path / "raw"
    write(root, "train.json", {"1.jpg": "images/1.jpg"})
    write(root, "val.json", {f"{i}.jpg": f"images/{i}.jpg" for i in range(2, 40)})

    data_dir = build(root, tmp_path, splits="hash")

    assert len(names_of(data_dir, "train")) > 25


@pytest.mark.parametrize(
    ("json_name", "names", "folder"),
    [
        ("labels.json", {"1.jpg": "data/1.jpg"}, "data"),
        ("result.json", {"images/1.jpg": "images/1.jpg"}, ""),
        ("annotations/instances_default.json", {"1.jpg": "images/default/1.jpg"}, "images/default"),
        ("annotations/instances_default.json", {"1.jpg": "images/1.jpg"}, "images"),
        ("my.json", {"1.jpg": "photos/1.jpg"}, "photos"),
        ("my.json", {"1.jpg": "1.jpg"}, ""),
    ],
)
def test_the_photos_are_where_the_jsons_names_are_files(tmp_path, json_name, names, folder):
    write(tmp_path, json_name, names)
    (part,) = find_parts(tmp_path)
    assert (part.annotations, part.photos_dir) == (tmp_path / json_name, tmp_path / folder)


def test_several_jsons_that_are_no_splits_are_named(tmp_path):
    for name in ("a.json", "b.json"):
        write(tmp_path, name, {"1.jpg": "1.jpg"})
    with pytest.raises(ValueError, match=r"several jsons \(a.json, b.json\); say which one"):
        find_parts(tmp_path)


def test_the_group_over_all_categories_is_no_category(tmp_path, capsys):
    group = {"id": 0, "name": "clothes", "supercategory": "none"}
    top = {"id": 1, "name": "top", "supercategory": "clothes"}
    root = tmp_path / "raw"
    write(root, "my.json", {f"{i}.jpg": f"{i}.jpg" for i in range(9)}, (group, top))

    data_dir = build(root, tmp_path)

    assert open_prepared(data_dir).category_names == ("top",)
    assert "'clothes' (id 0) is the group of the others" in capsys.readouterr().err


@pytest.mark.parametrize(("choices", "expected"), [({}, 1), ({"crowds": "instances"}, 0)])
def test_crowds_are_what_is_asked_for_and_counted(tmp_path, choices, expected):
    root = tmp_path / "raw"
    write(root, "my.json", {f"{i}.jpg": f"{i}.jpg" for i in range(9)}, iscrowd=1)

    data_dir = build(root, tmp_path, **choices)

    stored = next(iter(features(data_dir, "train").values()))
    assert stored["image/object/is_crowd"] == [expected]
    report = json.loads((open_prepared(data_dir).path / "prep_report.json").read_text())
    reason = "crowd_taken_as_an_instance" if choices else "crowd_that_training_passes_over"
    assert report["sources"][0]["repairs"][reason]["count"] == 9


def test_a_photo_listed_twice_is_one_example_with_all_annotations(tmp_path):
    root = tmp_path / "raw"
    write(root, "my.json", {f"{i}.jpg": f"{i}.jpg" for i in range(9)})
    contents = json.loads((root / "my.json").read_text())
    contents["images"].append({**contents["images"][0], "id": 50})
    other = {"segmentation": [[22, 2, 30, 2, 30, 20]], "id": 50, "image_id": 50}
    contents["annotations"].append({**contents["annotations"][0], **other})
    (root / "my.json").write_text(json.dumps(contents))

    data_dir = build(root, tmp_path)

    stored = {**features(data_dir, "train"), **features(data_dir, "val")}
    assert len(stored) == 9 and len(stored[1]["image/object/class/label"]) == 2


def test_a_category_whose_masks_are_missing_stops_the_build(tmp_path):
    root = tmp_path / "raw"
    hat = ({"id": 1, "name": "top"}, {"id": 2, "name": "hat"})
    write(root, "my.json", {f"{i}.jpg": f"{i}.jpg" for i in range(200)}, hat)
    contents = json.loads((root / "my.json").read_text())
    for index in range(6):
        extra = {"id": 900 + index, "image_id": index + 1, "category_id": 2, "segmentation": []}
        contents["annotations"].append(extra)
    (root / "my.json").write_text(json.dumps(contents))
    with pytest.raises(ValueError, match=r"of 6 annotations of the category with id 2 cannot be"):
        build(root, tmp_path)


def test_a_small_data_set_has_a_photo_for_each_split(tmp_path, capsys):
    root = tmp_path / "raw"
    write(root, "my.json", {f"{i}.jpg": f"{i}.jpg" for i in (4, 5)})

    data_dir = build(root, tmp_path)

    assert len(names_of(data_dir, "train")) == len(names_of(data_dir, "val")) == 1
    assert "goes to val, which would be empty" in capsys.readouterr().err
