import dataclasses
import json

import numpy as np
import pytest

from tests.tfseg.structures.test_mask_geometry import OUTFIT
from tfseg.structures import thresholds
from tfseg.structures.detections import Detections
from tfseg.structures.thresholds import Thresholds


def detections_of(*rows):
    """Each row is (name, category id, score, (ymin, xmin, ymax, xmax))."""
    return Detections(
        boxes_yxyx=np.array([row[3] for row in rows], np.float32).reshape(-1, 4),
        scores=np.array([row[2] for row in rows], np.float32),
        category_ids=np.array([row[1] for row in rows], np.int32),
        category_names=tuple(row[0] for row in rows),
        rles=tuple({"size": [100, 100], "counts": "PPm0"} for _ in rows),
        image_size_hw=(100, 100),
    )


def test_apply_uses_each_categorys_threshold_and_the_default():
    found = detections_of(
        ("bag", 1, 0.6, (0, 0, 10, 10)),
        ("bag", 1, 0.4, (50, 50, 60, 60)),
        ("belt", 2, 0.25, (0, 0, 10, 10)),
        ("boots", 3, 0.45, (0, 0, 10, 10)),
        ("boots", 3, 0.5, (50, 50, 60, 60)),
    )

    kept = Thresholds({"bag": 0.5, "belt": 0.2}, default_score_threshold=0.5).apply(found)

    assert list(zip(kept.category_names, kept.scores.tolist(), strict=True)) == [
        ("bag", pytest.approx(0.6)),
        ("belt", 0.25),
        ("boots", 0.5),
    ]


def test_apply_keeps_a_score_that_equals_its_threshold_in_float32():
    found = detections_of(("bag", 1, 0.3, (0, 0, 10, 10)))  # float32's 0.3 is above 0.3

    assert len(Thresholds({"bag": 0.3}, 1.0).apply(found)) == 1
    assert len(Thresholds({"bag": 0.7}, 1.0).apply(detections_of(("bag", 1, 0.7, (0, 0, 9, 9)))))


def test_apply_removes_a_duplicate_of_the_same_category_only():
    found = detections_of(
        ("bag", 1, 0.8, (0, 0, 10, 8)),  # IoU 0.8 with the next
        ("bag", 1, 0.9, (0, 0, 10, 10)),
        ("belt", 2, 0.7, (0, 0, 10, 10)),
        ("bag", 1, 0.6, (0, 5, 10, 15)),  # IoU 1/3 with the second
    )

    kept = Thresholds({}, 0.0, nms_iou=0.5).apply(found)
    strict = Thresholds({}, 0.0, nms_iou=0.3).apply(found)

    assert kept.scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert strict.scores.tolist() == pytest.approx([0.9, 0.7])


def test_nms_lets_a_suppressed_box_suppress_no_other():
    boxes = np.array([[0, 0, 10, 10], [0, 4, 10, 14], [0, 8, 10, 18]])  # neighbours' IoU is 3/7

    kept = thresholds.nms(boxes, np.array([0.9, 0.8, 0.7]), np.array([1, 1, 1]), 0.4)

    assert kept.tolist() == [True, False, True]


def test_nms_of_nothing():
    assert thresholds.nms(np.zeros((0, 4)), np.zeros(0), np.zeros(0), 0.5).tolist() == []


def test_box_iou_by_hand():
    iou = thresholds.box_iou(
        [[0, 0, 2, 2], [1, 1, 1, 5]], [[1, 1, 3, 3], [0, 0, 2, 2], [1, 1, 1, 5]]
    )

    np.testing.assert_allclose(iou, [[1 / 7, 1, 0], [0, 0, 0]])


def test_save_and_load_round_trip_keeps_what_else_the_file_holds(tmp_path):
    chosen = Thresholds({"scarf/tie": 0.35}, 0.5, 0.4, "fgvc6", "val", {"value": 0.25})

    chosen.save(tmp_path)

    assert json.loads((tmp_path / "thresholds.json").read_text()) == {
        "score_thresholds": {"scarf/tie": 0.35},
        "default_score_threshold": 0.5,
        "nms_iou": 0.4,
        "metric": "fgvc6",
        "split": "val",
        "value": 0.25,
    }
    assert thresholds.load(tmp_path) == chosen
    assert thresholds.load(tmp_path / "thresholds.json") == chosen


def test_load_finds_the_file_of_an_exported_version(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    Thresholds({}, 0.25).save(tmp_path / "assets.extra")

    assert thresholds.load(tmp_path).default_score_threshold == 0.25


def test_load_of_a_folder_without_one_is_none(tmp_path):
    assert thresholds.load(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not valid json"),
        ("[]", "Expected a file of tfseg.tune_thresholds"),
        ('{"default_score_threshold": 0.5}', "no 'score_thresholds'"),
        (
            '{"score_thresholds": {"bag": 50}, "default_score_threshold": 0.5}',
            r"score_thresholds\['bag'\]: got 50, expected a number from 0 to 1",
        ),
        (
            '{"score_thresholds": {}, "default_score_threshold": 0.5, "nms_iou": "x"}',
            "nms_iou: got 'x'",
        ),
        ('{"score_thresholds": {}, "default_score_threshold": NaN}', "got nan"),
        (
            f'{{"score_thresholds": {{"bag": 1{"0" * 400}}}, "default_score_threshold": 0.5}}',
            "too large",
        ),
    ],
)
def test_load_of_other_content_names_the_file(tmp_path, content, expected):
    (tmp_path / "thresholds.json").write_text(content)

    with pytest.raises(ValueError, match=rf"thresholds\.json: .*{expected}"):
        thresholds.load(tmp_path)


def test_load_of_a_missing_file_names_it(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.json: cannot be read"):
        thresholds.load(tmp_path / "nowhere.json")


def test_attributes_have_thresholds_of_their_own(tmp_path):
    chosen = Thresholds({}, 0.5, attribute_thresholds={"striped": 0.3})
    chosen.save(tmp_path)

    assert thresholds.load(tmp_path) == chosen
    assert thresholds.load(tmp_path).of_attributes(["plain", "striped"]) == [0.5, 0.3]
    assert "attribute_thresholds" not in Thresholds({}, 0.5).to_json()
    with pytest.raises(ValueError, match=r"attribute_thresholds\['red'\]: got 2"):
        Thresholds({}, 0.5, attribute_thresholds={"red": 2})


def test_attributes_are_said_from_their_own_thresholds_on():
    told = dataclasses.replace(
        OUTFIT,
        attributes=((("red", 0.93),), (), ()),
        attribute_scores=np.array([[237, 153, 0], [0, 51, 127], [128, 152, 2]], np.float32) / 255,
    )
    chosen = Thresholds({}, 0.5, attribute_thresholds={"mini": 0.6, "red": 0.95})

    said = chosen.say_attributes(told, ["red", "mini", "plain"])

    assert said.attributes == ((("mini", 0.6),), (), ())
    assert Thresholds({}, 0.5).say_attributes(told, ["red", "mini", "plain"]).attributes == (
        (("red", 0.93), ("mini", 0.6)),
        (),
        (("mini", 0.6), ("red", 0.5)),
    )
    assert chosen.say_attributes(OUTFIT, ["red"]) is OUTFIT
    with pytest.raises(ValueError, match="got 3 attribute scores, expected 1"):
        chosen.say_attributes(told, ["red"])
