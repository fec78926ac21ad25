"""The reviewer of the loop on drawn photos, and what its hand draws."""

from collections import Counter

import cv2
import numpy as np
import pytest

from data_prep.annotations import masks
from data_prep.readers.review_folder import read_review
from tests.data_prep.review import drawn_review
from tests.loop import review_figures
from tests.loop.drawing import (
    TrueGarment,
    box_around,
    mask_within,
    mending_strokes,
    overlap,
)
from tests.loop.simulated_reviewer import matched, review_next


def rectangle(top, left, bottom, right, size_hw=(40, 50)):
    mask = np.zeros(size_hw, np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def painted(mask, strokes):
    """As the server paints them."""
    mask = mask.copy()
    for stroke in strokes:
        points = np.array(stroke["points"], np.int32).reshape(-1, 1, 2)
        cv2.polylines(mask, [points], False, int(stroke["kind"] == "product"), stroke["width"])
    return mask


@pytest.mark.slow
def test_a_review_leaves_the_truth_and_goes_on_where_it_stopped(tmp_path):
    """Each photo has a pair of shoes as one, a belt that is none, and misses the bag."""
    review_dir = drawn_review.write(tmp_path)
    shoes = [np.zeros(drawn_review.SIZE_HW, np.uint8) for _ in range(2)]
    for mask, (top, left, bottom, right) in zip(
        shoes, drawn_review.BOXES_YXYX["footwear"], strict=True
    ):
        mask[top:bottom, left:right] = 1
    garments = [
        TrueGarment("dress", drawn_review.mask_of("dress")),
        *(TrueGarment("footwear", mask) for mask in shoes),
        TrueGarment("bag", drawn_review.mask_of("bag")),
    ]
    truth = dict.fromkeys(("a.jpg", "b.jpg", "c.jpg"), garments)

    review_next(review_dir, truth, 2)
    states = {name: photo.review for name, photo in read_review(review_dir).photos.items()}
    assert states == {"a.jpg": "accepted", "b.jpg": "accepted", "c.jpg": "pending"}

    review_next(review_dir, truth, 3)
    for photo in read_review(review_dir).photos.values():
        assert photo.review == "accepted"
        assert [i.category for i in photo.instances] == ["dress", "footwear", "footwear", "bag"]
        for rle, garment in zip(photo.rles(), garments, strict=True):
            assert overlap(masks.mask_from_rle(rle), garment.mask) > 0.8
    first, second = review_figures.of_rounds(review_dir, 2, truth)
    assert first["decisions"] == {"accept": 2, "add": 2, "delete": 2, "split": 2}
    assert first["edits_per_photo"] == 3
    assert (second["photos"], second["garments"], second["missing"]) == (1, 4, 0)


def test_strokes_mend_a_mask_and_nowhere_spoil_it():
    truth, mask = rectangle(5, 5, 35, 45), rectangle(0, 15, 30, 50)
    strokes = mending_strokes(mask, truth, 4)
    assert Counter(stroke["kind"] for stroke in strokes).keys() == {"product", "background"}
    mended = painted(mask, strokes)
    assert not ((mended != truth) & (mask == truth)).any()
    assert overlap(mask, truth) < 0.6
    assert overlap(mended, truth) > 0.9  # a round brush leaves the corners


def test_a_brush_that_fits_nowhere_draws_nothing():
    assert mending_strokes(rectangle(0, 0, 10, 10), rectangle(0, 0, 10, 12), 6) == []


def test_a_box_spares_two_pixels():
    assert box_around(rectangle(10, 20, 15, 30))["points"] == [[18, 8], [31, 16]]


def test_outlines_give_the_mask_with_its_hole():
    mask = rectangle(5, 5, 35, 45)
    mask[15:25, 15:25] = 0
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    again = mask_within([contour.ravel().tolist() for contour in found], mask.shape)
    assert overlap(again, mask) > 0.95
    assert again[20, 20] == 0


def test_a_prediction_of_its_own_category_is_matched_before_a_better_mask():
    truth = [
        TrueGarment("top", rectangle(0, 0, 20, 20)),
        TrueGarment("bag", rectangle(30, 30, 40, 40)),
    ]
    predicted = [rectangle(0, 0, 20, 20), rectangle(0, 0, 20, 16), rectangle(0, 40, 5, 50)]
    assert matched(predicted, ["outer", "top", "bag"], truth) == [None, 0, None]
    assert matched(predicted, ["outer", "dress", "bag"], truth) == [0, None, None]
