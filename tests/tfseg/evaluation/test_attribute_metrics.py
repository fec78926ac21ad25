import json
import math

import numpy as np
import pytest

from tests.tfseg import matches, perturbed_truth
from tfseg.evaluation import attribute_metrics, coco_metrics
from tfseg.evaluation.attribute_metrics import FoundAttributes
from tfseg.evaluation.coco_results import read_results
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.evaluation.image_attributes import ImageAttributes
from tfseg.evaluation.metric_tables import format_all
from tfseg.structures import thresholds


def sets(said, truth, annotated=None):
    said, truth = np.array(said, bool), np.array(truth, bool)
    known = np.ones(len(truth), bool) if annotated is None else np.array(annotated)
    return ImageAttributes(said.astype(float), said, truth, known)


def with_attributes(seed):
    """25 photos of shirts and trousers with five attributes, and shoes without."""
    rng = np.random.default_rng(seed)
    content, results = perturbed_truth.make(25, 3, seed=seed, crowds=seed >= 3)
    ids = {1: 0, 2: 6, 3: 13}
    content["categories"] = [{"id": i, "name": f"c{i}"} for i in range(46)]
    content["attributes"] = [{"id": i, "name": f"a{i}"} for i in range(5)]
    for entry in content["annotations"]:
        entry["category_id"] = ids[entry["category_id"]]
        drawn = (
            rng.choice(5, rng.integers(0, 4), replace=False) if entry["category_id"] < 13 else ()
        )
        entry["attribute_ids"] = sorted(map(int, drawn))
    for result in results:
        result["category_id"] = ids[result["category_id"]]
        key = result["image_id"], result["category_id"]
        same = [a for a in content["annotations"] if (a["image_id"], a["category_id"]) == key]
        said = set()
        if same and rng.random() < 0.8:
            said = set(same[rng.integers(len(same))]["attribute_ids"])
        if rng.random() < 0.4:
            said ^= {int(rng.integers(5))}
        result["attribute_ids"] = sorted(said) if result["category_id"] < 13 else []
    return content, results


def run_of(content, results, **fields):
    truth = coco_metrics.ground_truth_from_content(content)
    return EvaluationRun("mine", "truth", truth, results, thresholds.DEFAULT, **fields)


@pytest.mark.parametrize(
    ("seed", "expected"),
    # fashionpedia-api 1.1's own `AP` of IoU and F1; the later ones with crowds.
    [(0, 0.1035501), (2, 0.1098212), (4, 0.0544383), (5, 0.1235149)],
)
def test_ap_iou_f1_equals_fashionpedias(seed, expected):
    run = run_of(*with_attributes(seed))
    measured = attribute_metrics.average_precision_iou_f1(run.images, run.attributes)
    assert measured == pytest.approx(expected, abs=1e-7)


def test_attributes_f1_is_the_mean_of_having_and_not_having():
    said = np.array([[1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
    truth = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 0, 0]], bool)
    # 1 and 2 of what is said and true: F1 2/4 of having, 4/6 of not having; nothing said of one
    # with two: 0 and 6/8.
    expected = [[(0.5 + 2 / 3) / 2, (0 + 6 / 8) / 2, 1.0], [(0 + 6 / 8) / 2, 1.0, (0 + 6 / 8) / 2]]
    np.testing.assert_allclose(attribute_metrics.attributes_f1(said, truth), expected)


def test_ap_iou_f1_of_one_detection():
    # IoU .72 reaches 5 of 10 IoU thresholds; F1 (.5 + 2/3) / 2 = .583 reaches 2 of 10.
    image = matches.image([[0.72]], [0.9], [1], [1])
    own = sets([[1, 1, 0, 0, 0]], [[1, 0, 1, 0, 0]])
    measured = attribute_metrics.average_precision_iou_f1([image], [own])
    assert measured == pytest.approx(0.5 * 0.2)


def test_ap_iou_f1_counts_a_category_without_attributes_once():
    image = matches.image([[0.72, 0], [0, 0.99]], [0.9, 0.8], [1, 2], [1, 2])
    own = sets([[1, 0], [0, 0]], [[1, 0], [0, 0]])
    measured = attribute_metrics.average_precision_iou_f1([image], [own])
    assert measured == pytest.approx((10 * 0.5 + 1 * 1.0) / 11)


def test_ap_iou_f1_asks_for_the_mask_alone_where_nothing_is_annotated():
    images = [matches.image([[0.99]], [0.9], [1], [1]), matches.image([[0.99]], [0.8], [1], [1])]
    own = [sets([[1, 0]], [[1, 0]]), sets([[0, 1]], [[0, 0]], annotated=[False])]
    assert attribute_metrics.average_precision_iou_f1(images, own) == pytest.approx(1.0)
    own[1] = sets([[0, 1]], [[0, 0]])
    assert attribute_metrics.average_precision_iou_f1(images, own) < 0.6


def test_fgvc6_score_wants_the_whole_class_id():
    image = matches.image([[0.99, 0], [0, 0.99]], [0.9, 0.8], [1, 1], [1, 1])
    right = sets([[1, 0], [0, 0]], [[1, 0], [0, 0]], annotated=[True, False])
    one_too_many = sets([[1, 1], [0, 0]], [[1, 0], [0, 0]])
    assert attribute_metrics.fgvc6_score_with_attributes([image], [right]) == 1.0
    # One right, one wrong, one missed.
    measured = attribute_metrics.fgvc6_score_with_attributes([image], [one_too_many])
    assert measured == pytest.approx(1 / 3)


def test_found_attributes_are_of_annotated_instances_that_were_found():
    image = matches.image(
        [[0.9, 0, 0], [0, 0.9, 0], [0, 0, 0.4]], [0.9, 0.8, 0.7], [1, 1, 1], [1] * 3
    )
    own = sets([[1, 0], [0, 1], [1, 1]], [[1, 1], [0, 0], [1, 1]], annotated=[True, False, True])
    found = attribute_metrics.found_attributes([image], [own])
    assert found.said.tolist() == [[True, False]]
    assert found.truth.tolist() == [[True, True]]
    assert found.f1().tolist() == [1.0, 0.0]


def test_f1_and_ap_of_each_attribute():
    scores = np.array([[0.9, 0.3, 0.1], [0.8, 0.3, 0.2], [0.7, 0.3, 0.3], [0.6, 0.1, 0.4]])
    truth = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]], bool)
    found = FoundAttributes(scores, scores >= 0.5, truth)
    np.testing.assert_allclose(found.f1(), [4 / 6, 0.0, np.nan])
    # Right at the 1st and 3rd place; 1 of 3 equal ones, then the 4th.
    expected = [(1 + 2 / 3) / 2, (1 / 3 + 2 / 4) / 2, np.nan]
    np.testing.assert_allclose(found.average_precision(), expected)


def test_best_f1_thresholds_take_the_middle_of_the_gap():
    scores = np.array([[0.8, 0.2], [0.7, 0.9], [0.3, 0.1], [0.2, 0.3]])
    truth = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], bool)
    found = FoundAttributes(scores, scores >= 0.5, truth)
    tuned = attribute_metrics.best_f1_thresholds(found, [20, 30], min_instances=2)
    assert tuned == {20: pytest.approx(0.5)}
    tuned = attribute_metrics.best_f1_thresholds(found, [20, 30], min_instances=1)
    # 30 at .11 to .20: one right of three said.
    assert tuned[30] == pytest.approx(0.15)


def test_scores_are_said_from_the_threshold_of_their_attribute_on():
    content, results = with_attributes(0)
    content["annotations"], results = content["annotations"][:1], [dict(r) for r in results[:1]]
    results[0].pop("attribute_ids")
    results[0]["attribute_scores"] = [0.5, 0.49, 0.3, 0.9, 0.0]
    run = run_of(content, results, attribute_thresholds={2: 0.25, 3: 0.95})
    (own,) = [a for i, a in zip(run.images, run.attributes, strict=True) if len(i.scores)]
    assert own.said.tolist() == [[True, False, True, False, False]]


def test_other_data_sets_attributes_are_refused():
    content, results = with_attributes(0)
    with pytest.raises(ValueError, match=r"got 2 attribute_scores, expected 5"):
        assert run_of(content, [{**results[0], "attribute_scores": [0.1, 0.2]}]).attributes
    with pytest.raises(ValueError, match=r"detection 0: got the attribute id 77, expected one"):
        assert run_of(content, [{**results[0], "attribute_ids": [77]}]).attributes


def test_metrics_of_a_run_tell_of_each_attribute():
    content, results = with_attributes(0)
    values = run_of(content, results).all_metrics
    assert values["attributes/AP_IoU_F1"] == pytest.approx(0.1035501, abs=1e-7)
    assert 0 < values["attributes/F1/a0"] <= 1
    parts = [values[f"attributes/F1/a{i}"] for i in range(5)]
    assert values["attributes/F1"] == pytest.approx(np.nanmean(parts))
    assert values["fgvc6/score_with_attributes"] < values["fgvc6/score"]
    table = format_all(values)
    assert "attributes/F1" in table
    of_a0 = f"{100 * values['attributes/AP/a0']:.1f}", f"{100 * values['attributes/F1/a0']:.1f}"
    assert "{:>6}  {:>6}  a0".format(*of_a0) in table.splitlines()


def test_what_has_no_attributes_lists_none():
    values = run_of(*perturbed_truth.make(5, 2, seed=1)).all_metrics
    assert math.isnan(values["attributes/AP_IoU_F1"])
    assert "attributes" not in format_all(values)


def read(path, **fields):
    content, results = with_attributes(0)
    truth = coco_metrics.ground_truth_from_content(content)
    path.write_text(json.dumps([{**results[0], **fields}]))
    return read_results(path, truth)[0]


def test_read_results_keeps_attributes(tmp_path):
    result = read(tmp_path / "r.json", attribute_ids=["3", 4.0], attribute_scores=[0, 1.0])
    assert result["attribute_ids"] == [3, 4]
    assert result["attribute_scores"] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attribute_ids": ["x"]}, r"entry 0 .*attribute_ids is \['x'\], expected whole numbers"),
        (
            {"attribute_scores": [0.1, 1.5]},
            r"entry 0 .*attribute_scores has a value outside 0 to 1",
        ),
        ({"attribute_scores": ["nan"]}, r"entry 0 .*attribute_scores has a value outside 0 to 1"),
    ],
)
def test_read_results_refuses_malformed_attributes(tmp_path, fields, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "r.json", **fields)
