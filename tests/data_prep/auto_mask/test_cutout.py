import cv2
import numpy as np
import pytest

from data_prep.annotations.mask_confidence import GOOD
from data_prep.auto_mask.cutout import pieces
from data_prep.auto_mask.cutout.cut import cut
from tests.data_prep import drawn_products

SIZE_HW = (500, 380)


@pytest.mark.parametrize("kind", ["white", "grey", "gradient", "colour", "texture"])
def test_cut_finds_the_product_not_its_shadow(kind):
    truth = drawn_products.shirt(SIZE_HW)
    found = cut(drawn_products.photo(kind, truth))
    assert len(found.products) == 1
    assert drawn_products.iou(found.products[0], truth) > 0.97
    assert found.confidence.score >= GOOD


def test_cut_keeps_a_hole_open():
    truth = drawn_products.shirt(SIZE_HW, hole=True)
    found = cut(drawn_products.photo("grey", truth))
    assert found.mask[SIZE_HW[0] // 2, SIZE_HW[1] // 2] == 0
    assert drawn_products.iou(found.mask, truth) > 0.97


def test_cut_finds_a_white_product_on_white():
    truth = drawn_products.shirt(SIZE_HW)
    photo = drawn_products.photo("white", truth, color=(243, 241, 240))
    outline, _ = cv2.findContours(truth, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(photo, outline, -1, (205, 205, 205), 2)  # as cloth turns away from the light
    found = cut(photo)
    assert drawn_products.iou(found.mask, truth) > 0.95


def test_cut_tells_two_products_apart():
    truth = np.zeros((400, 640), np.uint8)
    cv2.rectangle(truth, (80, 120), (230, 300), 1, -1)
    cv2.circle(truth, (470, 200), 90, 1, -1)
    found = cut(drawn_products.photo("grey", truth))
    assert len(found.products) == 2
    left, right = sorted(found.products, key=lambda mask: mask.nonzero()[1].min())
    assert drawn_products.iou(left, truth * (np.arange(640) < 300)) > 0.97
    assert drawn_products.iou(right, truth * (np.arange(640) >= 300)) > 0.97


def test_cut_says_where_there_is_no_product():
    photo = drawn_products.photo("texture", np.zeros(SIZE_HW, np.uint8))
    found = cut(photo)
    assert found.products == []
    assert found.confidence.score == 0
    assert found.confidence.reasons == ("no_clear_product",)


def test_cut_is_unsure_where_the_background_is_not_plain():
    rng = np.random.default_rng(3)
    scene = cv2.resize(rng.uniform(0, 255, (6, 5, 3)), SIZE_HW[::-1]).astype(np.uint8)
    cv2.rectangle(scene, (0, 250), (380, 500), (30, 90, 60), -1)
    assert cut(scene).confidence.score < GOOD


def test_cut_obeys_what_a_person_marked():
    truth = drawn_products.shirt(SIZE_HW)
    photo = drawn_products.photo("grey", truth)
    hints = np.zeros(SIZE_HW, np.uint8)
    hints[200:360] = 2  # the middle is background
    found = cut(photo, hints)
    assert not found.mask[200:360].any()
    assert found.mask[370:].any()


@pytest.mark.parametrize("size_hw", [(9, 9), (40, 700), (3000, 60)])
def test_cut_takes_any_size(size_hw):
    photo = np.full((*size_hw, 3), 250, np.uint8)
    assert cut(photo).mask.shape == size_hw


def test_fill_closes_holes_but_not_bays():
    mask = np.array(
        [
            [0, 1, 1, 1, 0],
            [0, 1, 0, 1, 1],
            [0, 1, 1, 1, 0],
            [0, 1, 0, 1, 0],
        ],
        np.uint8,
    )
    expected = mask.copy()
    expected[1, 2] = 1
    np.testing.assert_array_equal(pieces.fill(mask), expected)


def test_drop_crumbs_drops_specks():
    mask = np.zeros((50, 50), np.uint8)
    mask[5:25, 5:25] = 1
    mask[40:43, 40:43] = 1
    cleaned = pieces.drop_crumbs(mask)
    assert cleaned.sum() == 400
    assert cleaned[41, 41] == 0
