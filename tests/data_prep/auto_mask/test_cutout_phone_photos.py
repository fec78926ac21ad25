"""Faults of phone photos, drawn: seams, hangers, a neighbour at the rim, stripes."""

import cv2
import numpy as np

from data_prep.annotations.mask_confidence import GOOD
from data_prep.auto_mask.cutout import background, cues, solve
from data_prep.auto_mask.cutout.confidence import Confidence, judge
from data_prep.auto_mask.cutout.cut import cut
from data_prep.auto_mask.engines import load_engine

_FLOOR = (170, 175, 180)  # BGR
_SHIRT = (110, 50, 30)


def _drawn(*, color=_SHIRT) -> tuple[np.ndarray, np.ndarray]:
    """A floor with a little noise and a shirt's body on it, and the shirt's mask."""
    noise = np.random.default_rng(0).normal(0, 2, (480, 360, 3))
    photo = np.full((480, 360, 3), _FLOOR, np.float64) + noise
    truth = np.zeros((480, 360), np.uint8)
    cv2.rectangle(truth, (100, 130), (260, 340), 1, -1)
    photo[truth > 0] = np.array(color) + noise[truth > 0]
    return np.clip(photo, 0, 255).astype(np.uint8), truth


def _iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)


def test_cut_tile_seam_is_left_out():
    photo, truth = _drawn()
    cv2.line(photo, (261, 335), (345, 440), (60, 60, 60), 4)

    found = cut(photo)

    assert found.mask[350:].sum() == 0
    assert _iou(found.mask, truth) > 0.97
    assert found.confidence.score >= GOOD


def test_cut_strap_that_comes_back_stays():
    photo, truth = _drawn()
    for one, value in ((photo, _SHIRT), (truth, 1)):
        cv2.ellipse(one, (180, 130), (60, 60), 0, 180, 360, value, 5)

    found = cut(photo)

    assert found.mask[68:73, 180].any()


def test_cut_hanger_of_wire_is_left_out_or_named():
    photo, truth = _drawn()
    cv2.polylines(photo, [np.array([(120, 130), (180, 60), (240, 130)])], False, (40, 40, 40), 2)

    found = cut(photo)

    is_named = "thin_parts_such_as_a_hanger" in found.confidence.reasons
    assert is_named or found.mask[:120].sum() == 0


def test_cut_neighbour_at_the_rim_is_no_second_product():
    photo, truth = _drawn()
    cv2.rectangle(photo, (310, 20), (359, 90), (30, 90, 30), -1)

    found = cut(photo)

    assert len(found.products) == 1
    assert _iou(found.mask, truth) > 0.97


def test_cut_striped_shirt_is_found_whole():
    photo, truth = _drawn()
    for y in range(140, 340, 40):
        photo[y : y + 14, 100:261] = (200, 220, 240)

    found = cut(photo)

    assert _iou(found.mask, truth) > 0.97


def test_judge_strictly_names_floor_between_the_outline_and_the_garment():
    photo, truth = _drawn()
    with_floor = truth.copy()
    cv2.rectangle(with_floor, (261, 160), (285, 250), 1, -1)

    right, wrong = _judged(photo, truth), _judged(photo, with_floor)

    assert "background_inside_at_the_outline" in wrong.reasons
    assert wrong.score < GOOD <= right.score


def test_judge_strictly_names_a_thick_hanger():
    photo, truth = _drawn()
    with_hanger = truth.copy()
    for one, value in ((photo, (40, 40, 40)), (with_hanger, 1)):
        cv2.line(one, (180, 95), (180, 130), value, 9)

    found = _judged(photo, with_hanger)

    assert "narrow_parts_at_the_top_such_as_a_hanger" in found.reasons
    assert found.score < GOOD


def test_judge_strictly_takes_a_print_of_the_backgrounds_color_for_product():
    photo, truth = _drawn()
    photo[200:250, 150:210] = _FLOOR

    assert "background_inside_at_the_outline" not in _judged(photo, truth).reasons


def _judged(photo: np.ndarray, mask: np.ndarray) -> Confidence:
    """The strict judgement of a given mask; at two thirds of the drawn size."""
    size_wh = (240, 320)
    small = solve.resize(photo, size_wh).astype(np.float32)
    small_mask = (solve.resize(mask.astype(np.float32), size_wh) > 0.5).astype(np.uint8)
    scene, edges = background.fit(small), cues.edge_strength(small)
    return judge(mask, small_mask, small, scene, edges, strict=True)


def test_load_engine_cutout_strict_changes_the_score_not_the_mask():
    photo, _ = _drawn()
    cv2.line(photo, (180, 95), (180, 130), (110, 50, 30), 9)

    usual, strict = load_engine("cutout")(photo), load_engine("cutout_strict")(photo)

    assert np.array_equal(usual.mask, strict.mask)
    assert strict.confidence.score < GOOD <= usual.confidence.score
