"""Draws detections, or ground truth, over a photo. Needs numpy, OpenCV and pycocotools only."""

import colorsys
import dataclasses
import functools
from collections.abc import Sequence

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from tfseg.structures.detections import Detections, mask_from_rle

# Category id 1 is the first. Kinds that are often worn together are far apart in hue.
_PALETTE = (
    (255, 159, 28),  # bag: orange
    (150, 85, 45),  # belt: brown
    (160, 215, 40),  # boots: lime
    (20, 184, 166),  # footwear: teal
    (64, 120, 255),  # outer: blue
    (255, 105, 180),  # dress: pink
    (60, 220, 255),  # sunglasses: cyan
    (145, 85, 240),  # pants: violet
    (240, 60, 60),  # top: red
    (30, 145, 60),  # shorts: green
    (190, 30, 130),  # skirt: magenta
    (255, 225, 70),  # headwear: yellow
    (180, 190, 255),  # scarf/tie: lavender
)
_GOLDEN_RATIO = 0.618033988749895

_SHOWN_ATTRIBUTES = 2  # of a garment: a label is short
_FONT_WEIGHT = 600  # semibold

_Rectangle = tuple[int, int, int, int]  # xmin, ymin, xmax, ymax; half-open canvas pixels

# Canvas sides: smaller photos are enlarged by a whole factor, so that the names can be read.
_SMALL_SIDE = 500
_ENLARGED_SIDE = 640


def category_color(category_id: int) -> tuple[int, int, int]:
    """The RGB colour (0..255) of a category: always the same for the same id."""
    if 1 <= category_id <= len(_PALETTE):
        return _PALETTE[category_id - 1]
    hue = (category_id * _GOLDEN_RATIO) % 1.0
    saturation, value = ((0.75, 0.95), (0.55, 0.80), (0.90, 0.70))[category_id % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def enlargement(height: int, width: int) -> int:
    """The whole factor by which draw_detections enlarges a photo: 1 from 500 pixels on."""
    longer = max(height, width)
    return 1 if longer >= _SMALL_SIDE else -(-_ENLARGED_SIDE // longer)


def draw_detections(
    image_rgb: np.ndarray,
    detections: Detections,
    *,
    mask_opacity: float = 0.45,
    show_boxes: bool = True,
    show_labels: bool = True,
    show_scores: bool = True,
) -> np.ndarray:
    """Draws masks, contours, boxes and labels such as "dress 0.93".

    Args:
        image_rgb: uint8 [height, width, 3]; not changed.
        detections: In this image's pixels; masks as COCO RLE of this size.
        mask_opacity: 0 (only contours) .. 1 (opaque).
        show_boxes: Draw the boxes.
        show_labels: Draw the names.
        show_scores: Write the scores behind the names; False for ground truth. Not where
            detections.scores is None.

    Returns:
        uint8 [k * height, k * width, 3] RGB, k = enlargement(height, width).

    Raises:
        ValueError: Not uint8 RGB, of another size than the detections', or a damaged RLE.
    """
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or image_rgb.dtype != np.uint8:
        raise ValueError(
            f"expected a uint8 [height, width, 3] image, got {image_rgb.dtype} "
            f"{list(image_rgb.shape)}"
        )
    height, width = image_rgb.shape[:2]
    if (height, width) != tuple(int(side) for side in detections.image_size_hw):
        raise ValueError(
            f"the image is {width}x{height}, but its detections are for "
            f"{detections.image_size_hw[1]}x{detections.image_size_hw[0]}; is one of them rotated?"
        )
    factor = enlargement(height, width)
    size = (width * factor, height * factor)
    # A copy also where the size stays.
    canvas = cv2.resize(image_rgb, size, interpolation=cv2.INTER_CUBIC)
    canvas = canvas.copy() if canvas is image_rgb else canvas
    style = _Style.for_canvas(*canvas.shape[:2])
    areas = [int(coco_mask.area(rle)) for rle in detections.rles]
    order = sorted(range(len(areas)), key=lambda index: -areas[index])
    for index in order:  # large ones first, so that a belt stays visible on its dress
        color = category_color(int(detections.category_ids[index]))
        _draw_mask(canvas, detections.rles[index], factor, color, mask_opacity, style)
    boxes = np.rint(np.asarray(detections.boxes_yxyx, dtype=np.float64) * factor).astype(int)
    if show_boxes:
        for index in order:
            color = category_color(int(detections.category_ids[index]))
            _draw_box(canvas, boxes[index], color, style)
    if show_labels:
        _draw_labels(canvas, boxes, _label_texts(detections, show_scores), detections, order, style)
    return canvas


@dataclasses.dataclass(frozen=True)
class _Style:
    """Sizes in canvas pixels, grown with the canvas."""

    line: int
    font: int

    @classmethod
    def for_canvas(cls, height: int, width: int) -> "_Style":
        side = (height * width) ** 0.5
        return cls(line=max(2, round(side / 400)), font=max(13, round(side / 46)))


def _draw_mask(
    canvas: np.ndarray,
    rle: dict,
    factor: int,
    color: tuple[int, int, int],
    opacity: float,
    style: _Style,
) -> None:
    """Tints the mask's pixels and draws its contour."""
    x, y, width, height = (int(side) for side in coco_mask.toBbox(rle))
    if width == 0 or height == 0:
        return
    mask = mask_from_rle(rle)[y : y + height, x : x + width]
    if factor > 1:
        mask = cv2.copyMakeBorder(mask * 255, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        mask = cv2.resize(mask, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        mask = cv2.GaussianBlur(mask, (0, 0), 0.8 * factor)  # rounds off the stairs of small masks
        mask = (mask[factor:-factor, factor:-factor] > 127).astype(np.uint8)
    x, y = x * factor, y * factor
    region = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    inside = mask.astype(bool)
    tinted = region[inside] * (1 - opacity) + np.array(color, dtype=np.float32) * opacity
    region[inside] = np.rint(tinted).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    draw_outline(canvas, contours, color, style.line)


def draw_outline(
    canvas: np.ndarray, contours: Sequence[np.ndarray], color: tuple[int, int, int], line: int
) -> None:
    """Draws contours as a light line on a dark one: one of the two shows on any garment.

    Args:
        canvas: uint8 [height, width, 3] RGB; drawn on.
        contours: From cv2.findContours.
        color: The category's, which both lines take their hue from.
        line: Width of the light one, pixels; the dark one is wider by two on each side.
    """
    dark = tuple(channel // 3 for channel in color)
    light = tuple((channel + 255) // 2 for channel in color)
    cv2.drawContours(canvas, contours, -1, dark, line + 4, cv2.LINE_AA)
    cv2.drawContours(canvas, contours, -1, light, line, cv2.LINE_AA)


def _draw_box(
    canvas: np.ndarray, box_yxyx: np.ndarray, color: tuple[int, int, int], style: _Style
) -> None:
    """A thin box; its last row and column are inside it (boxes are half-open)."""
    ymin, xmin, ymax, xmax = (int(side) for side in box_yxyx)
    cv2.rectangle(canvas, (xmin, ymin), (xmax - 1, ymax - 1), color, max(1, style.line // 2))


@functools.cache
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")


def _label_texts(detections: Detections, show_scores: bool) -> list[str]:
    # Half a surrogate pair, which a name from json may hold, ends OpenCV with a crash.
    names = [n.encode("utf-8", "backslashreplace").decode() for n in detections.category_names]
    if detections.scores is not None and show_scores:
        names = [
            f"{name} {score:.2f}" for name, score in zip(names, detections.scores, strict=True)
        ]
    if not detections.attributes:
        return names
    shown = [
        ", ".join(name for name, _ in said[:_SHOWN_ATTRIBUTES]) for said in detections.attributes
    ]
    return [f"{name} {said}".rstrip() for name, said in zip(names, shown, strict=True)]


def _draw_labels(
    canvas: np.ndarray,
    boxes_yxyx: np.ndarray,
    texts: Sequence[str],
    detections: Detections,
    order: Sequence[int],
    style: _Style,
) -> None:
    """Places one plate per detection, the smallest instances last and so on top."""
    rectangles = [(xmin, ymin, xmax, ymax) for ymin, xmin, ymax, xmax in boxes_yxyx.tolist()]
    height = round(1.45 * style.font)
    small = [r for r in rectangles if r[2] - r[0] < 6 * height and r[3] - r[1] < 6 * height]
    placed: list[_Rectangle] = []
    for index in order:
        bounds = cv2.getTextSize((0, 0), texts[index], (0, 0), _font(), style.font, _FONT_WEIGHT)
        width = bounds[2] + round(0.7 * style.font)
        places = _plate_places(rectangles[index], width, height, canvas.shape[:2])
        plate = min(  # the first of the best
            places,
            key=lambda place: (
                4 * sum(_overlap(place, other) for other in placed)
                + sum(_overlap(place, other) for other in small)
            ),
        )
        placed.append(plate)
        color = category_color(int(detections.category_ids[index]))
        _draw_plate(canvas, plate, texts[index], color, style)


def _plate_places(
    box: _Rectangle, width: int, height: int, canvas_hw: tuple[int, int]
) -> list[_Rectangle]:
    """Places for a plate at a box, the best first: above, in, below, beside it.

    What would leave the canvas is pushed back in.
    """
    xmin, ymin, xmax, ymax = box
    lefts = (xmin, xmax - width, (xmin + xmax - width) // 2)
    tops = (ymin - height, ymin, ymax - height, ymax)
    middle = (ymin + ymax - height) // 2
    corners = [(left, top) for top in tops for left in lefts]
    corners += [(xmax, ymin), (xmin - width, ymin), (xmax, middle), (xmin - width, middle)]
    corners += [(xmin, middle), (xmin, ymin + height), (xmin, ymin - 2 * height)]
    places = []
    for left, top in corners:
        left = max(0, min(left, canvas_hw[1] - width))
        top = max(0, min(top, canvas_hw[0] - height))
        places.append((left, top, left + width, top + height))
    return places


def _overlap(a: _Rectangle, b: _Rectangle) -> int:
    """Common area in pixels."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)


def _draw_plate(
    canvas: np.ndarray,
    plate: _Rectangle,
    text: str,
    color: tuple[int, int, int],
    style: _Style,
) -> None:
    """A filled plate with rounded corners; black or white letters, whichever reads better."""
    xmin, ymin, xmax, ymax = plate
    radius = max(2, style.font // 4)
    inner = ((xmin + radius, ymin + radius), (xmax - 1 - radius, ymax - 1 - radius))
    cv2.rectangle(canvas, (xmin + radius, ymin), (xmax - 1 - radius, ymax - 1), color, cv2.FILLED)
    cv2.rectangle(canvas, (xmin, ymin + radius), (xmax - 1, ymax - 1 - radius), color, cv2.FILLED)
    for x in (inner[0][0], inner[1][0]):
        for y in (inner[0][1], inner[1][1]):
            cv2.circle(canvas, (x, y), radius, color, cv2.FILLED, cv2.LINE_AA)
    brightness = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    letters = (20, 20, 20) if brightness > 140 else (255, 255, 255)
    origin = (xmin + round(0.35 * style.font), ymin + round(1.07 * style.font))
    cv2.putText(canvas, text, origin, letters, _font(), style.font, _FONT_WEIGHT)
