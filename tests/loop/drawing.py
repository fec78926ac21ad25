"""What a hand would draw on the review page; masks are uint8 [height, width] of 0 and 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

_SPARE = 2  # pixels between a garment and the box around it
_FINEST_BRUSH = 0.25  # of the usual one; the page's "[" goes so far


@dataclass(frozen=True)
class TrueGarment:
    """A garment as it is.

    Attributes:
        category: its name.
        mask: uint8 [height, width].
    """

    category: str
    mask: np.ndarray


def mask_within(contours: Sequence[Sequence[int]], size_hw: tuple[int, int]) -> np.ndarray:
    """The mask of outlines as the page is told them, flat [x0, y0, ...], by the even-odd rule."""
    mask = np.zeros(size_hw, np.uint8)
    points = [np.array(flat, np.int32).reshape(-1, 1, 2) for flat in contours]
    return cv2.fillPoly(mask, points, 1) if points else mask


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union; 0 where both are empty."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 0.0


def box_around(mask: np.ndarray) -> dict[str, Any]:
    """The mark of a box two pixels from a garment."""
    left, top, width, height = cv2.boundingRect(mask)
    right, bottom = left + width - 1, top + height - 1
    points = [[left - _SPARE, top - _SPARE], [right + _SPARE, bottom + _SPARE]]
    return {"kind": "box", "points": points}


def brush_widths(height: int, width: int) -> list[int]:
    """The page's usual brush and its finest, pixels (strokeWidth in its script)."""
    usual = max(height, width) / 90
    return [max(2, round(usual * factor)) for factor in (1.0, _FINEST_BRUSH)]


def mending_strokes(mask: np.ndarray, truth: np.ndarray, width: int) -> list[dict[str, Any]]:
    """Strokes that make a mask more like the truth and nowhere less.

    Args:
        mask: to be mended.
        truth: as it ought to be.
        width: of the brush, pixels.

    Returns:
        Marks of "product" where the mask misses something, of "background" where it has too much;
        only where the whole brush fits in.
    """
    wrong = {"product": truth & (1 - mask), "background": mask & (1 - truth)}
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width + 1, width + 1))
    strokes = []
    for kind, area in wrong.items():
        middle = cv2.erode(area, brush, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        # Rows closer than the brush is thick: nothing is left between two of them.
        for y in range(0, middle.shape[0], max(1, width // 2)):
            row = np.flatnonzero(np.diff(middle[y], prepend=0, append=0))
            strokes += [
                {"kind": kind, "width": width, "points": [[int(left), y], [int(end) - 1, y]]}
                for left, end in row.reshape(-1, 2)
            ]
    return strokes
