import json

import pytest

from tests.tfseg import perturbed_truth
from tfseg.evaluation import coco_metrics
from tfseg.evaluation.coco_results import read_results, write_results

RESULT = {
    "image_id": 100,
    "category_id": 2,
    "score": 0.5,
    "bbox": [1, 2, 3, 4],
    "segmentation": perturbed_truth.rle_of_ellipse((100, 80), (20, 30)),
}


@pytest.fixture(scope="module")
def ground_truth():
    return coco_metrics.ground_truth_from_content(perturbed_truth.make(2, 3, seed=1)[0])


def write(tmp_path, *results):
    path = tmp_path / "detections.json"
    path.write_text(json.dumps(results))
    return path


def test_written_results_are_read_back(tmp_path, ground_truth):
    write_results(tmp_path / "detections.json", [RESULT])

    assert read_results(tmp_path / "detections.json", ground_truth) == [RESULT]


def test_a_missing_box_is_the_masks(tmp_path, ground_truth):
    masks_only = {key: value for key, value in RESULT.items() if key != "bbox"}

    [result] = read_results(write(tmp_path, masks_only), ground_truth)

    assert result["bbox"] == [51, 81, 59, 39]


def test_polygons_and_plain_runs_become_compressed(tmp_path, ground_truth):
    polygon = {**RESULT, "segmentation": [[0, 0, 2, 0, 2, 320, 0, 320]]}
    runs = {**RESULT, "segmentation": {"size": [320, 240], "counts": [0, 640, 320 * 238]}}

    first, second = read_results(write(tmp_path, polygon, runs), ground_truth)

    assert first["segmentation"] == second["segmentation"]
    assert isinstance(first["segmentation"]["counts"], str)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"image_id": 7}, "image_id 7 is not in the ground truth"),
        ({"category_id": 0}, "category_id 0 is not in the ground truth, which has 1 to 3"),
        ({"score": None}, "score is None"),
        ({"score": float("nan")}, "score is nan"),
        ({"bbox": [1, 2, 3]}, r"bbox is \[1, 2, 3\], expected"),
        ({"bbox": [1, 2, -3, 4]}, "bbox is"),
        ({"segmentation": {"size": [240, 320], "counts": "x"}}, r"its mask is \[240, 320\]"),
        ({"segmentation": {"size": [320, 240], "counts": "d0"}}, "its runs cover 20 pixels"),
        ({"segmentation": {"size": [320, 240], "counts": [5, 7]}}, "its runs cover 12 pixels"),
        ({"segmentation": {"size": [320, 240], "counts": "~~"}}, "characters outside the code"),
        ({"segmentation": [[1, 2]]}, "input type is not supported"),
        ({"bbox": None, "segmentation": None}, "neither bbox nor segmentation"),
    ],
)
def test_a_bad_entry_is_named(tmp_path, ground_truth, change, expected):
    with pytest.raises(ValueError, match=rf"detections\.json: entry 1 .*{expected}"):
        read_results(write(tmp_path, RESULT, {**RESULT, **change}), ground_truth)


def test_a_missing_field_is_named(tmp_path, ground_truth):
    with pytest.raises(ValueError, match="entry 0 .*no 'score'"):
        read_results(write(tmp_path, {"image_id": 100, "category_id": 1}), ground_truth)


def test_masks_for_some_only_are_refused(tmp_path, ground_truth):
    box_only = {key: value for key, value in RESULT.items() if key != "segmentation"}

    with pytest.raises(ValueError, match="1 of 2 entries have a segmentation"):
        read_results(write(tmp_path, RESULT, box_only), ground_truth)


@pytest.mark.parametrize(
    ("text", "expected"), [("{", "not valid json"), ("{}", "a json dict, expected a list")]
)
def test_another_file_is_named(tmp_path, ground_truth, text, expected):
    (tmp_path / "x.json").write_text(text)

    with pytest.raises(ValueError, match=rf"x\.json: {expected}"):
        read_results(tmp_path / "x.json", ground_truth)


def test_attributes_by_name_become_the_ground_truths_ids(tmp_path):
    content = perturbed_truth.make(2, 3, seed=1)[0]
    content["attributes"] = [{"id": 7, "name": "striped"}, {"id": 3, "name": "long"}]
    truth = coco_metrics.ground_truth_from_content(content)
    said = [{"name": "striped", "score": 0.9}, {"name": "unheard of", "score": 0.8}]

    [result] = read_results(write(tmp_path, {**RESULT, "attributes": said}), truth)
    [nothing] = read_results(write(tmp_path, {**RESULT, "attributes": []}), truth)

    assert result["attribute_ids"] == [7] and nothing["attribute_ids"] == []
