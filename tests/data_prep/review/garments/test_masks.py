import cv2
import numpy as np
import pytest

from data_prep.review.garments import masks as garment_masks
from tests.data_prep import drawn_products
from tests.data_prep.review import drawn_review


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    drawn_review.write(folder, ["a.jpg"])
    return cv2.imread(str(folder / "photos" / "a.jpg"))


def filled(contours, size_hw):
    mask = np.zeros(size_hw, np.uint8)
    points = [np.array(contour, np.int32).reshape(-1, 1, 2) for contour in contours]
    return cv2.drawContours(mask, points, -1, 1, cv2.FILLED)


def test_contours_have_pieces_and_holes():
    mask = np.zeros((20, 30), np.uint8)
    mask[2:12, 3:13] = 1
    mask[5:9, 6:10] = 0
    mask[15:18, 20:25] = 1
    found = garment_masks.contours(mask)
    assert sorted(len(contour) // 2 for contour in found) == [4, 4, 8]
    np.testing.assert_array_equal(filled(found, (20, 30)), mask)


def test_a_box_finds_the_garment_within(photo):
    mask = garment_masks.cut_as_marked(photo, [{"kind": "box", "points": [[158, 140], [212, 210]]}])
    assert drawn_products.iou(mask, drawn_review.mask_of("bag")) > 0.95


def test_what_is_like_its_surroundings_becomes_an_ellipse_in_the_box(photo):
    mask = garment_masks.cut_as_marked(photo, [{"kind": "box", "points": [[5, 5], [54, 54]]}])
    assert mask.sum() == pytest.approx(np.pi * 25**2, rel=0.05)
    assert cv2.boundingRect(mask) == pytest.approx((5, 5, 50, 50), abs=1)


def test_a_box_of_the_whole_photo_is_cut_too(photo):
    height, width = photo.shape[:2]
    mask = garment_masks.cut_as_marked(
        photo, [{"kind": "box", "points": [[0, 0], [width, height]]}]
    )
    garments = np.maximum.reduce([drawn_review.mask_of(name) for name in drawn_review.BOXES_YXYX])
    assert drawn_products.iou(mask, garments) > 0.9


def test_strokes_mend_the_mask_there_is(photo):
    """The model has lost the dress's lowest quarter and runs over at its left."""
    start = drawn_review.mask_of("dress")
    start[165:] = 0
    start[80:120, 60:70] = 1
    marks = [
        {"kind": "product", "points": [[90, 170], [110, 190], [135, 190]], "width": 8},
        {"kind": "background", "points": [[62, 85], [62, 115]], "width": 4},
    ]
    mended = garment_masks.cut_as_marked(photo, marks, start)
    truth = drawn_review.mask_of("dress")
    assert drawn_products.iou(mended, truth) > 0.97 > drawn_products.iou(start, truth)


def test_strokes_without_a_mask_ask_for_a_box(photo):
    stroke = {"kind": "product", "points": [[10, 10], [20, 20]], "width": 5}
    with pytest.raises(ValueError, match="draw a box"):
        garment_masks.cut_as_marked(photo, [stroke])


def test_painting_adds_and_removes_pixels_as_drawn():
    start = np.zeros((5, 6), np.uint8)
    start[1:4, 1:3] = 1
    marks = [
        {"kind": "product", "points": [[3, 2], [4, 2]], "width": 1},
        {"kind": "background", "points": [[1, 1], [1, 3]], "width": 1},
    ]
    expected = [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(garment_masks.painted(marks, start), expected)
    with pytest.raises(ValueError, match="nothing is left of the garment"):
        garment_masks.painted([{**marks[1], "width": 20}], start)


def test_pieces_are_sorted_and_crumbs_stay_with_the_largest():
    mask = np.zeros((30, 40), np.uint8)
    mask[2:12, 2:12] = mask[20:28, 20:38] = 1
    mask[0, 39] = 1
    found = garment_masks.pieces(mask)
    assert [int(piece.sum()) for piece in found] == [145, 100]
    np.testing.assert_array_equal(sum(found), mask)
