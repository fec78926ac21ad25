"""Masks as COCO polygons: flat lists of integers, several per instance where split."""

from collections.abc import Sequence

import cv2
import numpy as np

TOLERANCE_PX = 0.5
MIN_PART_AREA = 2.0


def polygons_from_mask(mask: np.ndarray) -> list[list[int]]:
    """Traces a mask along its pixels' outer edges, as COCO polygons are read.

    Polygons cannot have holes: a part with a hole is cut in two through the hole.

    Args:
        mask: uint8 [height, width], 0 or 1.

    Returns:
        Flat [x0, y0, x1, y1, ...] lists of pixel corners, each of three points or more.
    """
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return []
    crop = mask[top : top + height, left : left + width]
    return [
        polygon
        for points in _trace(crop)
        if (polygon := _flat_polygon(points + (left, top))) is not None
    ]


def _trace(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of the parts of a mask, float [num_points, 2], (x, y), pixel corners."""
    # At twice the size a border pixel's centre is a quarter pixel inside the edge: rounding
    # lands on the edge itself.
    double = np.pad(mask.repeat(2, axis=0).repeat(2, axis=1), 1)
    contours, hierarchy = cv2.findContours(double, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines = []
    for index, contour in enumerate(contours):
        if hierarchy[0][index][3] >= 0 or cv2.contourArea(contour) < 4 * MIN_PART_AREA:
            continue
        hole = _largest_hole(contours, hierarchy[0], index)
        if hole is None:
            short = cv2.approxPolyDP(contour, 2 * TOLERANCE_PX, True)[:, 0, :]
            outlines.append((short - 0.5) / 2)
            continue
        part = np.zeros_like(double)
        cv2.drawContours(part, contours, index, 1, -1, hierarchy=hierarchy, maxLevel=1)
        part = part[1:-1:2, 1:-1:2] & mask
        x, _, width, _ = cv2.boundingRect(hole)
        cut = int(np.clip((x - 1 + width / 2) // 2, 1, mask.shape[1] - 1))
        outlines += _trace(part[:, :cut])
        outlines += [points + (cut, 0) for points in _trace(part[:, cut:])]
    return outlines


def _largest_hole(contours, hierarchy, index: int) -> np.ndarray | None:
    holes, child = [], hierarchy[index][2]
    while child >= 0:
        if cv2.contourArea(contours[child]) >= 4 * MIN_PART_AREA:
            holes.append(contours[child])
        child = hierarchy[child][0]
    return max(holes, key=cv2.contourArea, default=None)


def _flat_polygon(points: np.ndarray) -> list[int] | None:
    corners = np.round(points).astype(int)
    keep = np.any(corners != np.roll(corners, 1, axis=0), axis=1)
    corners = corners[keep]
    return corners.ravel().tolist() if len(corners) >= 3 else None


def joined_polygon(polygons: Sequence[Sequence[float]]) -> list[float]:
    """Joins polygons where they are nearest; the way there and back encloses nothing.

    Args:
        polygons: flat [x, y, ...], three points or more each.

    Returns:
        One flat polygon.
    """
    parts = [np.asarray(polygon, float).reshape(-1, 2) for polygon in polygons]
    points = np.concatenate(parts)
    starts = np.cumsum([0, *map(len, parts)])
    part_of = np.repeat(np.arange(len(parts)), list(map(len, parts)))
    joined = list(range(starts[1]))  # indices into points
    gaps = np.full(len(points), np.inf)  # squared, from each point to the nearest one joined
    anchors = np.zeros(len(points), np.int64)  # that one
    newest = 0
    for _ in parts[1:]:
        first, last = starts[newest : newest + 2]
        gaps[first:last] = np.nan  # joined
        to_newest = ((points[:, np.newaxis] - points[first:last]) ** 2).sum(axis=2)
        is_nearer = to_newest.min(axis=1) < gaps
        gaps[is_nearer] = to_newest.min(axis=1)[is_nearer]
        anchors[is_nearer] = first + to_newest.argmin(axis=1)[is_nearer]
        there = int(np.nanargmin(gaps))
        newest = int(part_of[there])
        first, last = map(int, starts[newest : newest + 2])
        at = joined.index(int(anchors[there]))
        way = [*range(there, last), *range(first, there), there]
        joined = [*joined[: at + 1], *way, *joined[at:]]
    return points[joined].ravel().tolist()
