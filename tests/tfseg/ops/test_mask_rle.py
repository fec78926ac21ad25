import functools

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from tfseg.ops.mask_rle import encode_run_lengths, run_lengths_of_box_masks


def rle_from_box_masks(*masks):
    return encode_run_lengths(run_lengths_of_box_masks(*masks))


@functools.cache
def compiled(cells):
    return tf.function(
        rle_from_box_masks,
        input_signature=[
            tf.TensorSpec([None, cells, cells]),
            tf.TensorSpec([None, 4]),
            tf.TensorSpec([None, 2], tf.int32),
        ],
    )


def encode(probs, boxes_yxyx, image_size_hw):
    probs = np.asarray(probs, np.float32)
    sizes = np.tile(np.asarray(image_size_hw, np.int32), (len(probs), 1))
    return compiled(probs.shape[-1])(probs, np.asarray(boxes_yxyx, np.float32), sizes).numpy()


def decode(counts, image_size_hw):
    return coco_mask.decode({"size": list(image_size_hw), "counts": counts})


def paste_all_pixels(probs, box_yxyx, image_size_hw):
    """The definition, at every pixel of the photo: linear between cell centres, zero outside.

    Returns the values that are compared with 0.5.
    """

    def weights(low, high, num_pixels, num_cells):
        cell = (np.arange(num_pixels) + 0.5 - low) / (high - low) * num_cells - 0.5
        return np.maximum(0, 1 - np.abs(cell[:, None] - np.arange(num_cells)))

    top, left, bottom, right = (float(edge) for edge in box_yxyx)
    rows = weights(top, bottom, image_size_hw[0], probs.shape[0])
    columns = weights(left, right, image_size_hw[1], probs.shape[1])
    return rows @ probs.astype(np.float64) @ columns.T


def test_rle_from_box_masks_full_box_covers_exactly_its_pixels():
    (counts,) = encode(np.ones((1, 4, 4)), [[1, 2, 3, 5]], (4, 6))

    assert decode(counts, (4, 6)).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_rle_from_box_masks_is_not_shifted():
    # Each cell is one pixel: the mask must come back as it is.
    probs = [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]]

    (counts,) = encode([probs], [[2, 1, 6, 5]], (8, 7))

    assert decode(counts, (8, 7))[2:6, 1:5].tolist() == probs
    assert decode(counts, (8, 7)).sum() == 6


def test_rle_from_box_masks_enlarges_symmetrically():
    (counts,) = encode([[[1, 0], [0, 1]]], [[0, 0, 8, 8]], (8, 8))

    assert decode(counts, (8, 8)).tolist() == [
        [0, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1, 0],
        [0, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 1, 1, 0],
    ]


@pytest.mark.parametrize("image_size_hw", [(1, 1), (1, 30), (30, 1), (7, 5), (60, 40), (300, 200)])
def test_rle_from_box_masks_equals_pycocotools(image_size_hw):
    rng = np.random.default_rng(sum(image_size_hw))
    num_masks = 40
    probs = rng.random((num_masks, 28, 28)).astype(np.float32)
    probs[::3] = 1 / (1 + np.exp(-20 * (probs[::3] - 0.3)))
    probs[1::6] = 1
    centres = rng.random((num_masks, 2)) * image_size_hw
    half_sizes = rng.random((num_masks, 2)) * image_size_hw
    boxes = np.concatenate([centres - half_sizes, centres + half_sizes], axis=1).astype(np.float32)
    boxes[0] = boxes[1] = (0, 0, *image_size_hw)

    encoded = encode(probs, boxes, image_size_hw)

    for index in range(num_masks):
        mask = decode(encoded[index], image_size_hw)
        values = paste_all_pixels(probs[index], boxes[index], image_size_hw)
        clear = np.abs(values - 0.5) > 1e-4  # the others are a matter of rounding
        assert (~clear).sum() <= 1 + clear.size / 100
        np.testing.assert_array_equal(mask[clear], values[clear] > 0.5)
        assert encoded[index] == coco_mask.encode(np.asfortranarray(mask))["counts"]


@pytest.mark.parametrize(
    "box_yxyx",
    [
        (3, 3, 3, 3),  # no area
        (2, 1, 2, 4),  # no height
        (3, 4, 1, 2),  # upside down
        (-9, -9, -2, -2),  # above and left of the photo
        (20, 20, 30, 30),  # below and right of it
        (2.6, 2.6, 3.4, 3.4),  # between pixel centres
    ],
)
def test_rle_from_box_masks_box_without_pixels(box_yxyx):
    (counts,) = encode(np.ones((1, 4, 4)), [box_yxyx], (6, 5))

    assert decode(counts, (6, 5)).sum() == 0
    assert counts == b"n0"


def test_rle_from_box_masks_photos_of_different_sizes():
    encoded = compiled(4)(
        np.ones((2, 4, 4), np.float32),
        np.array([[0, 0, 2, 2], [0, 0, 3, 3]], np.float32),
        np.array([[2, 2], [4, 6]], np.int32),
    ).numpy()

    assert decode(encoded[0], (2, 2)).sum() == 4
    assert decode(encoded[1], (4, 6)).tolist()[:3] == [[1, 1, 1, 0, 0, 0]] * 3
    assert decode(encoded[1], (4, 6)).tolist()[3] == [0] * 6


def test_rle_from_box_masks_none():
    assert encode(np.zeros((0, 28, 28)), np.zeros((0, 4)), (9, 9)).shape == (0,)


def test_rle_from_box_masks_large_photo():
    size = (9000, 11000)

    (counts,) = encode(np.ones((1, 28, 28)), [[8990, 10990, 9000, 11000]], size)

    rle = {"size": list(size), "counts": counts}
    assert coco_mask.area(rle) == 100
    assert coco_mask.toBbox(rle).tolist() == [10990, 8990, 10, 10]


@pytest.mark.parametrize(
    "runs",
    [[20], [0, 20], [5, 2, 2, 2, 2, 1, 6], [0, 1, 99_999_998, 1], [15, 16, 1023, 1024, 31, 32, 33]],
)
def test_encode_run_lengths_equals_pycocotools(runs):
    size = [sum(runs), 1]
    expected = coco_mask.frPyObjects({"size": size, "counts": runs}, *size)["counts"]

    (encoded,) = encode_run_lengths(tf.ragged.constant([runs], tf.int32)).numpy()

    assert encoded == expected


def test_encode_run_lengths_keeps_masks_apart():
    runs = tf.ragged.constant([[20], [5, 2, 2, 2, 2, 1, 6]], tf.int32)

    assert encode_run_lengths(runs).numpy().tolist() == [b"d0", b"52200O4"]
