import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfseg.structures.detections import Detections
from tfseg.structures.mask_geometry import remove_overlaps, resize_detections


def detections_of(*rows, size_hw=(8, 10)):
    """Each row is (score, ymin, xmin, ymax, xmax), a rectangle."""
    masks = np.zeros((len(rows), *size_hw), np.uint8)
    for mask, (_, ymin, xmin, ymax, xmax) in zip(masks, rows, strict=True):
        mask[ymin:ymax, xmin:xmax] = 1
    rles = [coco_mask.encode(np.asfortranarray(mask)) for mask in masks]
    return Detections(
        boxes_yxyx=np.array([row[1:] for row in rows], np.float32).reshape(-1, 4),
        scores=np.array([row[0] for row in rows], np.float32),
        category_ids=np.arange(1, len(rows) + 1, dtype=np.int32),
        category_names=tuple("abcdefg"[: len(rows)]),
        rles=tuple({"size": rle["size"], "counts": rle["counts"].decode()} for rle in rles),
        image_size_hw=size_hw,
    )


# A dress with a belt on it, and a bag that reaches over both.
OUTFIT = detections_of((0.9, 1, 1, 7, 6), (0.5, 3, 1, 5, 6), (0.7, 2, 4, 6, 9))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        # The belt's 10 pixels first, then the bag's 20 less 4, then what is left of the dress's 30.
        ("smaller_first", [30 - 10 - 4, 10, 20 - 4]),
        ("score", [30, 0, 20 - 8]),
    ],
)
def test_remove_overlaps_by_hand(order, expected):
    separate = remove_overlaps(OUTFIT, order)

    masks = dict(zip(separate.category_names, separate.decode_masks(), strict=True))
    assert [int(masks[name].sum()) if name in masks else 0 for name in "abc"] == expected
    assert sum(mask.astype(int) for mask in masks.values()).max() == 1
    union = OUTFIT.decode_masks().max(axis=0)
    np.testing.assert_array_equal(sum(masks.values()), union)  # no pixel is lost


def test_remove_overlaps_draws_boxes_around_what_is_left():
    separate = remove_overlaps(OUTFIT, "score")

    assert separate.category_names == ("a", "c")
    assert separate.boxes_yxyx.tolist() == [[1, 1, 7, 6], [2, 6, 6, 9]]


def test_remove_overlaps_leaves_separate_ones_as_they_are():
    apart = detections_of((0.9, 0, 0, 2, 2), (0.8, 4, 4, 6, 6))

    separate = remove_overlaps(apart, "smaller_first")

    assert separate.rles == apart.rles
    assert len(remove_overlaps(apart.select(np.zeros(2, bool)), "score")) == 0


def test_remove_overlaps_refuses_an_unknown_order():
    with pytest.raises(ValueError, match="got 'larger', expected one of smaller_first, score"):
        remove_overlaps(OUTFIT, "larger")


def test_resize_detections_keeps_what_is_half_covered():
    one = detections_of((0.9, 2, 2, 6, 7))

    smaller = resize_detections(one, (4, 5))
    larger = resize_detections(one, (16, 20))

    assert smaller.boxes_yxyx.tolist() == [[1, 1, 3, 3.5]]
    # Columns 2 to 6 become 1, 2 and the left half of 3.
    assert smaller.decode_masks()[0].tolist() == [
        [0] * 5,
        [0, 1, 1, 1, 0],
        [0, 1, 1, 1, 0],
        [0] * 5,
    ]
    expected = np.zeros((16, 20), np.uint8)
    expected[4:12, 4:14] = 1
    np.testing.assert_array_equal(larger.decode_masks()[0], expected)
    assert smaller.image_size_hw == (4, 5) and smaller.rles[0]["size"] == [4, 5]


def test_resize_detections_of_none_and_to_the_same_size():
    assert resize_detections(OUTFIT, (8, 10)) is OUTFIT
    assert resize_detections(OUTFIT.select(np.zeros(3, bool)), (4, 4)).image_size_hw == (4, 4)
