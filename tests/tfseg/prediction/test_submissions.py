import dataclasses
import json
import tracemalloc

import numpy as np
import pytest

from tests.tfseg import entry_points
from tests.tfseg.structures.test_mask_geometry import OUTFIT, detections_of
from tfseg import submission_checks
from tfseg.prediction.submissions import (
    challenge_results,
    encoded_pixels,
    fgvc6_attribute_ids,
    fgvc6_class_ids,
    fgvc6_rows,
    write_fgvc6,
)

CLASS_IDS = {1: 0, 2: 33, 3: 45}


def test_encoded_pixels_run_down_columns_from_one():
    mask = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 0], [0, 1, 0]])

    assert encoded_pixels(mask) == "2 2 7 4"  # column 0: 2, 3; column 1: 7, 8; column 2: 9, 10
    assert encoded_pixels(np.zeros((2, 2))) == ""
    assert encoded_pixels(np.ones((2, 2))) == "1 4"


def test_fgvc6_rows_are_512_wide_and_apart(tmp_path):
    rows = fgvc6_rows("a.jpg", OUTFIT, CLASS_IDS, "smaller_first")

    assert [(row[0], row[2]) for row in rows] == [("a.jpg", "0"), ("a.jpg", "33"), ("a.jpg", "45")]
    num_pixels = [sum(map(int, row[1].split()[1::2])) for row in rows]
    # Of the 8 x 10 photo's pixels: each becomes 64 x 51.2.
    np.testing.assert_allclose(np.array(num_pixels) / (64 * 51.2), [16, 10, 16], atol=0.5)
    write_fgvc6(tmp_path / "submission.csv", rows)
    assert submission_checks.fgvc6_faults(tmp_path / "submission.csv") == []


def test_fgvc6_rows_fill_an_image_without_detections():
    nothing = OUTFIT.select(np.zeros(3, bool))

    assert fgvc6_rows("a.jpg", nothing, CLASS_IDS, "score") == [("a.jpg", "1 1", "23")]
    assert fgvc6_rows("a.jpg", OUTFIT, {}, "score") == [("a.jpg", "1 1", "23")]


def test_fgvc6_class_ids_count_from_zero():
    ids = fgvc6_class_ids([f"kind {i}" for i in range(46)])

    assert (ids[1], ids[46], len(ids)) == (0, 45, 46)


def test_fgvc6_class_ids_are_found_by_name(tmp_path):
    path = tmp_path / "label_descriptions.json"
    described = [{"id": 0, "name": "shirt, blouse"}, {"id": 23, "name": "shoe"}]
    path.write_text(json.dumps({"categories": described}))

    assert fgvc6_class_ids(["shoe", "hair"], str(path)) == {1: 23}
    with pytest.raises(ValueError, match=r"none of the model's categories \(hair"):
        fgvc6_class_ids(["hair"], str(path))
    with pytest.raises(ValueError, match="the model knows 2 categories, the FGVC6"):
        fgvc6_class_ids(["shoe", "hair"])


def test_challenge_results_leave_masks_without_pixels_out():
    found = detections_of((0.9, 1, 1, 4, 4), (0.8, 3, 3, 3, 3))

    assert [entry["score"] for entry in challenge_results(7, found)] == [pytest.approx(0.9)]


def test_challenge_results_hold_what_coco_asks_for():
    [entry, *_] = challenge_results(100014, OUTFIT)

    assert list(entry) == ["image_id", "category_id", "segmentation", "bbox", "score"]
    assert entry["image_id"] == 100014 and entry["bbox"] == [1, 1, 5, 6]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a.jpg,1 5 4 2,0", "line 2: run 4 2 is not after the one before it"),
        ("a.jpg,0 5,0", "line 2: run 0 5 is not after"),
        ("a.jpg,1 0,0", "line 2: run 1 0 is not after the one before it, or is empty"),
        ("a.jpg,262140 6,0", "line 2: run 262140 6 passes the end"),
        ("a.jpg,1 5 9,0", "not pairs"),
        ("a.jpg,,0", "not pairs"),
        ("a.jpg,one,0", "are not numbers"),
        ("a.jpg,1 5,46", "ClassId '46', expected 0 to 45"),
        ("a.jpg,1 5,-1", "ClassId '-1'"),
        ("a.jpg,1 5", "line 2: 2 columns, expected 3"),
        ("a.jpg,1 5,0\na.jpg,5 2,3", "line 3: its mask overlaps another of a.jpg"),
        ("b.jpg,1 5,0", "image a.jpg of the test set has no row"),
        ("a.jpg,1 5,0\nb.jpg,1 5,0", "image b.jpg is not in the test set"),
    ],
)
def test_fgvc6_faults_names_each(tmp_path, row, expected):
    (tmp_path / "sample.csv").write_text("ImageId,EncodedPixels,ClassId\na.jpg,1 1,23\n")
    (tmp_path / "x.csv").write_text(f"ImageId,EncodedPixels,ClassId\n{row}\n")

    faults = submission_checks.fgvc6_faults(tmp_path / "x.csv", tmp_path / "sample.csv")

    assert any(expected in fault for fault in faults), faults


def test_fgvc6_faults_of_a_good_one_and_of_other_columns(tmp_path):
    good = "ImageId,EncodedPixels,ClassId\na.jpg,1 5 262140 5,6_20_30\na.jpg,6 1,45\n"
    (tmp_path / "good.csv").write_text(good)
    (tmp_path / "other.csv").write_text(good.replace("ClassId", "Class"))

    assert submission_checks.fgvc6_faults(tmp_path / "good.csv") == []
    assert "columns are" in submission_checks.fgvc6_faults(tmp_path / "other.csv")[0]


def test_fgvc6_faults_of_many_images_need_little_memory(tmp_path):
    rows = "".join(f"{index}.jpg,1 5,0\n" for index in range(100))
    (tmp_path / "x.csv").write_text(f"ImageId,EncodedPixels,ClassId\n{rows}99.jpg,5 2,3\n")

    tracemalloc.start()
    try:
        faults = submission_checks.fgvc6_faults(tmp_path / "x.csv")
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert faults == ["line 102: its mask overlaps another of 99.jpg"]
    assert most_bytes < 50e3 * 100  # a bit a pixel; a byte a pixel would be 262e3 an image


def test_other_files_to_check_by_are_named(tmp_path):
    (tmp_path / "x.csv").write_text("ImageId,EncodedPixels,ClassId\na.jpg,1 5,0\n")
    (tmp_path / "x.json").write_text("[]")

    with pytest.raises(ValueError, match=r"sample\.csv: has no column ImageId"):
        (tmp_path / "sample.csv").write_text("image\na.jpg\n")
        submission_checks.fgvc6_faults(tmp_path / "x.csv", tmp_path / "sample.csv")
    with pytest.raises(ValueError, match=r"x\.json: not ModaNet's json"):
        submission_checks.modanet_faults(tmp_path / "x.json", tmp_path / "x.json")


def test_the_command_names_the_faults_and_fails(tmp_path):
    head = "ImageId,EncodedPixels,ClassId\n"
    (tmp_path / "good.csv").write_text(f"{head}a.jpg,1 5,0\n")
    (tmp_path / "bad.csv").write_text(f"{head}a.jpg,1 5,99\n")

    good = entry_points.run("tfseg.submission_checks", tmp_path, "--fgvc6=good.csv")
    bad = entry_points.run("tfseg.submission_checks", tmp_path, "--fgvc6=bad.csv")

    assert (good.returncode, good.stdout) == (0, "good.csv: follows the rules\n")
    assert bad.returncode == 1
    assert "bad.csv: line 2: ClassId '99', expected 0 to 45" in bad.stdout
    assert bad.stderr == "error: bad.csv: 1 faults\n"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"image_id": 8}, "image_id 8 is not in the ground truth"),
        ({"category_id": 0}, "category_id 0"),
        ({"score": 1.5}, "score 1.5, expected 0 to 1"),
        ({"segmentation": {"size": [8, 10], "counts": "`2"}}, "its mask has no pixel"),
        ({"segmentation": {"size": [10, 8], "counts": "`2"}}, r"its mask is [10, 8]"),
        ({"segmentation": None}, "has no segmentation"),
    ],
)
def test_modanet_faults_names_each(tmp_path, change, expected):
    val = {
        "images": [{"id": 7, "width": 10, "height": 8}],
        "categories": [{"id": 1, "name": "bag"}],
    }
    (tmp_path / "val.json").write_text(json.dumps(val))
    [entry] = challenge_results(7, detections_of((0.9, 1, 1, 4, 4)))
    (tmp_path / "challenge.json").write_text(json.dumps([{**entry, **change}]))

    faults = submission_checks.modanet_faults(tmp_path / "challenge.json", tmp_path / "val.json")

    assert faults == [] if expected is None else any(expected in fault for fault in faults)


def test_fgvc6_rows_name_the_attributes_in_ascending_order(tmp_path):
    told = dataclasses.replace(
        OUTFIT, attributes=((("plain", 0.9), ("mini", 0.8), ("red", 0.7)), (), (("mini", 0.6),))
    )
    ids = {"mini": 30, "plain": 9}  # red is none of the competition's

    rows = fgvc6_rows("a.jpg", told, CLASS_IDS, "smaller_first", ids)
    without = fgvc6_rows("a.jpg", told, CLASS_IDS, "smaller_first")

    assert [row[2] for row in rows] == ["0_9_30", "33", "45_30"]
    assert [row[2] for row in without] == ["0", "33", "45"]
    write_fgvc6(tmp_path / "submission.csv", rows)
    assert submission_checks.fgvc6_faults(tmp_path / "submission.csv") == []


def test_fgvc6_attribute_ids_are_found_by_name_or_place(tmp_path):
    path = tmp_path / "label_descriptions.json"
    path.write_text(json.dumps({"attributes": [{"id": 7, "name": "mini"}, {"id": 9, "name": "a"}]}))

    assert fgvc6_attribute_ids(["maxi", "mini"], str(path)) == {"mini": 7}
    kinds = [f"kind {i}" for i in range(92)]
    assert fgvc6_attribute_ids(kinds)["kind 91"] == 91
    with pytest.raises(ValueError, match=r"none of the model's attributes \(maxi"):
        fgvc6_attribute_ids(["maxi"], str(path))
    with pytest.raises(ValueError, match="knows 2 attributes, the FGVC6 competition has 92"):
        fgvc6_attribute_ids(["maxi", "mini"])
    # Colours named by pixels stand behind what is learnt, and are none of the competition's.
    assert fgvc6_attribute_ids([*kinds, "black", "red"]) == fgvc6_attribute_ids(kinds)
    assert fgvc6_attribute_ids(["black", "red"]) == {}


@pytest.mark.parametrize(
    ("class_id", "fault"),
    [
        ("6_20_91", None),
        ("6_92", "attributes 0 to 91"),
        ("6_30_20", "ascending"),
        ("6_20_20", "once"),
        ("46_2", "0 to 45"),
        ("6_", "0 to 45"),
    ],
)
def test_checks_look_at_the_attributes_of_a_class_id(tmp_path, class_id, fault):
    write_fgvc6(tmp_path / "submission.csv", [("a.jpg", "1 1", class_id)])

    faults = submission_checks.fgvc6_faults(tmp_path / "submission.csv")

    assert len(faults) == bool(fault)
    if fault:
        assert f"line 2: ClassId {class_id!r}" in faults[0] and fault in faults[0]
