"""Colours and patterns of garments."""

from dataclasses import dataclass

import cv2
import numpy as np

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Fabric:
    """What a garment is made of.

    Attributes:
        rgb: Ground colour, 0 to 255.
        pattern: One of PATTERNS' keys, or "plain".
        second_rgb: The pattern's colour.
        size: The pattern's repeat, in figure heights.
    """

    rgb: RGB
    pattern: str = "plain"
    second_rgb: RGB = (255, 255, 255)
    size: float = 0.03


def shifted(rgb: RGB, factor: float) -> RGB:
    """A lighter (factor > 1) or darker colour of the same hue."""
    if factor <= 1:
        red, green, blue = (int(c * factor) for c in rgb)
    else:
        red, green, blue = (int(255 - (255 - c) / factor) for c in rgb)
    return red, green, blue


def fabric_rgb(fabric, shape_hw, corner_xy, anchor: np.ndarray, unit: float) -> np.ndarray:
    """Colours a patch of fabric.

    Args:
        fabric: What to draw.
        shape_hw: Height and width of the patch in pixels.
        corner_xy: The patch's top left pixel in the picture.
        anchor: Polygon that the pattern is fixed to, so that it moves with the garment.
        unit: Pixels per figure height.

    Returns:
        float32 [height, width, 3], RGB, 0 to 255.
    """
    colour = np.empty((*shape_hw, 3), np.float32)
    colour[:] = fabric.rgb
    if fabric.pattern == "plain":
        return colour
    origin = anchor.mean(axis=0)
    repeat = fabric.size * unit
    x = ((np.arange(shape_hw[1], dtype=np.float32) + corner_xy[0] - origin[0]) / repeat)[None, :]
    y = ((np.arange(shape_hw[0], dtype=np.float32) + corner_xy[1] - origin[1]) / repeat)[:, None]
    sharpness = np.float32(min(repeat / 3, 4))
    weight = PATTERNS[fabric.pattern](x, y, sharpness)
    colour += (np.float32(fabric.second_rgb) - colour) * weight[..., None]
    return colour


def _edge(wave: np.ndarray, sharpness: float) -> np.ndarray:
    """A wave round 0 made into bands of 0 and 1 with an edge about a pixel wide."""
    return np.clip(wave * sharpness + 0.5, 0, 1)


def _wave(t: np.ndarray) -> np.ndarray:
    return np.sin(t * np.float32(2 * np.pi))


def _stripes_across(x, y, sharpness):
    return _edge(_wave(y + 0.05 * _wave(x * 0.2)), sharpness)


def _stripes_down(x, y, sharpness):
    return _edge(_wave(x + 0.05 * _wave(y * 0.2)), sharpness)


def _stripes_diagonal(x, y, sharpness):
    return _edge(_wave((x + y) * np.float32(0.7)), sharpness)


def _checks(x, y, sharpness):
    return 0.5 * (_edge(_wave(x), sharpness) + _edge(_wave(y), sharpness))


def _plaid(x, y, sharpness):
    broad = 0.35 * (_edge(_wave(x * 0.5), sharpness) + _edge(_wave(y * 0.5), sharpness))
    thin_x = _edge(_wave(x * 0.5 + 0.4) - 0.93, sharpness * 5)
    thin_y = _edge(_wave(y * 0.5 + 0.4) - 0.93, sharpness * 5)
    return np.maximum(broad, np.maximum(thin_x, thin_y))


def _dots(x, y, sharpness):
    row = np.floor(y)
    u = np.mod(x + 0.5 * np.mod(row, 2), 1) - 0.5
    v = y - row - 0.5
    return np.clip((0.27 - np.sqrt(u * u + v * v)) * sharpness * 3 + 0.5, 0, 1)


def _blossoms(x, y, sharpness):
    row, column = np.floor(y), np.floor(x)
    chance = np.mod(np.sin(row * 12.9898 + column * 78.233) * 43758.5, 1).astype(np.float32)
    turn = np.mod(chance * 17, 1)
    u = x - column - 0.35 - 0.3 * chance
    v = y - row - 0.35 - 0.3 * turn
    petals = 0.26 + 0.09 * np.cos(5 * np.arctan2(v, u) + 6 * chance)
    return np.clip((petals - np.sqrt(u * u + v * v)) * sharpness * 3 + 0.5, 0, 1)


def _denim(x, y, sharpness):
    twill = 0.10 + 0.10 * _wave((x * 1.0 + y * 0.6) * 3)
    patch = np.random.default_rng(7).random((9, 9), np.float32)
    shape = np.broadcast_shapes(x.shape, y.shape)
    wear = cv2.resize(patch, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(twill + 0.30 * (wear - 0.4), 0, 1)


def _knit(x, y, sharpness):
    zigzag = np.abs(np.mod(x, 1) - 0.5)
    return 0.22 + 0.22 * _wave(y * 1.2 + zigzag)


def _ribs(x, y, sharpness):
    return 0.2 + 0.2 * _wave(x + 0 * y)


PATTERNS = {
    "stripes_across": _stripes_across,
    "stripes_down": _stripes_down,
    "stripes_diagonal": _stripes_diagonal,
    "checks": _checks,
    "plaid": _plaid,
    "dots": _dots,
    "blossoms": _blossoms,
    "denim": _denim,
    "knit": _knit,
    "ribs": _ribs,
}
