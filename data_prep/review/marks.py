"""What a person marks on a photo, as the cutters take it."""

import cv2
import numpy as np

BACKGROUND, PRODUCT = 2, 1  # the hints of auto_mask/cutout/cut.py


def hints_from_marks(marks: list[dict], size_hw: tuple[int, int]) -> np.ndarray:
    """Draws a person's marks; later marks win.

    Args:
        marks: {"kind": "box", "points": two corners}, or {"kind": "product" or "background",
            "points": of the stroke, "width": pixels}; points are [x, y] in photo pixels.
        size_hw: of the photo, pixels.

    Returns:
        uint8 [height, width]: PRODUCT, BACKGROUND, 0 where nothing is marked.

    Raises:
        ValueError: A mark is malformed.
    """
    hints = np.zeros(size_hw, np.uint8)
    for mark in marks:
        try:
            points = np.array(mark["points"], np.float64).round().astype(np.int64)
            kind, width = mark["kind"], int(mark.get("width", 1))
            is_right = points.ndim == 2 and points.shape[1] == 2 and np.abs(points).max() < 1e6
        except (KeyError, TypeError, ValueError, OverflowError):
            is_right = False
        if not is_right or kind not in ("box", "product", "background") or not 0 < width < 10_000:
            raise ValueError(f"mark {str(mark)[:80]}: expected a kind and a list of [x, y] points.")
        if kind == "box":
            (left, top), (right, bottom) = points.min(0).clip(0), points.max(0).clip(0)
            outside = np.ones(size_hw, bool)
            outside[top : bottom + 1, left : right + 1] = False
            hints[outside] = BACKGROUND
        else:
            value = PRODUCT if kind == "product" else BACKGROUND
            stroke = points.astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(hints, [stroke], False, value, width)
    return hints
