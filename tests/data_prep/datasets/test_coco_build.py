import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.coco.coco_dataset_builder import Builder
from data_prep.datasets.coco.reader import find_raw_files
from data_prep.prepared import open_prepared
from tests.data_prep.decoded import decode, features
from tests.data_prep.raw_modanet import box_polygon, draw_jpeg


def write(raw_dir, images, annotations, categories=((7, "bag"), (3, "hat"))):
    """Photos are 40 wide and 30 high, named <id>.jpg."""
    (raw_dir / "images").mkdir(parents=True)
    for image in images:
        (raw_dir / "images" / f"{image['id']}.jpg").write_bytes(draw_jpeg(40, 30, image["id"]))
    entries = [{"file_name": f"{i['id']}.jpg", "width": 40, "height": 30, **i} for i in images]
    contents = {
        "images": entries,
        "annotations": [{"id": i, **a} for i, a in enumerate(annotations, start=1)],
        "categories": [{"id": i, "name": name} for i, name in categories],
    }
    (raw_dir / "my.json").write_text(json.dumps(contents))
    return raw_dir


def build(raw_dir, tmp_path, **options):
    plan = SplitPlan(val_percent=0)
    options = PrepOptions(split_plan=plan, num_workers=1, max_bad_percent=50, **options)
    build_dataset(Builder, raw_dir, tmp_path / "prepared", options)
    return tmp_path / "prepared"


def test_build_takes_polygons_both_rles_and_crowds(tmp_path):
    mask = np.zeros((30, 40), np.uint8)
    mask[4:9, 10:20] = 1
    compressed = coco_mask.encode(np.asfortranarray(mask))["counts"].decode()
    forms = [
        [box_polygon(10, 4, 20, 9)],
        {"size": [30, 40], "counts": compressed},
        {"size": [30, 40], "counts": [304, 5, *([25, 5] * 9), 30 * 40 - 304 - 50 - 225]},
    ]
    annotations = [
        {"image_id": i, "category_id": 7, "segmentation": form, "iscrowd": i % 2}
        for i, form in enumerate(forms)
    ]
    raw_dir = write(tmp_path / "raw", [{"id": i} for i in range(3)], annotations)
    decoded = decode(build(raw_dir, tmp_path), "train")
    for image_id in range(3):
        np.testing.assert_array_equal(decoded[image_id]["groundtruth_instance_masks"], [mask])
    crowds = [bool(decoded[image_id]["groundtruth_is_crowd"][0]) for image_id in range(3)]
    assert crowds == [False, True, False]


def test_build_numbers_categories_in_the_order_of_their_ids(tmp_path):
    square = [box_polygon(0, 0, 9, 9)]
    annotations = [
        {"image_id": 5, "category_id": raw_id, "segmentation": square, "attribute_ids": [2, 1]}
        for raw_id in (7, 3)
    ]
    data_dir = build(write(tmp_path / "raw", [{"id": 5}], annotations), tmp_path)
    assert open_prepared(data_dir).category_names == ("hat", "bag")
    stored = features(data_dir, "train")[5]
    assert stored["image/object/class/label"] == [2, 1]
    assert stored["image/object/class/text"] == [b"bag", b"hat"]
    assert stored["image/object/attributes"] == [b"1_2", b"1_2"]


def test_build_keeps_images_without_annotations(tmp_path):
    data_dir = build(write(tmp_path / "raw", [{"id": 5}, {"id": 6}], []), tmp_path)
    assert [e["groundtruth_classes"].tolist() for e in decode(data_dir, "train").values()] == [
        [],
        [],
    ]


def test_build_leaves_out_what_a_review_rejected(tmp_path):
    square = {"category_id": 3, "segmentation": [box_polygon(0, 0, 9, 9)]}
    images = [{"id": 1, "review": "accepted"}, {"id": 2, "review": "rejected"}]
    annotations = [
        {**square, "image_id": 1},
        {**square, "image_id": 1, "category_id": 7, "review": "rejected"},
        {**square, "image_id": 2},
    ]
    data_dir = build(write(tmp_path / "raw", images, annotations), tmp_path)
    assert decode(data_dir, "train")[1]["groundtruth_classes"].tolist() == [1]
    (source,) = json.loads((open_prepared(data_dir).path / "prep_report.json").read_text())[
        "sources"
    ]
    assert source["photos"]["left_out"]["rejected_in_review"]["example_files"] == ["2.jpg"]
    assert source["annotations"]["dropped"]["rejected_in_review"]["example_ids"] == [2]


def test_a_file_listed_twice_is_in_one_split(tmp_path):
    images = [{"id": i, "file_name": f"{i // 2}.jpg"} for i in range(20)]
    raw_dir = write(tmp_path / "raw", images, [])
    options = PrepOptions(split_plan=SplitPlan(val_percent=40), num_workers=1)
    build_dataset(Builder, raw_dir, tmp_path / "prepared", options)
    train, val = (
        {f["image/filename"][0] for f in features(tmp_path / "prepared", split).values()}
        for split in ("train", "val")
    )
    assert train and val and not train & val


@pytest.mark.parametrize("name", ["../my.json", "/etc/passwd", "a/../../my.json"])
def test_build_reads_no_photo_outside_its_folder(tmp_path, name):
    images = [{"id": 1}, {"id": 2, "file_name": name}]
    data_dir = build(write(tmp_path / "raw", images, []), tmp_path)
    (source,) = json.loads((open_prepared(data_dir).path / "prep_report.json").read_text())[
        "sources"
    ]
    assert list(source["photos"]["left_out"]) == ["photo_name_outside_folder"]


def test_find_raw_files_of_every_layout(tmp_path):
    raw_dir = write(tmp_path / "raw", [], [])
    (raw_dir / "._my.json").touch()  # as macOS leaves
    assert find_raw_files(raw_dir) == (raw_dir / "my.json", raw_dir / "images")
    (raw_dir / "annotations").mkdir()
    (raw_dir / "my.json").rename(raw_dir / "annotations" / "my.json")
    (raw_dir / "images").rename(raw_dir / "photos")
    found = (raw_dir / "annotations" / "my.json", raw_dir / "photos")
    assert find_raw_files(raw_dir) == found
    assert find_raw_files(None, found[0], tmp_path) == (found[0], tmp_path)
    assert find_raw_files(None, found[0]) == (found[0], raw_dir / "annotations")


@pytest.mark.parametrize("jsons", [(), ("a.json", "b.json")])
def test_find_raw_files_wants_one_json(tmp_path, jsons):
    for name in jsons:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="--annotations"):
        find_raw_files(tmp_path)


def test_a_category_name_twice_is_refused(tmp_path):
    raw_dir = write(tmp_path / "raw", [{"id": 1}], [], categories=((1, "hat"), (2, "hat")))
    with pytest.raises(ValueError, match=r"my\.json: the category 'hat' is there 2 times \(id 1 "):
        build(raw_dir, tmp_path)


def test_an_image_id_too_large_is_refused(tmp_path):
    raw_dir = write(tmp_path / "raw", [{"id": 2**24}], [])
    with pytest.raises(ValueError, match="got image id 16777216"):
        build(raw_dir, tmp_path)
