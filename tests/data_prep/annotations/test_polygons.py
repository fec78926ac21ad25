import time

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data_prep.annotations import masks
from data_prep.annotations.polygons import joined_polygon, polygons_from_mask
from data_prep.sample.outfit import choose_outfit
from data_prep.sample.photo import choose_post, draw_photo


def _refilled(polygons: list[list[int]], shape: tuple[int, int]) -> np.ndarray:
    rles = coco_mask.frPyObjects(polygons, *shape)
    return coco_mask.decode(coco_mask.merge(rles))


def test_polygons_from_mask_follow_pixel_edges():
    mask = np.zeros((8, 10), np.uint8)
    mask[2:5, 3:9] = 1

    polygons = polygons_from_mask(mask)

    assert len(polygons) == 1
    assert sorted(zip(polygons[0][::2], polygons[0][1::2], strict=True)) == [
        (3, 2), (3, 5), (9, 2), (9, 5),
    ]  # fmt: skip
    assert all(type(value) is int for value in polygons[0])


def test_polygons_from_mask_one_for_each_part():
    mask = np.zeros((8, 10), np.uint8)
    mask[1:4, 1:4] = 1
    mask[1:4, 6:9] = 1

    polygons = polygons_from_mask(mask)

    assert sorted(min(p[::2]) for p in polygons) == [1, 6]
    np.testing.assert_array_equal(_refilled(polygons, (8, 10)), mask)


def test_polygons_from_mask_keeps_a_hole_open():
    mask = np.zeros((30, 40), np.uint8)
    mask[5:25, 5:35] = 1
    mask[10:20, 12:28] = 0

    polygons = polygons_from_mask(mask)

    assert len(polygons) == 2
    np.testing.assert_array_equal(_refilled(polygons, (30, 40)), mask)


def test_polygons_from_mask_empty():
    assert polygons_from_mask(np.zeros((5, 5), np.uint8)) == []


@pytest.mark.parametrize("seed", range(8))
def test_polygons_match_visible_masks(seed):
    photo, garments = draw_photo(
        choose_post(np.random.default_rng((1, seed))), np.random.default_rng((2, seed))
    )

    assert len(garments) >= 3
    for garment in garments:
        assert garment.mask.shape == photo.shape[:2]
        if garment.mask.sum() > 200:
            filled = _refilled(polygons_from_mask(garment.mask), garment.mask.shape)
            iou = (filled & garment.mask).sum() / (filled | garment.mask).sum()
            assert iou >= 0.95, (garment.category_id, garment.mask.sum())


def test_draw_photo_no_two_garments_share_a_pixel():
    _, garments = draw_photo(choose_post(np.random.default_rng(3)), np.random.default_rng(4))

    assert np.sum([garment.mask for garment in garments], axis=0).max() == 1


def test_draw_photo_one_instance_for_each_shoe():
    rng = np.random.default_rng(0)
    post = choose_post(rng)
    while "footwear" not in post.outfit or post.size_hw != (600, 400):
        post = choose_post(rng)

    _, garments = draw_photo(post, rng)

    shoes = [garment.mask for garment in garments if garment.category_id == 4]
    assert len(shoes) == 2
    for shoe in shoes:
        _, _, width, height = cv2.boundingRect(shoe)
        assert width >= 40
        assert height >= 18


def test_choose_outfit_garments_go_together():
    for seed in range(300):
        worn = set(choose_outfit(np.random.default_rng(seed)))
        assert 3 <= len(worn) <= 7
        assert len(worn & {"dress", "pants", "shorts", "skirt"}) == 1
        assert len(worn & {"boots", "footwear"}) == 1
        assert ("top" in worn) != ("dress" in worn)
        assert not ("belt" in worn and "dress" in worn)


def test_joined_polygon_covers_the_parts_and_nothing_between():
    squares = [[x, y, x + 3, y, x + 3, y + 3, x, y + 3] for x, y in ((0, 0), (20, 1), (9, 12))]
    joined = joined_polygon(squares)

    assert joined[:2] == [0, 0]
    drawn = masks.mask_from_rle(masks.rle_from_polygons([joined], 20, 30))
    expected = masks.mask_from_rle(masks.rle_from_polygons(squares, 20, 30))
    np.testing.assert_array_equal(drawn, expected)


def test_joined_polygon_of_many_parts_is_quick():
    mask = (np.random.default_rng(0).random((200, 200)) > 0.7).astype(np.uint8)
    polygons = polygons_from_mask(mask)
    assert len(polygons) > 500

    start = time.process_time()
    joined = joined_polygon(polygons)

    assert time.process_time() - start < 20
    assert len(joined) == sum(map(len, polygons)) + 4 * (len(polygons) - 1)
