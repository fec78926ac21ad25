import numpy as np
import pytest
import tensorflow as tf

from data_prep.annotations import masks


def mask_of(*polygons, height=4, width=5):
    return masks.mask_from_rle(masks.rle_from_polygons(polygons, height, width)).tolist()


def test_rle_from_polygons_covers_from_first_to_before_last():
    assert mask_of([1, 1, 4, 1, 4, 3, 1, 3]) == [
        [0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]


def test_rle_from_polygons_joins_overlapping_parts():
    assert mask_of([0, 0, 2, 0, 2, 2, 0, 2], [1, 1, 5, 1, 5, 3, 1, 3]) == [
        [1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        (
            [-2, 1, 2, 1, 2, 9, -2, 9],
            [[0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0]],
        ),
        (
            [3, -5, 9, -5, 9, 2, 3, 2],
            [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        ),
        ([6, 0, 9, 0, 9, 2], [[0] * 5] * 4),
    ],
)
def test_rle_from_polygons_clips_to_the_image(polygon, expected):
    assert mask_of(polygon) == expected


def test_bbox_and_area_from_rle():
    rle = masks.rle_from_mask(np.array([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]))
    assert masks.bbox_from_rle(rle) == (1, 1, 3, 3)
    assert masks.area_from_rle(rle) == 2


def test_area_from_rle_of_an_empty_mask():
    assert masks.area_from_rle(masks.rle_from_mask(np.zeros((3, 4)))) == 0


def test_rle_from_mask_round_trip():
    mask = np.random.default_rng(0).integers(0, 2, (13, 7), np.uint8)
    rle = masks.rle_from_mask(mask)
    assert rle["size"] == [13, 7]
    np.testing.assert_array_equal(masks.mask_from_rle(rle), mask)


@pytest.mark.parametrize("size", [(1, 1), (4, 5), (7, 8), (9, 16), (30, 33)])
@pytest.mark.parametrize("seed", [0, 1])
def test_png_from_rle_is_zeros_and_ones_to_tensorflow(size, seed):
    mask = np.random.default_rng(seed).integers(0, 2, size, np.uint8)
    mask[-1, -1] = 1
    png = masks.png_from_rle(masks.rle_from_mask(mask))
    decoded = tf.io.decode_png(png, channels=1, dtype=tf.uint8).numpy()[..., 0]
    np.testing.assert_array_equal(decoded, mask)


def test_png_from_rle_keeps_everything_around_a_small_mask():
    mask = np.zeros((20, 40), np.uint8)
    mask[7:9, 13:29] = 1
    png = masks.png_from_rle(masks.rle_from_mask(mask))
    np.testing.assert_array_equal(tf.io.decode_png(png).numpy()[..., 0], mask)


def test_png_from_rle_takes_one_bit_a_pixel():
    png = masks.png_from_rle(masks.rle_from_mask(np.ones((2, 3))))
    assert png[12:26] == b"IHDR" + bytes([0, 0, 0, 3, 0, 0, 0, 2, 1, 3])


def test_resized_rle_keeps_pixels_covered_by_half():
    mask = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1]], np.uint8)
    resized = masks.resized_rle(masks.rle_from_mask(mask), height=1, width=3)
    # The areas covered are 1, 1/4 and 1/4.
    assert masks.mask_from_rle(resized).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("seed", range(12))
def test_resized_rle_is_the_share_of_area(seed):
    """Against weights written out pixel by pixel, smaller and larger, other aspects too."""
    rng = np.random.default_rng(seed)
    old_height, old_width, height, width = (int(n) for n in rng.integers(1, 40, 4))
    mask = (rng.random((old_height, old_width)) < 0.6).astype(np.uint8)
    mask[0, 0] = 1

    def overlaps(num_new, num_old):
        new = np.arange(num_new)[:, np.newaxis] * num_old / num_new
        old = np.arange(num_old)[np.newaxis]
        length = np.minimum(new + num_old / num_new, old + 1) - np.maximum(new, old)
        return length.clip(0) * num_new / num_old

    share = overlaps(height, old_height) @ mask @ overlaps(width, old_width).T
    resized = masks.mask_from_rle(masks.resized_rle(masks.rle_from_mask(mask), height, width))
    np.testing.assert_array_equal(resized, share >= 0.5 - 1e-9)


def test_resized_rle_of_a_mask_that_vanishes():
    mask = np.zeros((10, 10), np.uint8)
    mask[4, 4] = 1
    assert masks.area_from_rle(masks.resized_rle(masks.rle_from_mask(mask), 2, 2)) == 0
