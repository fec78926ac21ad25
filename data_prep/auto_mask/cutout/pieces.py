"""The topology of a cut: its pieces, and holes through which the background is seen."""

import cv2
import numpy as np

from data_prep.auto_mask.cutout.background import MIN_SHADE, Background
from data_prep.auto_mask.cutout.cues import disk

_MIN_HOLE = 25  # pixels
_HOLE_SCORE = 5.7  # grey levels a pixel
_MIN_QUIET = 0.25
_MAX_HOLES = 5
_TEXTURED_HOLE = 0.01  # of the mask
_PATTERN_AREA = 0.02  # of the mask
_MIN_PIECE = 0.04  # of the largest one's area
_RUN_SIDE = 640  # pixels of the longer side, where thin lines are looked for
_RUN_RADIUS = 0.005  # of the diagonal: twice that wide is thin
_RUN_LENGTH = 0.08  # of the diagonal; shorter ones may be straps
_CUT_OFF = 0.5  # of the largest piece's area
_SAME_PRODUCT = 0.012  # of the photo's diagonal: pieces nearer than that are one product


def fill(mask: np.ndarray) -> np.ndarray:
    """Fills every hole of a mask, uint8 [height, width] of 0 and 1."""
    padded = cv2.copyMakeBorder(1 - mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels = cv2.connectedComponents(padded, connectivity=4)
    return (labels[1:-1, 1:-1] != labels[0, 0]).astype(np.uint8)


def background_like(background: Background) -> np.ndarray:
    """Pixels that could be background in some shadow, uint8 [height, width] of 0 and 1."""
    shade = background.shade
    like = (background.chroma_distance < 16) & (shade > MIN_SHADE)
    like &= shade < 1 + 3 * background.shade_noise
    return like.astype(np.uint8)


def find_holes(mask: np.ndarray, background: Background, edges: np.ndarray) -> np.ndarray:
    """Finds where the background is seen through a product, such as within a bag's handle.

    A hole looks like background, is as quiet as it and has a sharp rim; a white patch on a white
    shirt has none.

    Args:
        mask: uint8 [height, width] of 0 and 1, filled.
        background: of the photo at this size.
        edges: of cues.edge_strength.

    Returns:
        uint8 [height, width] of 0 and 1.
    """
    like = cv2.morphologyEx(background_like(background) & mask, cv2.MORPH_OPEN, disk(1))
    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(like, connectivity=4)
    usual_edge = float(np.percentile(edges[background.border], 98))
    holes, found = np.zeros_like(mask), []
    for label in range(1, num_labels):
        x, y, width, height, area = stats[label]
        if area < _MIN_HOLE:
            continue
        around = np.s_[max(0, y - 3) : y + height + 3, max(0, x - 3) : x + width + 3]
        hole = (labels[around] == label).astype(np.uint8)
        rim = (cv2.dilate(hole, disk(2)) > 0) & (hole == 0)
        near = cv2.dilate(edges[around], np.ones((3, 3), np.uint8))
        edge = float(np.percentile(near[rim], 25)) if rim.any() else 0.0
        quiet = _quiet_share(background.shade[around], hole, background.detail_noise)
        if quiet > _MIN_QUIET and edge * quiet > _HOLE_SCORE and edge > 1.5 * usual_edge:
            found.append((area, around, hole))
    # Many small ones are a pattern of the background's color, such as stripes or lace.
    least = _PATTERN_AREA * int(mask.sum()) if len(found) > _MAX_HOLES else 0
    for area, around, hole in found:
        if area >= least:
            holes[around][hole > 0] = 1
    return holes


def seen_through(
    found: np.ndarray, mask: np.ndarray, background: Background, texture: np.ndarray
) -> np.ndarray:
    """Finds holes of a mask that have a textured background's own texture.

    Args:
        found: uint8 [height, width] of 0 and 1, the cut before its holes were filled.
        mask: the same, filled.
        background: of the photo at this size.
        texture: of cues.texture_cue.

    Returns:
        uint8 [height, width] of 0 and 1.
    """
    closed = mask & (1 - found)
    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=4)
    like = background_like(background)
    holes = np.zeros_like(mask)
    for label in range(1, num_labels):
        hole = labels == label
        is_large = stats[label, cv2.CC_STAT_AREA] > max(_MIN_HOLE, _TEXTURED_HOLE * mask.sum())
        if is_large and like[hole].mean() > 0.85 and np.median(texture[hole]) < 0.5:
            holes[hole] = 1
    return holes


def _quiet_share(shade: np.ndarray, region: np.ndarray, detail_noise: float) -> float:
    """The share of a region whose fine detail is no more than the background's."""
    inside = cv2.erode(region, disk(1)).astype(np.float32)
    if inside.sum() < 8:
        return 0.0
    weight = cv2.GaussianBlur(inside, (0, 0), 1.5) + 1e-6
    detail = shade - cv2.GaussianBlur(shade * inside, (0, 0), 1.5) / weight
    return float((np.abs(detail[inside > 0]) < max(3 * detail_noise, 0.012)).mean())


def drop_crumbs(mask: np.ndarray, least_share: float = _MIN_PIECE) -> np.ndarray:
    """Drops pieces of less than a share of the largest one's area."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    keeps = areas >= max(least_share * areas.max(), 1)
    return keeps[labels].astype(np.uint8)


def split_products(mask: np.ndarray) -> list[np.ndarray]:
    """One mask a product, the largest first; pieces very near each other are one product."""
    reach = max(1, round(_SAME_PRODUCT * float(np.hypot(*mask.shape)) / 2))
    _, groups = cv2.connectedComponents(cv2.dilate(mask, disk(reach)), connectivity=8)
    groups = groups * mask
    areas = np.bincount(groups.ravel())
    areas[0] = 0
    return [(groups == group).astype(np.uint8) for group in np.argsort(-areas) if areas[group] > 0]


def drop_runs(mask: np.ndarray) -> np.ndarray:
    """Drops thin lines that run out of a product: a seam of the floor, a fold, a hanger's hook.

    A thin part that comes back to the product, such as a strap or a handle, stays.

    Args:
        mask: uint8 [height, width] of 0 and 1.

    Returns:
        uint8 [height, width] of 0 and 1.
    """
    height, width = mask.shape
    scale = min(1.0, _RUN_SIDE / max(height, width))
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(mask, size_wh, interpolation=cv2.INTER_NEAREST)
    diagonal = float(np.hypot(*size_wh))
    radius = max(1, round(_RUN_RADIUS * diagonal))
    # A little wider than what was opened: corners of the product are no thin parts.
    opened = cv2.morphologyEx(small, cv2.MORPH_OPEN, disk(radius))
    body = cv2.min(cv2.dilate(opened, disk(1)), small)
    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(small - body, connectivity=8)
    runs = np.zeros_like(small)
    for label in range(1, num_labels):
        x, y, run_width, run_height, area = stats[label]
        length = float(np.hypot(run_width, run_height))
        if length < _RUN_LENGTH * diagonal or area > length * 2 * (radius + 1):
            continue
        around = np.s_[max(0, y - 2) : y + run_height + 2, max(0, x - 2) : x + run_width + 2]
        run = (labels[around] == label).astype(np.uint8)
        contacts = cv2.min(cv2.dilate(run, np.ones((3, 3), np.uint8)), body[around])
        if cv2.connectedComponents(contacts, connectivity=8)[0] <= 2:
            runs[around][run > 0] = 1
    if not runs.any():
        return mask
    dropped = cv2.resize(runs, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(dropped > 0, 0, mask).astype(np.uint8)


def drop_cut_off(mask: np.ndarray) -> np.ndarray:
    """Drops pieces at the photo's rim beside a product within it: what lies there is not shown."""
    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if num_labels <= 2:
        return mask
    height, width = mask.shape
    x, y = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = x + stats[:, cv2.CC_STAT_WIDTH], y + stats[:, cv2.CC_STAT_HEIGHT]
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    at_rim = (x <= 2) | (y <= 2) | (right >= width - 2) | (bottom >= height - 2)
    keeps = ~(at_rim & (areas < _CUT_OFF * areas.max()))
    keeps[0] = False
    return keeps[labels].astype(np.uint8)
