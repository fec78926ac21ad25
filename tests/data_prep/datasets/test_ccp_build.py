import json
import os
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.ccp import raw_files, reader
from data_prep.datasets.ccp.ccp_dataset_builder import Builder
from data_prep.prepared import open_prepared
from tests.data_prep.datasets.raw_ccp import RawCcp

pytestmark = pytest.mark.slow

CCP_DIR = Path(os.environ.get("TFSEG_STREET_DIR", "../shared/street")).parent / "ccp"
FIRST_ID = 13_631_488


def picture(*boxes) -> np.ndarray:
    """Labels of a 60 x 40 photo from (label, ymin, xmin, ymax, xmax)."""
    labels = np.zeros((60, 40), np.uint8)
    for label, ymin, xmin, ymax, xmax in boxes:
        labels[ymin:ymax, xmin:xmax] = label
    return labels


@pytest.fixture
def raw(tmp_path) -> RawCcp:
    raw = RawCcp(tmp_path / "raw")
    for number in range(1, 8):
        raw.add_photo(number)
    # a shirt, a bag and a purse, hair, two shoes and a speck of a third piece
    outfit = picture(
        (5, 0, 0, 20, 20),
        (1, 22, 0, 32, 10),
        (3, 22, 20, 32, 30),
        (2, 0, 30, 10, 40),
        (4, 40, 0, 50, 10),
        (4, 40, 20, 52, 30),
        (4, 56, 36, 59, 39),
    )
    for number in range(1, 5):
        raw.label(number, outfit)
    raw.label(5, np.repeat(np.repeat(outfit, 2, axis=0), 2, axis=1))  # of twice the photo's size
    raw.label(6, picture((1, 0, 0, 7, 8)))  # 56 pixels
    return raw


def build(raw, data_dir, **choices):
    options = PrepOptions(
        split_plan=SplitPlan(num_folds=2, fold=0),
        max_bad_percent=50,
        num_workers=1,
        choices=choices,
    )
    build_dataset(Builder, raw.folder, data_dir, options)
    prepared = open_prepared(data_dir)
    truth = {"images": [], "annotations": []}
    for split in ("train", "val"):
        content = json.loads(prepared.ground_truth_path(split).read_text())
        for key in truth:
            truth[key] += content[key]
    report = json.loads((prepared.path / "prep_report.json").read_text())
    return prepared, truth, report


def test_labels_become_instances(raw, tmp_path):
    prepared, truth, report = build(raw, tmp_path / "prepared")

    assert prepared.category_names[:4] == ("bag", "belt", "boots", "footwear")
    of_first = [a for a in truth["annotations"] if a["image_id"] == FIRST_ID + 1]
    found = sorted((prepared.category_names[a["category_id"] - 1], a["area"]) for a in of_first)
    # bag and purse are ModaNet's bag, in one photo one; a pair of shoes is two
    assert found == [("bag", 200), ("footwear", 100), ("footwear", 120), ("top", 400)]
    (top,) = [a for a in of_first if a["area"] == 400]
    assert top["bbox"] == [0, 0, 20, 20]
    assert coco_mask.decode(top["segmentation"])[:20, :20].all()
    labelled = report["sources"][0]
    assert labelled["photos"]["kept"] == 5
    assert labelled["annotations"]["dropped"]["category_left_out"]["count"] == 5  # hair
    assert labelled["annotations"]["dropped"]["under_60_pixels"]["count"] == 1
    assert labelled["repairs"]["label_picture_resized"]["count"] == 1


def test_a_label_picture_of_another_size_gives_the_same_masks(raw, tmp_path):
    _, truth, _ = build(raw, tmp_path / "prepared")
    areas = {
        number: sorted(
            a["area"] for a in truth["annotations"] if a["image_id"] == FIRST_ID + number
        )
        for number in (1, 5)
    }
    assert areas[1] == areas[5]


def test_photos_without_labels_are_a_split_of_their_own(raw, tmp_path):
    prepared, _, _ = build(raw, tmp_path / "prepared")
    content = json.loads(prepared.ground_truth_path("unlabelled").read_text())
    assert [image["file_name"] for image in content["images"]] == ["0007.jpg"]


def test_tags_lie_beside_the_set_in_its_categories(raw, tmp_path, capsys):
    raw.add_photo(8)
    raw.add_photo(9)
    raw.tag(7, [0, 2, 3, 5])  # null, hair, purse, t-shirt
    raw.tag(8, [99])
    prepared, _, _ = build(raw, tmp_path / "prepared")
    assert json.loads((prepared.path / "tags.json").read_text()) == {"0007.jpg": ["bag", "top"]}
    assert "2 photos without usable tags, e.g. " in capsys.readouterr().err


def test_own_categories_are_its_labels(raw, tmp_path):
    prepared, truth, _ = build(raw, tmp_path / "prepared", categories="own")
    assert prepared.category_names == ("bag", "purse", "shoes", "t-shirt")
    of_first = [a for a in truth["annotations"] if a["image_id"] == FIRST_ID + 1]
    assert sorted(prepared.category_names[a["category_id"] - 1] for a in of_first) == [
        *("bag", "purse", "shoes", "shoes", "t-shirt")
    ]


def test_damaged_labels_leave_their_photo_out_with_a_reason(raw, tmp_path):
    (raw.folder / "annotations/pixel-level/0001.mat").write_bytes(b"MATLAB 5.0")
    raw.label(6, np.full((60, 40), 77))
    _, _, report = build(raw, tmp_path / "prepared")
    left_out = report["sources"][0]["photos"]["left_out"]
    assert left_out["labels_unreadable"]["example_files"] == ["0001.jpg"]
    assert left_out["labels_malformed"]["example_files"] == ["0006.jpg"]


def test_a_folder_that_is_not_the_repository_is_named(tmp_path):
    with pytest.raises(ValueError, match="label_list.mat: not there; expected Clothing Co-Parsing"):
        raw_files.find_raw_files(tmp_path)


def test_the_table_knows_every_label_once():
    modanet, own = raw_files.read_label_rules("modanet"), raw_files.read_label_rules("own")
    assert len(modanet) == len(own) == 58
    assert sum(rule.category is not None for rule in own.values()) == 52
    assert modanet["clogs"] == raw_files.LabelRule("footwear", 2)
    assert modanet["hair"].category is own["hair"].category is None


@pytest.mark.skipif(not CCP_DIR.is_dir(), reason=f"{CCP_DIR} is not there")
def test_real_photos():
    raw = reader.open_raw_dataset(raw_files.find_raw_files(CCP_DIR), None)
    labelled, unlabelled = raw.sources
    assert (labelled.num_photos, labelled.num_annotations) == (804, 6192)
    assert unlabelled.num_photos == 500
    (record,) = labelled.records([FIRST_ID + 1])
    photo = record.raw_photo()
    assert photo.annotated_hw == (832, 550) and len(photo.instances) >= 5
