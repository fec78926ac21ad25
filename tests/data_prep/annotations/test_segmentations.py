import re

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data_prep.annotations import masks
from data_prep.annotations.segmentations import EncodedPixels, SegmentationError, segment_from_raw

# 3 high, 4 wide: the second column's lower two pixels, the third's upper one.
MASK = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0]], np.uint8)
HW = (3, 4)


def mask_of(segmentation, annotated_hw=HW, photo_hw=None):
    segment = segment_from_raw(segmentation, annotated_hw, photo_hw or annotated_hw)
    return masks.mask_from_rle(segment.rle).tolist()


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [3, 4], "counts": [4, 3, 5]},
        {"size": [3, 4], "counts": coco_mask.encode(np.asfortranarray(MASK))["counts"].decode()},
        {"size": ["3", 4.0], "counts": [4, 3, 5]},
        EncodedPixels("5 3"),
        EncodedPixels("5 2 7 1"),
        MASK,
        MASK * 255,
    ],
    ids=[
        "counts",
        "compressed",
        "size as text",
        "encoded pixels",
        "touching runs",
        "mask",
        "mask of 255",
    ],
)
def test_segment_from_raw_takes_every_form(segmentation):
    assert mask_of(segmentation) == MASK.tolist()
    segment = segment_from_raw(segmentation, HW, HW)
    assert segment.extent == (1, 0, 3, 3)
    assert segment.repairs == ()


SQUARE = [1.0, 1.0, 3.0, 1.0, 3.0, 3.0, 1.0, 3.0]


@pytest.mark.parametrize(
    "written",
    [
        [SQUARE],
        SQUARE,
        [[SQUARE]],
        [[1, 1], [3, 1], [3, 3], [1, 3]],
        [[[1, 1], [3, 1], [3, 3], [1, 3]]],
        [list(map(str, SQUARE))],
        list(map(str, SQUARE)),
        [{"size": [4, 4], "counts": [5, 2, 2, 2, 5]}],
    ],
)
def test_every_way_of_writing_one_polygon_is_that_polygon(written):
    rle = segment_from_raw(written, (4, 4), (4, 4)).rle
    expected = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert masks.mask_from_rle(rle).tolist() == expected


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([[1, 1, 3, 3]], r"got a polygon of 2 points \(4 numbers\), expected at least 3"),
        ([], r"got segmentation \[\], expected polygons"),
        (None, "got segmentation null, expected polygons"),
        ("[[1, 1, 3, 1, 3, 3]]", r"got segmentation '\[\[1, 1, 3, 1, 3, 3\]\]', expected polygons"),
        ({"size": [4, 3], "counts": [12]}, r"got an RLE of size \[4, 3\], .* \[3, 4\]"),
        ({"size": [3, 4], "counts": "4 3 5"}, "got counts '4 3 5', expected COCO's string"),
        ({"size": [3, 4], "counts": [4, 3]}, "7 pixels in all, expected 12"),
        (EncodedPixels("0 3"), "got EncodedPixels '0 3', expected start length .*, from 1"),
    ],
)
def test_what_cannot_be_used_is_told_with_what_was_got(written, message):
    with pytest.raises(SegmentationError) as refused:
        segment_from_raw(written, HW, HW)
    assert re.search(message, refused.value.detail)


@pytest.mark.parametrize("largest", [1.0, 0.6])
def test_a_polygon_of_shares_is_no_mask_of_a_pixel(largest):
    shares = [[0.05, 0.06, largest, 0.06, largest, 0.6]]
    with pytest.raises(SegmentationError) as refused:
        segment_from_raw(shares, (30, 40), (30, 40))
    assert refused.value.reason == "polygon_of_shares"
    assert "in pixels" in refused.value.detail


def test_segment_from_raw_counts_encoded_pixels_from_one_down_the_columns():
    assert mask_of(EncodedPixels("1 1 12 1")) == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [3, 4], "counts": [9, 5]},
        {"size": [3, 4], "counts": [9, 3, 7, 2]},
        EncodedPixels("10 30"),
        EncodedPixels("10 3 14 2"),
    ],
)
def test_segment_from_raw_clips_run_lengths_past_the_photo(segmentation):
    segment = segment_from_raw(segmentation, HW, HW)
    assert segment.repairs == ("clipped_to_photo",)
    expected = [[0, 0, 0, 1]] * 3
    assert masks.mask_from_rle(segment.rle).tolist() == expected


def test_segment_from_raw_of_run_lengths_past_the_photo_altogether():
    segment = segment_from_raw(EncodedPixels("13 4"), HW, HW)
    assert (masks.area_from_rle(segment.rle), segment.repairs) == (0, ("clipped_to_photo",))


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ({"size": [4, 3], "counts": [4, 3, 5]}, "rle_height_and_width_swapped"),
        ({"size": [4, 4], "counts": [4, 3, 5]}, "rle_of_another_size"),
        ({"counts": [4, 3, 5]}, "rle_of_another_size"),
        ({"size": [3, 4], "counts": [4, 3]}, "rle_of_too_few_pixels"),
        ({"size": [3, 4], "counts": []}, "rle_of_too_few_pixels"),
        ({"size": [3, 4], "counts": ""}, "rle_of_too_few_pixels"),
        ({"size": [3, 4], "counts": [4, -3, 11]}, "malformed_rle"),
        ({"size": [3, 4], "counts": [4, 3.0, 5]}, "malformed_rle"),
        ({"size": [3, 4], "counts": [4, True, 7]}, "malformed_rle"),
        ({"size": [3, 4], "counts": [10**30]}, "malformed_rle"),
        ({"size": [3, 4], "counts": [2**62, 2**62, 2**62]}, "malformed_rle"),
        ({"size": [3, 4], "counts": "4\u00e93"}, "malformed_rle"),
        ({"size": [3, 4], "counts": "O1"}, "malformed_rle"),
        ({"size": [3, 4], "counts": None}, "malformed_rle"),
        ({}, "rle_of_another_size"),
        (EncodedPixels(""), "no_mask"),
        (EncodedPixels("nan"), "no_mask"),
        (EncodedPixels("5"), "malformed_rle"),
        (EncodedPixels("0 3"), "malformed_rle"),
        (EncodedPixels("5 0"), "malformed_rle"),
        (EncodedPixels("5 -3"), "malformed_rle"),
        (EncodedPixels("5 3 6 1"), "malformed_rle"),
        (EncodedPixels("8 2 1 2"), "malformed_rle"),
        (EncodedPixels("5 nan"), "malformed_rle"),
        (EncodedPixels("5 3.0"), "malformed_rle"),
        (EncodedPixels("1 99999999999999999999"), "malformed_rle"),
        (MASK.T, "mask_of_another_size"),
        ("5 3", "segmentation_of_unknown_form"),
        (7, "segmentation_of_unknown_form"),
    ],
)
def test_segment_from_raw_refuses(segmentation, reason):
    with pytest.raises(SegmentationError) as caught:
        segment_from_raw(segmentation, HW, HW)
    assert caught.value.reason == reason


def test_segment_from_raw_resizes_run_lengths_with_the_photo():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:31, 20:40] = 1
    resized = np.zeros((20, 30), np.uint8)
    resized[5:16, 10:20] = 1  # the last row is covered by half
    assert mask_of(mask, (40, 60), (20, 30)) == resized.tolist()
