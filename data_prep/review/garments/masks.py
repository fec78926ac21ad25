"""Masks that a reviewer draws on a photo with several garments, and what the page shows of them.

GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH 2004) cuts: of what is around a box on a street photo,
other garments among it, it makes more than auto_mask does, which knows one plain background.

A mask is uint8 [height, width] of 0 and 1; a photo uint8 [height, width, 3], BGR.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from data_prep.review.marks import BACKGROUND, PRODUCT, hints_from_marks

_MARGIN = 0.5  # of a box's side: what is around it tells what is background
_LEAST_MARGIN = 12  # pixels
_CUT_SIDE = 800  # pixels; larger crops are cut at this size
_NUM_ITERATIONS = 5
_LEAST_SHARE = 0.15  # of a box; where less is found, what is within is like what is around
_BAND = 0.06  # of the root of a mask's area: how far off a new outline may lie
_REACH = 0.25  # likewise: how far from a stroke a lost part may lie
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
        marks: data_prep.review.marks.hints_from_marks'; with a box, all is found anew within it,
            without, strokes mend the mask.
        start: The mask so far; None where there is none.

    Raises:
        ValueError: A mark is malformed, there is neither a box nor a mask, or nothing is found.
    """
    hints = hints_from_marks(marks, photo.shape[:2])
    box = next((mark for mark in marks if mark["kind"] == "box"), None)
    if box is not None:
        labels = np.where(hints == BACKGROUND, cv2.GC_BGD, cv2.GC_PR_FGD).astype(np.uint8)
    elif start is not None and start.any():
        labels = _labels_around(hints, start)
    else:
        raise ValueError("draw a box around the garment first (B).")
    labels[hints == PRODUCT] = cv2.GC_FGD
    rows, columns = crop_around(labels != cv2.GC_BGD)
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[rows, columns] = _cut(photo[rows, columns], labels[rows, columns])
    if box is not None:
        within = cv2.boundingRect((hints != BACKGROUND).astype(np.uint8))
        if mask.sum() < _LEAST_SHARE * within[2] * within[3]:
            mask = _ellipse(within, mask.shape)
    mask[hints == PRODUCT], mask[labels == cv2.GC_BGD] = 1, 0
    if not mask.any():
        raise ValueError("found no garment there; draw on it (P) or paint it (Shift+Enter).")
    return mask


def _cut(photo: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """OpenCV's GrabCut from labels on; uint8 of 0 and 1."""
    scale = min(1.0, _CUT_SIDE / max(photo.shape[:2]))
    if scale < 1:
        size_wh = [max(2, round(side * scale)) for side in photo.shape[1::-1]]
        photo = cv2.resize(photo, size_wh, interpolation=cv2.INTER_AREA)
    full_wh = labels.shape[::-1]
    solved = cv2.resize(labels, photo.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    if not np.isin(solved, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():  # a box of all the photo
        solved[:2] = solved[-2:] = solved[:, :2] = solved[:, -2:] = cv2.GC_PR_BGD
    cv2.setRNGSeed(0)  # its color clusters start at random
    models = np.zeros((1, 65), np.float64), np.zeros((1, 65), np.float64)
    photo, no_rect = np.ascontiguousarray(photo), (0, 0, 0, 0)
    cv2.grabCut(
        photo, solved, no_rect, models[0], models[1], _NUM_ITERATIONS, cv2.GC_INIT_WITH_MASK
    )
    found = np.isin(solved, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return (cv2.resize(found, full_wh, interpolation=cv2.INTER_LINEAR) > 0.5).astype(np.uint8)


def _ellipse(within: Sequence[int], size_hw: tuple[int, ...]) -> np.ndarray:
    left, top, width, height = within
    mask = np.zeros(size_hw, np.uint8)
    center = (left + (width - 1) / 2, top + (height - 1) / 2)
    return cv2.ellipse(mask, (center, (width, height), 0), 1, cv2.FILLED)


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


def _labels_around(hints: np.ndarray, start: np.ndarray) -> np.ndarray:
    """GrabCut's labels: the mask so far is sure away from its outline and from strokes."""
    side = float(start.sum()) ** 0.5
    radius, reach = max(3, round(_BAND * side)), max(5, round(_REACH * side))
    strokes = (hints == PRODUCT).astype(np.uint8)
    near = _within(start, radius) | _within(strokes, reach)
    doubted = _within((hints == BACKGROUND).astype(np.uint8), 2 * radius)
    labels = np.where(near, cv2.GC_PR_BGD, cv2.GC_BGD)
    labels[(start | strokes) > 0] = cv2.GC_PR_FGD
    labels[(cv2.distanceTransform(start, cv2.DIST_L2, 5) > radius) & ~doubted] = cv2.GC_FGD
    labels[hints == BACKGROUND] = cv2.GC_BGD
    return labels.astype(np.uint8)


def crop_around(allowed: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of what may be garment, with a margin."""
    bounds: list[slice] = []
    for axis in (1, 0):
        places = np.flatnonzero(allowed.any(axis=axis))
        if not len(places):
            raise ValueError("the box is outside the photo; draw it on the garment.")
        first, last = int(places[0]), int(places[-1]) + 1
        margin = max(_LEAST_MARGIN, round(_MARGIN * (last - first)))
        bounds.append(slice(max(0, first - margin), last + margin))
    return bounds[0], bounds[1]


def _within(mask: np.ndarray, radius: float) -> np.ndarray:
    """Where the mask is so near, bool; its time does not grow with the radius."""
    if not mask.any():
        return np.zeros(mask.shape, bool)
    return cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5) <= radius
