import json

import numpy as np
import pytest

from tests.tfseg import entry_points, matches, perturbed_truth
from tfseg import tune_thresholds
from tfseg.evaluation import coco_metrics, competition_metrics, threshold_search
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.evaluation.instance_matching import match_images
from tfseg.structures import thresholds


def one_category(category_id, right_scores, wrong_scores):
    """An image for each score: right ones have an instance of their own."""
    images = [matches.image([[0.9]], [s], [category_id], [category_id]) for s in right_scores]
    return images + [matches.image([[]], [s], [category_id], []) for s in wrong_scores]


def test_f1_search_takes_the_middle_of_the_gap():
    images = one_category(1, [0.8, 0.9], [0.2, 0.3]) + one_category(2, [0.3, 0.4], [0.1, 0.2])

    found = threshold_search.search(images, "f1", min_instances=1)

    # Any of .31 to .80 is perfect for the first category, any of .21 to .30 for the second.
    assert found.by_category == {1: pytest.approx(0.55), 2: pytest.approx(0.25)}
    assert found.value == 1.0


def test_a_category_of_few_instances_keeps_the_threshold_for_all():
    images = one_category(1, [0.8, 0.9, 0.85], [0.2, 0.3]) + one_category(2, [0.1], [])

    found = threshold_search.search(images, "f1", min_instances=2)

    assert list(found.by_category) == [1]
    assert found.default <= 0.1  # perfect for one, good for the other


@pytest.mark.parametrize("metric", ["f1", "fgvc6"])
def test_search_is_as_good_as_trying_every_pair(metric):
    content, results = perturbed_truth.make(20, 2, seed=11)
    images = match_images(coco_metrics.ground_truth_from_content(content), results)
    measure = {"f1": threshold_search.mean_f1, "fgvc6": competition_metrics.fgvc6_score}[metric]

    found = threshold_search.search(images, metric, min_instances=1)

    def value_of(first, second):
        thresholds = np.array([0, first, second])
        return measure([i.select(i.scores >= thresholds[i.category_ids]) for i in images])

    grid = np.arange(2, 100, 7) / 100
    assert found.value >= max(value_of(a, b) for a in grid for b in grid) - 1e-9
    assert found.value == pytest.approx(measure([found.select(image) for image in images]))
    assert found.value > measure(images)


def test_cross_checked_value_is_of_thresholds_found_without_the_image():
    # Odd and even images want opposite cuts, so that what helps one half ruins the other.
    low = [matches.image([[0.9]], [0.2], [1], [1])] * 3
    high = [matches.image([[]], [0.2], [1], []), matches.image([[0.9]], [0.9], [1], [1])] * 3
    images = [image for pair in zip(low + low, high, strict=True) for image in pair]

    checked = threshold_search.cross_checked_value(
        {None: images}, "f1", 1, threshold_search.mean_f1
    )

    assert checked < threshold_search.search(images, "f1", 1).value


def test_cross_checked_value_is_of_an_nms_chosen_without_the_image():
    right, missed = matches.image([[0.9]], [0.9], [1], [1]), matches.image([[]], [], [], [1])
    images_by_nms = {None: [right, missed] * 3, 0.5: [missed, right] * 3}

    chosen, found = threshold_search.search_choices(images_by_nms, "f1", 1)
    checked = threshold_search.cross_checked_value(images_by_nms, "f1", 1, threshold_search.mean_f1)

    assert chosen is None and found.value == pytest.approx(2 / 3)
    assert checked == 0  # each half chooses what finds nothing on the other


@pytest.mark.parametrize(
    ("metric", "images", "expected"),
    [
        ("f1", one_category(1, [], [0.9]), "f1: got 1 images with 0 instances.*--num_examples"),
        ("f1", [], "f1: got 0 images with 0 instances"),
        ("fgvc6", [], "fgvc6: got 0 images"),
    ],
)
def test_too_few_images_to_search_are_refused(metric, images, expected):
    with pytest.raises(ValueError, match=expected):
        threshold_search.search(images, metric, 1)


def test_one_image_has_no_second_half():
    images = one_category(1, [0.9], [])

    with pytest.raises(ValueError, match=r"got 0 images.*in each half of it"):
        threshold_search.cross_checked_value({None: images}, "f1", 1, threshold_search.mean_f1)


@pytest.mark.parametrize(("built_in", "expected"), [(None, 0.3), (0.7, 0.7)])
def test_tune_tries_no_other_nms_than_the_one_built_in(built_in, expected):
    content, results = perturbed_truth.make(20, 2, seed=11)
    twice = results + [{**result, "score": 0.9 * result["score"]} for result in results]
    truth = coco_metrics.ground_truth_from_content(content)
    run = EvaluationRun("r", "t", truth, twice, thresholds.DEFAULT, built_in_nms_iou=built_in)

    assert tune_thresholds.tune(run, "f1", 1).nms_iou == expected


def test_mean_f1_by_hand():
    images = one_category(1, [0.9], [0.8]) + one_category(2, [0.9], [])

    assert threshold_search.mean_f1(images) == pytest.approx((2 / 3 + 1) / 2)


def test_nothing_found_at_all():
    content, _ = perturbed_truth.make(4, 2, seed=1)
    images = match_images(coco_metrics.ground_truth_from_content(content), [])

    assert threshold_search.search(images, "f1", 1).value == 0
    num_empty = sum(len(image.truth_category_ids) == 0 for image in images)
    assert threshold_search.search(images, "fgvc6", 1).value == pytest.approx(num_empty / 4)


def test_thresholds_to_start_from_are_refused(tmp_path):
    done = entry_points.run(
        "tfseg.tune_thresholds", tmp_path, "--model_dir=m", "--data_dir=d", "--thresholds_path=t"
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: --thresholds_path: they are what is looked for")


def test_tune_thresholds_writes_what_it_prints(tmp_path):
    content, results = perturbed_truth.make(20, 2, seed=11)
    twice = [{**result, "score": 0.9 * result["score"]} for result in results]  # NMS has work
    (tmp_path / "truth.json").write_text(json.dumps(content))
    (tmp_path / "detections.json").write_text(json.dumps(results + twice))

    done = entry_points.run(
        "tfseg.tune_thresholds", tmp_path, "--results_path=detections.json",
        "--ground_truth_path=truth.json", "--metric=fgvc6", "--output_path=thresholds.json",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "thresholds.json").read_text())
    assert written["metric"] == "fgvc6" and written["split"] == "truth.json"
    assert set(written["score_thresholds"]) == {"kind 1", "kind 2"}
    assert written["nms_iou"] is not None
    assert written["value"] > written["value_at_0.5"]
    assert f"{100 * written['value']:.1f} tuned" in done.stdout
