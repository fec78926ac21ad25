import copy
import json
import math
import re

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.tfseg import perturbed_truth
from tfseg.evaluation import coco_metrics


def rle_of(x, y, width, height):
    mask = np.zeros((100, 100), np.uint8, order="F")
    mask[y : y + height, x : x + width] = 1
    rle = coco_mask.encode(mask)
    return {"size": [100, 100], "counts": rle["counts"].decode()}


def annotation(annotation_id, image_id, category_id, bbox):
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": bbox,
        "area": bbox[2] * bbox[3],
        "iscrowd": 0,
        "segmentation": rle_of(*bbox),
    }


def result(image_id, category_id, bbox, score):
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": bbox,
        "score": score,
        "segmentation": rle_of(*bbox),
    }


@pytest.fixture
def ground_truth_path(tmp_path):
    path = tmp_path / "instances_val.json"
    content = {
        "images": [{"id": 1, "width": 100, "height": 100}, {"id": 2, "width": 100, "height": 100}],
        "categories": [
            {"id": 1, "name": "bag"},
            {"id": 2, "name": "scarf/tie"},
            {"id": 3, "name": "belt"},
        ],
        "annotations": [
            annotation(1, 1, 1, [10, 10, 40, 40]),
            annotation(2, 2, 1, [20, 20, 40, 40]),
            annotation(3, 2, 2, [60, 60, 20, 20]),
        ],
    }
    path.write_text(json.dumps(content))
    return path


PERFECT = [
    result(1, 1, [10, 10, 40, 40], 0.9),
    result(2, 1, [20, 20, 40, 40], 0.8),
    result(2, 2, [60, 60, 20, 20], 0.7),
]


def test_perfect_detections_score_one(ground_truth_path):
    ground_truth = coco_metrics.load_ground_truth(ground_truth_path)

    metrics = coco_metrics.evaluate_coco(ground_truth, PERFECT)

    for key in ("box/AP", "box/AP50", "mask/AP", "mask/AP50", "mask/AP50/scarf/tie", "box/AP/bag"):
        assert metrics[key] == pytest.approx(1.0)
    assert math.isnan(metrics["mask/AP50/belt"])


def test_a_missed_instance_halves_its_category(ground_truth_path):
    ground_truth = coco_metrics.load_ground_truth(ground_truth_path)

    metrics = coco_metrics.evaluate_coco(ground_truth, [PERFECT[0], PERFECT[2]])

    # Precision is 1 up to recall 0.5: 51 of COCO's 101 recall points.
    assert metrics["mask/AP50/bag"] == pytest.approx(51 / 101)
    assert metrics["mask/AP50"] == pytest.approx((51 / 101 + 1) / 2)
    assert metrics["mask/AR100"] == pytest.approx(0.75)


def test_a_poor_mask_with_a_right_box_counts_for_the_box_only(ground_truth_path):
    ground_truth = coco_metrics.load_ground_truth(ground_truth_path)
    poor = {**PERFECT[2], "segmentation": rle_of(60, 60, 20, 8)}  # IoU 0.4

    metrics = coco_metrics.evaluate_coco(ground_truth, [*PERFECT[:2], poor])

    assert metrics["box/AP50/scarf/tie"] == pytest.approx(1.0)
    assert metrics["mask/AP50/scarf/tie"] == 0.0


def test_no_detections_score_zero(ground_truth_path):
    metrics = coco_metrics.evaluate_coco(coco_metrics.load_ground_truth(ground_truth_path), [])

    assert metrics["mask/AP50"] == 0.0
    assert metrics["box/AP/bag"] == 0.0
    assert math.isnan(metrics["box/AP/belt"])


def test_load_ground_truth_keeps_the_given_images_only(ground_truth_path):
    ground_truth = coco_metrics.load_ground_truth(ground_truth_path, [1])

    assert list(ground_truth.imgs) == [1]
    assert list(ground_truth.anns) == [1]


@pytest.mark.parametrize("content", ["{", "[]", '{"images": []}'])
def test_load_ground_truth_of_other_content_names_the_file(tmp_path, content):
    path = tmp_path / "instances_val.json"
    path.write_text(content)

    with pytest.raises(ValueError, match=r"instances_val\.json: not a COCO ground truth"):
        coco_metrics.load_ground_truth(path, [1])


def test_load_ground_truth_of_a_missing_file_names_it(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.json: cannot read"):
        coco_metrics.load_ground_truth(tmp_path / "nowhere.json")


def test_format_table_is_in_percent(ground_truth_path):
    ground_truth = coco_metrics.load_ground_truth(ground_truth_path)

    lines = coco_metrics.format_table(coco_metrics.evaluate_coco(ground_truth, PERFECT)).split("\n")

    columns = ["box AP", "box AP50", "mask AP", "mask AP50", "mask APs", "mask APm", "mask APl"]
    assert [cell.strip() for cell in re.split("  +", lines[0].strip())] == columns
    assert lines[1].split() == ["all", "100.0", "100.0", "100.0", "100.0", "100.0", "100.0", "-"]
    assert lines[3].split() == ["scarf/tie", *["100.0"] * 5, "-", "-"]  # 20x20 pixels is small
    assert lines[4].split() == ["belt", *"-------"]


def test_figures_equal_pycocotools():
    """On crowds, empty photos, small and large instances, duplicates and wrong categories."""
    content, results = perturbed_truth.make(num_images=40, num_categories=5, seed=3, crowds=True)
    reference = COCO()
    reference.dataset = copy.deepcopy(content)
    reference.createIndex()

    metrics = coco_metrics.evaluate_coco(
        coco_metrics.ground_truth_from_content(copy.deepcopy(content)), results
    )

    names = ["AP", "AP50", "AP75", "APs", "APm", "APl"]
    names += ["AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
    for prefix, iou_type, left_out in (("box", "bbox", "segmentation"), ("mask", "segm", "bbox")):
        given = [{k: v for k, v in result.items() if k != left_out} for result in results]
        detected = reference.loadRes(given)
        evaluation = COCOeval(reference, detected, iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        got = [metrics[f"{prefix}/{name}"] for name in names]
        np.testing.assert_allclose(got, evaluation.stats, atol=1e-6)
        assert min(got) > 0.05 and max(got) < 0.95
        for category in content["categories"]:
            evaluation = COCOeval(reference, detected, iou_type)
            evaluation.params.catIds = [category["id"]]
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            got = [metrics[f"{prefix}/{name}/{category['name']}"] for name in names]
            expected = np.where(evaluation.stats > -1, evaluation.stats, np.nan)
            np.testing.assert_allclose(got, expected, atol=1e-6)


def test_results_are_not_changed(ground_truth_path):
    given = copy.deepcopy(PERFECT)

    coco_metrics.evaluate_coco(coco_metrics.load_ground_truth(ground_truth_path), given)

    assert given == PERFECT


def test_boxes_alone_have_no_mask_metrics(ground_truth_path):
    boxes = [{k: v for k, v in result.items() if k != "segmentation"} for result in PERFECT]

    metrics = coco_metrics.evaluate_coco(coco_metrics.load_ground_truth(ground_truth_path), boxes)

    assert metrics["box/AP"] == pytest.approx(1.0)
    assert math.isnan(metrics["mask/AP"]) and math.isnan(metrics["mask/AP50/bag"])


def test_ground_truth_without_iscrowd_is_taken(ground_truth_path):
    content = json.loads(ground_truth_path.read_text())
    for entry in content["annotations"]:
        del entry["iscrowd"]
    ground_truth_path.write_text(json.dumps(content))

    metrics = coco_metrics.evaluate_coco(coco_metrics.load_ground_truth(ground_truth_path), PERFECT)

    assert metrics["mask/AP"] == pytest.approx(1.0)


def test_areas_and_boxes_that_are_missing_are_the_masks(ground_truth_path):
    content = json.loads(ground_truth_path.read_text())
    expected = copy.deepcopy(content["annotations"])
    for entry in content["annotations"]:
        del entry["area"], entry["bbox"]

    coco_metrics.ground_truth_from_content(content)

    assert content["annotations"] == expected
