"""Drawn product photos with known masks, for tests without real photos."""

import cv2
import numpy as np


def backdrop(kind: str, size_hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Draws float64 [height, width, 3], BGR, 0 to 255."""
    rng = np.random.default_rng(seed)
    height, width = size_hw
    if kind == "gradient":
        return np.repeat(np.linspace(250, 190, height)[:, None, None], width, 1) * np.ones(3)
    if kind == "texture":
        grid = rng.normal(0, 11, (height // 9, width // 9))
        return (190 + cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))[
            ..., None
        ] * np.ones(3)
    color = {"white": (252, 252, 252), "grey": (200, 200, 200), "colour": (150, 200, 235)}[kind]
    return np.ones((height, width, 3)) * color


def shirt(size_hw: tuple[int, int], hole: bool = False) -> np.ndarray:
    """Draws a T-shaped mask, uint8 [height, width] of 0 and 1."""
    height, width = size_hw
    points = np.array(
        [(0.2, 0.3), (0.4, 0.22), (0.6, 0.22), (0.8, 0.3), (0.76, 0.42), (0.65, 0.38)]
        + [(0.66, 0.75), (0.34, 0.75), (0.35, 0.38), (0.24, 0.42)]
    )
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [(points * (width, height)).astype(np.int32)], 1)
    if hole:
        cv2.circle(mask, (width // 2, height // 2), width // 12, 0, -1)
    return mask


def fabric(size_hw: tuple[int, int], color: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Draws cloth with folds, float64 [height, width, 3], BGR."""
    rng = np.random.default_rng(seed)
    height, width = size_hw
    folds = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), 6)
    weave = rng.normal(0, 4, (height, width))
    light = 25 * folds / folds.std() + weave
    return np.clip(np.ones((height, width, 3)) * color + light[..., None], 0, 255)


def photo(
    kind: str,
    mask: np.ndarray,
    color: tuple[int, int, int] = (60, 50, 140),
    shadow: float = 0.35,
) -> np.ndarray:
    """Sets cloth of a mask's shape on a backdrop; uint8 [height, width, 3], BGR, JPEG's noise."""
    light = backdrop(kind, mask.shape)
    moved = cv2.warpAffine(
        mask * 1.0, np.array([[1, 0, 9], [0, 1, 14]], np.float32), mask.shape[::-1]
    )
    light *= 1 - shadow * cv2.GaussianBlur(moved, (0, 0), 10)[..., None]
    alpha = cv2.GaussianBlur(mask * 1.0, (0, 0), 0.8)[..., None]
    mixed = np.clip(fabric(mask.shape, color) * alpha + light * (1 - alpha), 0, 255)
    jpeg = cv2.imencode(".jpg", mixed.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert decoded is not None, "it was encoded here"
    return decoded


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Of two masks."""
    return np.count_nonzero(first & second) / np.count_nonzero(first | second)
