"""Every raw form of a segmentation -> the RLE of a photo; what cannot be trusted is refused.

Raw forms: COCO's list of polygons, COCO's RLE with or without compression (`{"size", "counts"}`),
FGVC6's EncodedPixels, a mask of pixels.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from data_prep.annotations import masks
from data_prep.annotations.annotated_image import BBox
from tfseg.structures.coco_values import whole_number
from tfseg.structures.rle_counts import counts_from_runs, counts_from_string

# Rasterising traces every edge pixel by pixel: coordinates beyond this many image sides are
# damage, not an object that reaches past the edge.
_MAX_SIDES_OUTSIDE = 10

# Of a larger photo, a polygon of fractions within its first pixel is one of shares of its sides.
_LARGER_THAN_SHARES = 16

CLIPPED = "clipped_to_photo"  # the report's keys
NO_MASK = "no_mask"

_EXPECTED = "polygons [[x, y, x, y, ...], ...] or an RLE {size, counts}"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class SegmentationError(ValueError):
    """A segmentation that cannot be used.

    Attributes:
        reason: the report's key.
        detail: what was got and what was expected.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class EncodedPixels(str):
    """FGVC6's run lengths: "start length start length ...", down the columns, counted from 1."""


class Segment(NamedTuple):
    """A usable segmentation.

    Attributes:
        rle: of the photo's size; may be empty.
        extent: the raw segmentation's own box, pixels of the annotated size, before clipping.
        repairs: the report's keys.
    """

    rle: dict
    extent: BBox
    repairs: tuple[str, ...]


def segment_from_raw(
    segmentation: Any, annotated_hw: tuple[int, int], photo_hw: tuple[int, int]
) -> Segment:
    """Makes a photo's mask of any raw form; which form it is shows in its type.

    Args:
        segmentation: list of polygons, dict (RLE), EncodedPixels, or array [height, width].
        annotated_hw: (height, width) that the segmentation was made at, pixels.
        photo_hw: (height, width) of the photo that the mask is for.

    Raises:
        SegmentationError: It is damaged, or of no known form.
    """
    if isinstance(segmentation, list):
        if [type(part) for part in segmentation] != [dict]:
            return _from_polygons(segmentation, annotated_hw, photo_hw)
        (segmentation,) = segmentation  # an RLE in a list means the RLE
    if segmentation is None:
        raise SegmentationError(NO_MASK, f"got segmentation null, expected {_EXPECTED}")
    for form, counts_of in _RUN_LENGTHS.items():
        if isinstance(segmentation, form):
            counts, repairs = counts_of(segmentation, annotated_hw)
            rle = masks.rle_from_counts(counts, *annotated_hw)
            break
    else:
        if not isinstance(segmentation, np.ndarray):
            raise SegmentationError("segmentation_of_unknown_form", _got(segmentation))
        if segmentation.shape != annotated_hw:
            raise SegmentationError("mask_of_another_size")
        rle, repairs = masks.rle_from_mask(segmentation), ()
    extent = masks.bbox_from_rle(rle)
    if photo_hw != annotated_hw and extent.width:
        rle = masks.resized_rle(rle, *photo_hw)
    return Segment(rle, extent, repairs)


def _from_polygons(
    polygons: list, annotated_hw: tuple[int, int], photo_hw: tuple[int, int]
) -> Segment:
    height, width = annotated_hw
    limit = _MAX_SIDES_OUTSIDE * max(height, width)
    if not polygons:
        raise SegmentationError(NO_MASK, f"got segmentation [], expected {_EXPECTED}")
    polygons = [_numbers(polygon) for polygon in _flat_polygons(polygons)]
    if not all(_is_polygon(polygon, limit) for polygon in polygons):
        raise SegmentationError("malformed_polygon", _got(polygons))
    usable = [polygon for polygon in polygons if len(polygon) >= 6]
    if not usable:
        points = max(len(polygon) for polygon in polygons) // 2
        got = f"got a polygon of {points} points ({2 * points} numbers)"
        raise SegmentationError("no_polygon_of_3_points", f"{got}, expected at least 3 (6 numbers)")
    repairs = ["polygon_under_3_points"] * (len(polygons) - len(usable))
    extent = _extent(usable)
    is_in_first_pixel = max(map(abs, extent)) <= 1 and min(height, width) > _LARGER_THAN_SHARES
    if is_in_first_pixel and any(value % 1 for polygon in usable for value in polygon):
        raise SegmentationError("polygon_of_shares", f"{_got(polygons)}, in pixels")
    if extent.xmin < 0 or extent.ymin < 0 or extent.xmax > width or extent.ymax > height:
        repairs.append(CLIPPED)
    if photo_hw != annotated_hw:
        scale_y, scale_x = photo_hw[0] / height, photo_hw[1] / width
        usable = [_scaled(polygon, scale_x, scale_y) for polygon in usable]
    return Segment(masks.rle_from_polygons(usable, *photo_hw), extent, tuple(repairs))


def _flat_polygons(polygons: list) -> list:
    """Brings the forms that tools write to COCO's [[x, y, x, y, ...], ...].

    A flat list of numbers is one polygon; pairs [x, y] are the points of one; a list around all of
    it is taken off. Each form has this one meaning: COCO's own polygons have 6 numbers or more.
    """
    if all(_is_number(part) for part in polygons):
        return [polygons]
    if all(_is_pair(part) for part in polygons):
        return [[number for pair in polygons for number in pair]]
    is_nested = all(isinstance(part, list) and part for part in polygons) and all(
        isinstance(inner, list) for part in polygons for inner in part
    )
    if is_nested:
        return [flat for part in polygons for flat in _flat_polygons(part)]
    return polygons


def _is_number(part: Any) -> bool:
    if isinstance(part, str):
        return _NUMBER.fullmatch(part.strip()) is not None
    return isinstance(part, int | float) and not isinstance(part, bool)


def _is_pair(part: Any) -> bool:
    return isinstance(part, list) and len(part) == 2 and all(map(_is_number, part))


def _numbers(polygon: Any) -> Any:
    """Reads numbers written as text; anything else stays as it is."""
    if not isinstance(polygon, list) or not any(isinstance(part, str) for part in polygon):
        return polygon
    if not all(map(_is_number, polygon)):
        return polygon
    return [float(part) if isinstance(part, str) else part for part in polygon]


def _got(segmentation: Any) -> str:
    text = repr(segmentation)
    shown = f"{text[:40]}..." if len(text) > 40 else text
    return f"got segmentation {shown}, expected {_EXPECTED}"


def _is_polygon(polygon: Any, limit: float) -> bool:
    if not isinstance(polygon, list) or len(polygon) % 2:
        return False
    if not set(map(type, polygon)) <= {int, float}:
        return False
    # Written so that NaN is out of range too.
    return all(-limit <= value <= limit for value in polygon)


def _extent(polygons: list) -> BBox:
    xs = [x for polygon in polygons for x in polygon[0::2]]
    ys = [y for polygon in polygons for y in polygon[1::2]]
    return BBox(min(xs), min(ys), max(xs), max(ys))


def _scaled(polygon: list, scale_x: float, scale_y: float) -> list[float]:
    return [v * (scale_y if i % 2 else scale_x) for i, v in enumerate(polygon)]


_Counts = tuple[np.ndarray, tuple[str, ...]]


def _counts_from_coco(rle: dict, annotated_hw: tuple[int, int]) -> _Counts:
    size, raw_counts = rle.get("size"), rle.get("counts")
    if isinstance(size, list):
        size = [whole_number(side) for side in size]
    if not isinstance(size, list) or tuple(size) != annotated_hw:
        expected = f"expected [height, width] of the image, {list(annotated_hw)}"
        is_swapped = isinstance(size, list) and tuple(size[::-1]) == annotated_hw
        reason = "rle_height_and_width_swapped" if is_swapped else "rle_of_another_size"
        got = f"got an RLE of size {str(rle.get('size'))[:40]}"
        raise SegmentationError(reason, f"{got}, {expected}")
    num_pixels = annotated_hw[0] * annotated_hw[1]
    shown = f"got counts {str(raw_counts)[:40]!r}"
    malformed = SegmentationError(
        "malformed_rle", f"{shown}, expected COCO's string or a list of run lengths"
    )
    try:
        if isinstance(raw_counts, str):
            counts = counts_from_string(raw_counts.encode())
        elif isinstance(raw_counts, list) and set(map(type, raw_counts)) <= {int}:
            counts = np.array(raw_counts, np.int64)
        else:
            raise malformed
    except (ValueError, OverflowError) as error:
        raise malformed from error
    if counts.size and (counts.min() < 0 or counts.max() > 2**40):
        raise malformed
    total = counts.sum()
    if total < num_pixels:
        raise SegmentationError(
            "rle_of_too_few_pixels", f"{shown}, {total} pixels in all, expected {num_pixels}"
        )
    if total == num_pixels:
        return counts, ()
    ends = np.cumsum(counts).clip(max=num_pixels)
    return np.diff(ends, prepend=0), (CLIPPED,)


def _counts_from_encoded_pixels(text: EncodedPixels, annotated_hw: tuple[int, int]) -> _Counts:
    words = text.split()
    malformed = SegmentationError(
        "malformed_rle",
        f"got EncodedPixels {text[:40]!r}, expected start length start length ..., from 1, rising",
    )
    if not words or words == ["nan"]:
        raise SegmentationError(NO_MASK, f"got EncodedPixels {text[:20]!r}, expected run lengths")
    if len(words) % 2 or not all(word.isdecimal() for word in words):
        raise malformed
    if max(map(len, words)) > 15:  # nothing near the number of pixels of a photo
        raise malformed
    numbers = np.array(words, np.int64)
    starts, lengths = numbers[0::2] - 1, numbers[1::2]
    if starts[0] < 0 or lengths.min() < 1 or (starts[1:] < (starts + lengths)[:-1]).any():
        raise malformed
    num_pixels = annotated_hw[0] * annotated_hw[1]
    repairs: tuple[str, ...] = ()
    if starts[-1] + lengths[-1] > num_pixels:
        repairs = (CLIPPED,)
        inside = starts < num_pixels
        starts, lengths = starts[inside], lengths[inside]
        lengths = np.minimum(lengths, num_pixels - starts)
    return counts_from_runs(starts, lengths, num_pixels), repairs


_RUN_LENGTHS: dict[type, Callable[[Any, tuple[int, int]], _Counts]] = {
    dict: _counts_from_coco,
    EncodedPixels: _counts_from_encoded_pixels,
}
