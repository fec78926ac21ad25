"""Cuts the product out of a photo: background model, cues, cut, holes, outline, confidence.

No learned weights: the photo's own border tells what is background.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.auto_mask.cutout import background, cues, outline, pieces, solve
from data_prep.auto_mask.cutout.confidence import Confidence, judge

_SMALL_SIDE = 320  # pixels, where the product is found
_MEDIUM_SIDE = 640  # where it is cut
_SURE = 6.0  # log odds
_SHARE = 0.3  # of a pixel's log odds that counts: neighbours repeat each other
_UNIFORM = float(-np.log(256.0**3))  # log density of a color not known
# Log odds of a pixel without any cue, and the lowest that its color alone may give.
_PLAIN_ODDS = (-2.5, -5.0)
_TEXTURED_ODDS = (-1.2, -2.0)
_BAND = 7  # pixels around the found product where it is cut anew


@dataclass(frozen=True)
class Cut:
    """What was found in a photo.

    Attributes:
        mask: uint8 [height, width] of 0 and 1, the photo's own size, all products.
        products: one mask a product, the largest first; empty where there is no clear one.
        confidence: how far to trust it, and why not.
    """

    mask: np.ndarray
    products: list[np.ndarray]
    confidence: Confidence


def cut(photo: np.ndarray, hints: np.ndarray | None = None, strict: bool = False) -> Cut:
    """Finds the products of a photo taken on a plain, shaded, colored or textured background.

    Args:
        photo: uint8 [height, width, 3], BGR.
        hints: uint8 [height, width], what a person marked: 0 nothing, 1 product, 2 background.
        strict: of confidence.judge; the mask is the same.
    """
    height, width = photo.shape[:2]
    small_wh = _fitting(width, height, _SMALL_SIDE)
    small = solve.resize(photo, small_wh).astype(np.float32)
    scene = background.fit(small)
    edges = cues.edge_strength(small)
    texture = cues.texture_cue(scene)
    small_hints = _at(hints, small_wh)
    found = _find(small, scene, edges, texture, small_hints)
    mask = _closed(found, scene, edges, texture)
    if small_hints is not None:
        mask[small_hints == 1], mask[small_hints == 2] = 1, 0

    medium_wh = _fitting(width, height, min(_MEDIUM_SIDE, max(width, height)))
    medium = solve.resize(photo, medium_wh).astype(np.float32)
    start = np.where(mask > 0, np.maximum(found, 0.6), np.minimum(found, 0.4))
    medium_scene = background.describe(
        medium,
        solve.resize(scene.color, medium_wh),
        cv2.resize(scene.border.astype(np.uint8), medium_wh, interpolation=cv2.INTER_NEAREST) > 0,
        scene.plain_share,
    )
    region = _sharpen(medium, medium_scene, solve.resize(start, medium_wh), _at(hints, medium_wh))
    full = (solve.resize(region, (width, height)) > 0.5).astype(np.uint8)
    full = outline.refine(photo, scene.color, pieces.drop_crumbs(full))
    full = pieces.drop_cut_off(pieces.drop_crumbs(pieces.drop_runs(full)))
    if hints is not None:
        full[hints == 1], full[hints == 2] = 1, 0
    confidence = judge(full, mask, small, scene, edges, strict)
    return Cut(full, pieces.split_products(full) if confidence.has_product else [], confidence)


def _find(
    image: np.ndarray,
    scene: background.Background,
    edges: np.ndarray,
    texture: np.ndarray,
    hints: np.ndarray | None,
) -> np.ndarray:
    """Finds the product at a small size; float32 [height, width], above 0.5 is product.

    What is enclosed by edges is product even where its color is the background's.
    """
    enclosed = np.clip(cues.enclosure_cue(image, edges, scene) / 0.4, 0, 1)
    offset, lowest = _TEXTURED_ODDS if scene.is_textured else _PLAIN_ODDS
    prior = texture + 5.0 * enclosed + offset
    least = lowest * (1 - enclosed) - 0.5 * enclosed
    weights = solve.edge_weights(image, scene.border, 3.0)

    def solved(product_density, background_density, start, num_iterations):
        odds = np.clip(product_density - background_density, least, _SURE) + prior
        odds = np.clip(odds, -_SURE, _SURE) * _SHARE
        _force(odds, scene.border, hints)
        start = (odds > 0).astype(np.float32) if start is None else start
        return solve.solve(odds.astype(np.float32), weights, start, num_iterations)

    found = solved(_UNIFORM, scene.log_density(), None, 120)
    for _ in range(2):
        mask = (found > 0.5).astype(np.uint8)
        inside = cv2.erode(mask, cues.disk(1))
        inside = inside if inside.sum() >= 30 else mask
        product_density = solve.product_log_density(image, inside.astype(np.float32))
        density = _background_density(scene, pieces.fill(mask), 2, 4, (0.02, 10))
        found = solved(product_density, density, found, 80)
    return found


def _closed(
    found: np.ndarray, scene: background.Background, edges: np.ndarray, texture: np.ndarray
) -> np.ndarray:
    """What _find found as a mask, uint8 of 0 and 1, open only where it is seen through."""
    cut_out = (found > 0.5).astype(np.uint8)
    mask = pieces.fill(cut_out)
    holes = pieces.find_holes(mask, scene, edges)
    if scene.is_textured:
        holes |= pieces.seen_through(cut_out, mask, scene, texture)
    return mask & (1 - holes)


def _sharpen(
    image: np.ndarray, scene: background.Background, start: np.ndarray, hints: np.ndarray | None
) -> np.ndarray:
    """Cuts anew along the outline of a region found at a smaller size; arguments as _find's."""
    weights = solve.edge_weights(image, scene.border, 2.5)
    mask = (start > 0.5).astype(np.uint8)
    outside = cv2.dilate(mask, cues.disk(_BAND)) == 0
    deep, inner = (cv2.erode(mask, cues.disk(radius)) > 0 for radius in (_BAND - 1, 3))
    region = start
    for _ in range(2):
        inside = cv2.erode(mask, cues.disk(2))
        inside = inside if inside.sum() >= 30 else mask
        odds = solve.product_log_density(image, inside.astype(np.float32))
        odds = odds - _background_density(scene, mask, 3, 5, (0.012, 12))
        odds = np.clip(odds, -_SURE, _SURE) * _SHARE
        odds[outside] = -_SURE
        odds[inner] = np.maximum(odds[inner], -1)
        odds[deep] = _SURE
        _force(odds, np.zeros_like(scene.border), hints)
        region = solve.solve(odds.astype(np.float32), weights, region.astype(np.float32), 40)
        mask = (region > 0.5).astype(np.uint8)
    return region


def _background_density(
    scene: background.Background,
    mask: np.ndarray,
    gap: int,
    scale: float,
    growth: tuple[float, int],
) -> np.ndarray:
    """The background's log density, with the shade taken from at least gap pixels off the mask.

    growth is how much less sure the shade is with each pixel further, and up to how many pixels.
    """
    known = (cv2.dilate(mask, cues.disk(gap)) == 0).astype(np.uint8)
    shade = solve.local_shade(scene.shade, known.astype(np.float32), scale)
    distance = np.minimum(cv2.distanceTransform(1 - known, cv2.DIST_L2, 3), growth[1])
    return scene.log_density(shade, np.sqrt(scene.shade_noise**2 + (growth[0] * distance) ** 2))


def _force(odds: np.ndarray, border: np.ndarray, hints: np.ndarray | None) -> None:
    """Settles the photo's rim where it is background, and what a person marked."""
    rim = np.zeros_like(border)
    rim[:2] = rim[-2:] = True
    rim[:, :2] = rim[:, -2:] = True
    odds[rim & border] = -_SURE
    if hints is not None:
        odds[hints == 1] = _SURE
        odds[hints == 2] = -_SURE


def _fitting(width: int, height: int, side: int) -> tuple[int, int]:
    scale = side / max(width, height)
    return max(8, round(width * scale)), max(8, round(height * scale))


def _at(hints: np.ndarray | None, size_wh: tuple[int, int]) -> np.ndarray | None:
    if hints is None:
        return None
    return cv2.resize(hints, size_wh, interpolation=cv2.INTER_NEAREST)
