import json

import cv2
import numpy as np
import pytest

from data_prep.build.build_dataset import build_dataset
from data_prep.build.prep_report import warnings
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.product.mask_folder import MaskFolder
from data_prep.datasets.product.product_dataset_builder import Builder
from data_prep.prepared import open_prepared
from tests.data_prep.decoded import decode, features
from tests.data_prep.raw_modanet import draw_jpeg
from tests.data_prep.raw_product import middle_mask, write_product


def build(raw_dir, tmp_path, **options):
    plan = SplitPlan(val_percent=0)
    options = PrepOptions(split_plan=plan, num_workers=1, max_bad_percent=80, **options)
    build_dataset(Builder, raw_dir, tmp_path / "prepared", options)
    return tmp_path / "prepared"


def source_of(data_dir):
    report = json.loads((open_prepared(data_dir).path / "prep_report.json").read_text())
    return report["sources"][0]


@pytest.mark.parametrize("value", [255, 1])
def test_folders_of_photos_and_masks(tmp_path, value):
    raw_dir = write_product(tmp_path / "raw", ["dress/white_2", "bag/grey_1"], value=value)
    data_dir = build(raw_dir, tmp_path)
    decoded = decode(data_dir, "train")
    # Ids in the order of the names, categories with ModaNet's ids.
    assert {i: e["groundtruth_classes"].tolist() for i, e in decoded.items()} == {1: [1], 2: [6]}
    np.testing.assert_array_equal(decoded[2]["groundtruth_instance_masks"], [middle_mask()])
    assert features(data_dir, "train")[2]["image/filename"] == [b"dress/white_2.jpg"]
    assert open_prepared(data_dir).category_names[12] == "scarf/tie"


def test_categories_that_are_not_modanets_are_kept_where_that_is_asked_for(tmp_path):
    raw_dir = write_product(tmp_path / "raw", ["mug/1", "dress/2"])
    with pytest.raises(ValueError, match=r"got the categories 'mug', .* --categories=own"):
        build(raw_dir, tmp_path)
    data_dir = build(raw_dir, tmp_path, choices={"categories": "own"})
    assert open_prepared(data_dir).category_names == ("dress", "mug")


def test_shops_names_are_modanets_categories(tmp_path):
    raw_dir = write_product(tmp_path / "raw", ["T-Shirt/1", "outwear/2", "shoes/3"])
    data_dir = build(raw_dir, tmp_path)
    names = open_prepared(data_dir).category_names
    found = [names[e["groundtruth_classes"][0] - 1] for e in decode(data_dir, "train").values()]
    assert len(names) == 13 and sorted(found) == ["footwear", "outer", "top"]


def test_a_tree_of_photos_without_masks_gets_them_while_it_is_read(tmp_path):
    photo = np.full((160, 120, 3), 245, np.uint8)
    cv2.rectangle(photo, (30, 40), (90, 130), (160, 40, 30), cv2.FILLED)
    (tmp_path / "raw" / "t-shirt").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "raw" / "t-shirt" / "1.png"), photo)
    noise = np.random.default_rng(0).integers(0, 255, (160, 120, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "raw" / "t-shirt" / "2.png"), noise)

    data_dir = build(tmp_path / "raw", tmp_path)

    (example,) = decode(data_dir, "train").values()
    mask = example["groundtruth_instance_masks"][0].astype(bool)
    truth = np.zeros((160, 120), bool)
    truth[40:131, 30:91] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95
    left_out = source_of(data_dir)["photos"]["left_out"]
    assert {r: e["example_files"] for r, e in left_out.items()} == {
        "mask_not_good": ["t-shirt/2.png"]
    }


@pytest.mark.parametrize(("choices", "kept"), [({}, 3), ({"only_good": "yes"}, 2)])
def test_unsure_masks_are_told_or_left_out(tmp_path, choices, kept):
    states = ((0.9, "pending"), (0.1, "accepted"), (0.1, "pending"))
    images = [
        {"id": i, "file_name": f"{i}.jpg", "width": 40, "height": 30, "confidence": c, "review": r}
        for i, (c, r) in enumerate(states, start=1)
    ]
    mask = {"segmentation": {"size": [30, 40], "counts": [300, 30, 870]}, "category_id": 1}
    contents = {
        "images": images,
        "annotations": [{**mask, "id": i, "image_id": i} for i in (1, 2, 3)],
        "categories": [{"id": 1, "name": "bag"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(contents))
    for i in (1, 2, 3):
        (tmp_path / f"{i}.jpg").write_bytes(draw_jpeg(40, 30))

    data_dir = build(tmp_path, tmp_path, choices=choices)

    assert len(decode(data_dir, "train")) == kept
    report = json.loads((open_prepared(data_dir).path / "prep_report.json").read_text())
    source = report["sources"][0]
    counted = source["photos"]["left_out"] if choices else source["repairs"]
    reason = "mask_not_good" if choices else "photo_with_an_unsure_mask"
    assert counted[reason]["example_ids"] == [3]
    assert any("masks of 1 photos are unsure" in line for line in warnings(report)) != bool(choices)


def test_hidden_files_and_folders_are_no_photos_masks_or_categories(tmp_path):
    raw_dir = write_product(tmp_path / "raw", ["top/0", "top/1"])
    for name in ("photos/top/._0.jpg", "truth/top/._0.png", "photos/.thumbs/0.jpg"):
        (raw_dir / name).parent.mkdir(exist_ok=True)
        (raw_dir / name).write_bytes(b"Mac OS X")
    folder = MaskFolder(raw_dir / "photos", raw_dir / "truth")

    assert folder.category_names() == ("top",)
    assert folder.photo_names() == ["top/0.jpg", "top/1.jpg"]
    assert folder.mask_names() == ["top/0.png", "top/1.png"]


def test_photos_and_masks_without_a_partner_are_counted(tmp_path):
    names = [f"top/{i}" for i in range(5)]
    raw_dir = write_product(tmp_path / "raw", names)
    (raw_dir / "truth/top/0.png").unlink()
    (raw_dir / "photos/top/1.jpg").unlink()
    (raw_dir / "truth/top/2.png").write_bytes(b"damaged")
    cv2.imwrite(str(raw_dir / "truth/top/3.png"), np.ones((31, 40), np.uint8))
    source = source_of(build(raw_dir, tmp_path))
    assert {r: e["example_files"] for r, e in source["photos"]["left_out"].items()} == {
        "mask_missing": ["top/0.jpg"],
        "mask_unreadable": ["top/2.jpg"],
        "photo_size_differs": ["top/3.jpg"],
    }
    assert {r: e["example_files"] for r, e in source["annotations"]["dropped"].items()} == {
        "mask_without_photo": ["top/1.png"],
        "mask_unreadable": ["top/2.jpg"],
        "photo_left_out": ["top/3.jpg"],
    }
    assert (source["photos"]["in_raw"], source["annotations"]["in_raw"]) == (4, 4)


def test_an_empty_mask_leaves_its_photo_out(tmp_path):
    raw_dir = write_product(tmp_path / "raw", ["top/1", "top/2"])
    cv2.imwrite(str(raw_dir / "truth/top/2.png"), np.zeros((30, 40), np.uint8))
    source = source_of(build(raw_dir, tmp_path))
    assert list(source["photos"]["left_out"]) == ["no_usable_annotation"]


def test_a_coco_json_with_photos_elsewhere(tmp_path):
    photos_dir = tmp_path / "photos"
    (photos_dir / "bag").mkdir(parents=True)
    (photos_dir / "bag" / "1.jpg").write_bytes(draw_jpeg(40, 30))
    contents = {
        "images": [{"id": 1, "file_name": "bag/1.jpg", "width": 40, "height": 30}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"size": [30, 40], "counts": [300, 30, 870]},
            }
        ],
        "categories": [{"id": 1, "name": "bag"}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(contents))
    data_dir = build(tmp_path, tmp_path, raw_paths={"annotations": path, "photos_dir": photos_dir})
    assert decode(data_dir, "train")[1]["groundtruth_classes"].tolist() == [1]
    assert len(open_prepared(data_dir).category_names) == 13


def test_what_a_review_rejected_or_left_empty_is_no_fault(tmp_path):
    mask = {"segmentation": {"size": [30, 40], "counts": [300, 30, 870]}, "category_id": 1}
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 40, "height": 30} for i in range(1, 6)]
    images[1]["review"] = "rejected"
    contents = {
        "images": images,
        "annotations": [{**mask, "id": i, "image_id": i} for i in (1, 2, 3)],
        "categories": [{"id": 1, "name": "bag"}],
    }
    contents["annotations"][2]["review"] = "rejected"
    (tmp_path / "instances.json").write_text(json.dumps(contents))
    for i in range(1, 6):
        (tmp_path / f"{i}.jpg").write_bytes(draw_jpeg(40, 30))
    options = PrepOptions(split_plan=SplitPlan(val_percent=0), num_workers=1)
    build_dataset(Builder, tmp_path, tmp_path / "prepared", options)
    left_out = source_of(tmp_path / "prepared")["photos"]["left_out"]
    assert {reason: entry["example_ids"] for reason, entry in left_out.items()} == {
        "no_product_found": [4, 5],
        "all_annotations_left_out_on_purpose": [3],
        "rejected_in_review": [2],
    }
    assert list(decode(tmp_path / "prepared", "train")) == [1]


def test_masks_without_photos_are_refused(tmp_path):
    (tmp_path / "truth").mkdir()
    with pytest.raises(ValueError, match="photos: no such folder"):
        build(tmp_path, tmp_path)
