import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data_prep.prepared import PreparedDataset
from tests.tfseg import perturbed_truth
from tfseg.evaluation import coco_metrics, evaluation_run
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.inference.detector import Detector
from tfseg.structures import thresholds
from tfseg.structures.thresholds import Thresholds

NAMES = ("bag", "belt", "boots")


class SetOfOtherTruth:
    """A prepared data set with another ground truth."""

    def __init__(self, prepared_set, path):
        self._set, self._path = prepared_set, path

    def __getattr__(self, name):
        return getattr(self._set, name)

    def ground_truth_path(self, split):
        return str(self._path)


@pytest.fixture(scope="module")
def prepared_set(tmp_path_factory):
    """Three photos of a prepared data set, with the ground truth of ellipses."""
    folder = tmp_path_factory.mktemp("prepared")
    content, _ = perturbed_truth.make(3, 3, seed=4)
    content["categories"] = [{"id": i, "name": name} for i, name in enumerate(NAMES, start=1)]
    (folder / "instances_val.json").write_text(json.dumps(content))
    rng = np.random.default_rng(1)
    with tf.io.TFRecordWriter(str(folder / "modanet-val.tfrecord-00000-of-00001")) as writer:
        for image in content["images"]:
            photo = rng.integers(0, 255, (*perturbed_truth.SIZE_HW, 3)).astype(np.uint8)
            values = {
                "image/encoded": cv2.imencode(".jpg", photo)[1].tobytes(),
                "image/source_id": str(image["id"]).encode(),
            }
            features = {
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for key, value in values.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return PreparedDataset(folder, "modanet", NAMES, ("val",), 9, "f", {"val": (3,)})


def test_a_model_in_memory_is_evaluated(tiny_module, prepared_set):
    from tfseg.training.validation import evaluate_model

    metrics, results = evaluate_model(tiny_module, prepared_set, "val", num_examples=2)

    assert {result["image_id"] for result in results} == {100, 101}
    truth = coco_metrics.load_ground_truth(prepared_set.ground_truth_path("val"), [100, 101])
    assert metrics == pytest.approx(coco_metrics.evaluate_coco(truth, results), nan_ok=True)


def test_a_model_of_other_categories_is_refused(tiny_module, prepared_set):
    detector = Detector(tiny_module.detect, "old model", ("bag", "belt"), None)

    with pytest.raises(ValueError, match="old model: knows 2 categories.* has 3"):
        evaluation_run.judge_model(detector, prepared_set, "val")


def test_the_models_own_thresholds_are_used_unless_others_are_given(tiny_module, prepared_set):
    own = Thresholds({}, 0.25)
    detector = Detector(tiny_module.detect, "m", NAMES, own)
    bare = Detector(tiny_module.detect, "m", NAMES, None)

    assert evaluation_run.judge_model(detector, prepared_set, "val", 1).thresholds == own
    assert evaluation_run.judge_model(bare, prepared_set, "val", 1).thresholds == thresholds.DEFAULT
    given = Thresholds({}, 0.75)
    run = evaluation_run.judge_model(detector, prepared_set, "val", 1, own_thresholds=given)
    assert run.thresholds == given


def test_an_nms_built_into_the_model_stays(tiny_module, prepared_set):
    own = Thresholds({"bag": 0.75}, 0.25, 0.5)
    detector = Detector(tiny_module.detect, "export", NAMES, own, built_in_nms_iou=0.5)

    for other in (None, 0.4):
        with pytest.raises(ValueError, match="export: a second NMS at IoU 0.5 is built into it"):
            evaluation_run.judge_model(
                detector, prepared_set, "val", 1, 1, Thresholds({}, 0.1, other)
            )
    same = Thresholds({}, 0.1, 0.5)
    run = evaluation_run.judge_model(detector, prepared_set, "val", 1, own_thresholds=same)
    assert (run.thresholds, run.built_in_nms_iou) == (same, 0.5)


def test_attributes_are_judged_where_the_model_knows_all_of_them(
    tiny_module, prepared_set, tmp_path, capsys
):
    content = json.loads(Path(prepared_set.ground_truth_path("val")).read_text())
    content["attributes"] = [{"id": 3, "name": "red"}, {"id": 8, "name": "mini"}]
    (tmp_path / "instances_val.json").write_text(json.dumps(content))
    truth = SetOfOtherTruth(prepared_set, tmp_path / "instances_val.json")

    def detect(photos):
        outputs = {name: values.numpy() for name, values in tiny_module.detect(photos).items()}
        shape = outputs["class_ids"].shape
        outputs["attributes"] = np.full(shape, b"", object)
        outputs["attribute_scores"] = np.tile(np.array([51, 102, 153], np.uint8), (*shape, 1))
        return {name: tf.constant(values) for name, values in outputs.items()}

    def scores(names):
        detector = Detector(detect, "m", NAMES, None, attribute_names=names)
        run = evaluation_run.judge_model(detector, truth, "val", 1)
        assert run.coco_results
        return {tuple(result.get("attribute_scores", ())) for result in run.coco_results}

    assert scores(("mini", "maxi", "red")) == {(0.6, 0.2)}
    assert capsys.readouterr().out == ""
    assert scores(("red", "maxi", "blue")) == {()}
    assert "does not know 1 of the data set's 2 (mini)" in capsys.readouterr().out


def test_a_score_threshold_leaves_the_nms(tiny_module):
    own = Thresholds({"bag": 0.75}, 0.25, 0.5)
    detector = Detector(tiny_module.detect, "m", NAMES, own)

    assert detector.thresholds_with() == own
    assert detector.thresholds_with(score_threshold=0.0) == Thresholds({}, 0.0, 0.5)
    assert detector.thresholds_with(Thresholds({}, 0.1)) == Thresholds({}, 0.1)


def test_shown_detections_are_those_above_their_categorys_threshold():
    content, results = perturbed_truth.make(12, 3, seed=8)
    truth = coco_metrics.ground_truth_from_content(content)
    run = EvaluationRun("r", "t", truth, results, Thresholds({"kind 1": 0.8}, 0.3))

    expected = [
        result
        for result in results
        if result["score"] >= (0.8 if result["category_id"] == 1 else 0.3)
    ]
    assert sum(len(image.scores) for image in run.shown_images) == len(expected) > 0
    some_id = expected[0]["image_id"]
    scores = run.shown_detections(some_id).scores.tolist()
    own = [result["score"] for result in expected if result["image_id"] == some_id]
    assert scores == pytest.approx(sorted(own, reverse=True))


def test_a_stricter_nms_shows_fewer():
    content, results = perturbed_truth.make(12, 3, seed=8)
    twice = results + [{**result, "score": result["score"] / 2} for result in results]
    truth = coco_metrics.ground_truth_from_content(content)

    runs = [
        EvaluationRun("r", "t", truth, twice, Thresholds({}, 0.0, nms_iou=nms_iou))
        for nms_iou in (None, 0.9)
    ]

    counts = [sum(len(image.scores) for image in run.shown_images) for run in runs]
    assert counts[0] == len(twice) and counts[1] <= len(results)


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ({"size": [240, 320], "counts": "x"}, r"its mask is \[240, 320\] \(height, width\), but"),
        ({"size": [320, 240], "counts": "d0"}, "its runs cover 20 pixels, expected 320 x 240"),
    ],
)
def test_a_truth_whose_masks_do_not_fit_its_images_is_refused(tmp_path, segmentation, expected):
    content, results = perturbed_truth.make(2, 2, seed=3)
    content["annotations"][1]["segmentation"] = segmentation
    (tmp_path / "truth.json").write_text(json.dumps(content))
    (tmp_path / "results.json").write_text(json.dumps(results))

    annotation_id = content["annotations"][1]["id"]
    with pytest.raises(ValueError, match=rf"truth\.json: annotation {annotation_id}: .*{expected}"):
        evaluation_run.judge_results(str(tmp_path / "results.json"), tmp_path / "truth.json")
