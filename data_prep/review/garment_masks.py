"""Masks that a reviewer draws on a photo with several garments, and what the page shows of them.

A mask is uint8 [height, width] of 0 and 1; a photo uint8 [height, width, 3], BGR.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from data_prep.auto_mask.cutout.cut import cut
from data_prep.review.session import BACKGROUND, PRODUCT, hints_from_marks

_MARGIN = 0.2  # of a box's side: what is around it tells what is background
_LEAST_MARGIN = 12  # pixels
_BAND = 0.06  # of the root of a mask's area: how far off a new outline may lie
_LEAST_PIECE = 0.02  # of a mask's area; smaller pieces stay with the largest


def contours(mask: np.ndarray) -> list[list[int]]:
    """The outlines of a mask's pieces and holes, each flat [x0, y0, x1, y1, ...], pixels.

    Filled by the even-odd rule they give the mask but for half a pixel at its rim.
    """
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [[int(value) for value in contour.ravel()] for contour in found]


def cut_as_marked(
    photo: np.ndarray, marks: list[dict], start: np.ndarray | None = None
) -> np.ndarray:
    """Cuts a garment out within a box, or along the outline of the mask it has.

    Args:
        photo: Whole.
        marks: session.hints_from_marks'; with a box, all is found anew within it, without, strokes
            mend the mask.
        start: The mask so far; None where there is none.

    Raises:
        ValueError: A mark is malformed, there is neither a box nor a mask, or nothing is found.
    """
    has_box = any(isinstance(mark, dict) and mark.get("kind") == "box" for mark in marks)
    hints = hints_from_marks(marks, photo.shape[:2])
    if has_box:
        allowed = hints != BACKGROUND
    else:
        if start is None or not start.any():
            raise ValueError("draw a box around the garment first (B).")
        hints = _hints_around(hints, start)
        allowed = hints != BACKGROUND
    top, bottom, left, right = _crop_around(allowed)
    crop = np.ascontiguousarray(photo[top:bottom, left:right])
    found = cut(crop, np.ascontiguousarray(hints[top:bottom, left:right]))
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[top:bottom, left:right] = found.mask
    mask[~allowed] = 0
    if not mask.any():
        raise ValueError("found no garment there; draw on it (P) or paint it (Shift+Enter).")
    return mask


def painted(marks: list[dict], start: np.ndarray) -> np.ndarray:
    """The mask with strokes of "product" added and of "background" taken away, as they are.

    Raises:
        ValueError: A mark is malformed, or nothing is left.
    """
    hints = hints_from_marks(marks, start.shape[:2])
    mask = start.copy()
    has_box = any(mark["kind"] == "box" for mark in marks)
    mask[hints == PRODUCT] = 1
    mask[hints == BACKGROUND] = 0
    if not mask.any():
        where = "inside the box " if has_box else ""
        raise ValueError(f"nothing is left {where}of the garment; delete it (D) instead.")
    return mask


def pieces(mask: np.ndarray) -> list[np.ndarray]:
    """A mask's connected pieces, the largest first; crumbs stay with the largest."""
    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = [int(i) + 1 for i in np.argsort(-areas, kind="stable")]
    large = [i for i in order if areas[i - 1] >= _LEAST_PIECE * mask.sum()]
    found = [(labels == i).astype(np.uint8) for i in large]
    for crumb in set(range(1, num_labels)) - set(large):
        found[0][labels == crumb] = 1
    return found


def _hints_around(hints: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Strokes, and what the mask so far says away from its outline and from them."""
    radius = max(3, round(_BAND * float(start.sum()) ** 0.5))
    is_marked, is_out = hints == PRODUCT, hints == BACKGROUND
    inside = cv2.erode(start, _disk(radius), borderValue=1)
    near = cv2.dilate(start | is_marked.astype(np.uint8), _disk(radius))
    doubted = cv2.dilate(is_out.astype(np.uint8), _disk(2 * radius))
    around = np.where(near == 0, BACKGROUND, 0).astype(np.uint8)
    around[(inside == 1) & (doubted == 0)] = PRODUCT
    around[is_out], around[is_marked] = BACKGROUND, PRODUCT
    return around


def _crop_around(allowed: np.ndarray) -> Sequence[int]:
    """Rows and columns (top, bottom, left, right; half-open) around what may be garment."""
    bounds: list[int] = []
    for axis in (1, 0):
        places = np.flatnonzero(allowed.any(axis=axis))
        if not len(places):
            raise ValueError("the box is outside the photo; draw it on the garment.")
        first, last = int(places[0]), int(places[-1]) + 1
        margin = max(_LEAST_MARGIN, round(_MARGIN * (last - first)))
        bounds += [max(0, first - margin), min(allowed.shape[1 - axis], last + margin)]
    return bounds


def _disk(radius: int) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
