"""Faults of phone photos, drawn: seams, hangers, a neighbour at the rim, stripes."""

import cv2
import numpy as np

from data_prep.annotations.mask_confidence import GOOD
from data_prep.auto_mask.cutout.cut import cut

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
