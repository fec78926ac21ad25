"""The picture being drawn: antialiased shapes with shading, painted back to front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.sample.fabric import Fabric, fabric_rgb

SUPERSAMPLE = 3
FIXED_POINT_BITS = 4

Polygon = np.ndarray  # float [num_points, 2], (x, y), pixels; pixel i covers [i, i + 1)


class Fold(NamedTuple):
    """A crease: a polyline and its width in pixels, and how much it lightens (> 0) or darkens."""

    points: np.ndarray
    strength: float
    width: float


@dataclass(frozen=True)
class Light:
    """Where the light comes from (unit-less x, y; x < 0 is the left) and how hard it is, 0 to 1."""

    x: float
    y: float
    contrast: float


class _Patch(NamedTuple):
    alpha: np.ndarray  # float32 [height, width], 0 to 1
    x: int
    y: int

    @property
    def roi(self) -> tuple[slice, slice]:
        height, width = self.alpha.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)


class Canvas:
    """An RGB picture and, per pixel, the instance that is seen there.

    Attributes:
        image: float32 [height, width, 3], RGB, 0 to 255.
        owner: uint8 [height, width], the number of the visible instance; 0 is no instance.
        unit: Pixels per figure height; every size of a shape and its shading follows from it.
    """

    def __init__(self, image: np.ndarray, unit: float, light: Light):
        self.image = image.astype(np.float32)
        self.owner: np.ndarray = np.zeros(image.shape[:2], np.uint8)
        self.unit = unit
        self.light = light
        self._figure: np.ndarray = np.zeros(image.shape[:2], np.float32)

    def paint(
        self,
        shapes: Sequence[Polygon],
        fabric: Fabric,
        instance: int = 0,
        *,
        cuts: Sequence[Polygon] = (),
        folds: Sequence[Fold] = (),
        roundness: float = 0.03,
        shadow: float = 0.3,
        shine: float = 0.0,
        seam: np.ndarray | None = None,
    ) -> None:
        """Paints the union of `shapes` less `cuts`, shaded as a rounded solid.

        Args:
            shapes: Polygons in pixels; parts outside the picture are cut off.
            fabric: Colour and pattern.
            instance: Number written to `owner` where the shape covers half a pixel or more.
            cuts: Polygons taken out again, such as a neckline.
            folds: Creases, clipped to the shape.
            roundness: Width of the shaded border, in figure heights.
            shadow: Darkness of the soft shadow on what is already painted of the figure, 0 to 1.
            shine: Strength of the glossy highlight, 0 to 1.
            seam: Where (pixel) the shape goes over into what is painted of the same instance, as
                a sleeve does at the shoulder: no border is shaded there.
        """
        margin = int(0.02 * self.unit) + 2
        patch = self._rasterise(shapes, cuts, margin)
        if patch is None:
            return
        joined = None if seam is None else self._joined(patch, instance, seam)
        if shadow:
            self._cast_shadow(patch, shadow, joined)
        colour = fabric_rgb(fabric, patch.alpha.shape, (patch.x, patch.y), shapes[0], self.unit)
        brightness = self._shade(
            patch.alpha if joined is None else np.maximum(patch.alpha, joined), roundness, shine
        )
        if folds:
            brightness *= self._crease(patch, folds)
        colour *= brightness[..., None]
        self._blend(patch, colour, instance)

    def flat(
        self,
        shapes: Sequence[Polygon],
        rgb: Sequence[float],
        instance: int | None = None,
        *,
        opacity: float = 1.0,
    ) -> None:
        """Paints one colour without shading; `instance` None keeps the owners (a detail)."""
        patch = self._rasterise(shapes, (), 1)
        if patch is None:
            return
        colour = np.asarray(rgb, np.float32)
        weight = (patch.alpha * opacity)[..., None]
        self.image[patch.roi] += (colour - self.image[patch.roi]) * weight
        if instance is not None:
            self.owner[patch.roi][patch.alpha >= 0.5] = instance
            np.maximum(self._figure[patch.roi], patch.alpha, out=self._figure[patch.roi])

    def darken(self, shapes: Sequence[Polygon], strength: float, blur: float) -> None:
        """Multiplies the picture by a blurred shape's shadow; `blur` in figure heights."""
        margin = int(2 * blur * self.unit) + 2
        patch = self._rasterise(shapes, (), margin)
        if patch is not None:
            soft = _soften(patch.alpha, blur * self.unit)
            self.image[patch.roi] *= 1 - strength * soft[..., None]

    def _rasterise(self, shapes, cuts, margin: int) -> _Patch | None:
        height, width = self.owner.shape
        every_point = np.concatenate(shapes)
        near = np.floor(every_point.min(axis=0)).astype(int) - margin
        x0, y0 = max(int(near[0]), 0), max(int(near[1]), 0)
        far = np.ceil(every_point.max(axis=0)).astype(int) + margin
        x1, y1 = min(int(far[0]), width), min(int(far[1]), height)
        if x1 <= x0 or y1 <= y0:
            return None
        mask = np.zeros(((y1 - y0) * SUPERSAMPLE, (x1 - x0) * SUPERSAMPLE), np.uint8)
        for polygons, value in ((shapes, 255), (cuts, 0)):
            for polygon in polygons:
                at = (polygon - (x0, y0)) * SUPERSAMPLE - 0.5
                fixed = np.round(at * 2**FIXED_POINT_BITS).astype(np.int32)
                cv2.fillPoly(mask, [fixed], value, shift=FIXED_POINT_BITS)
        small = cv2.resize(mask, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        return _Patch(small.astype(np.float32) / 255, x0, y0)

    def _joined(self, patch: _Patch, instance: int, seam: np.ndarray) -> np.ndarray:
        """What is there of the instance already, less and less the farther from the seam."""
        height, width = patch.alpha.shape
        dx = np.arange(width, dtype=np.float32)[None, :] + np.float32(patch.x - seam[0])
        dy = np.arange(height, dtype=np.float32)[:, None] + np.float32(patch.y - seam[1])
        distance = np.sqrt(dx * dx + dy * dy) / np.float32(0.05 * self.unit)
        return (self.owner[patch.roi] == instance) * np.clip(2 - distance, 0, 1)

    def _cast_shadow(self, patch: _Patch, strength: float, joined) -> None:
        reach = 0.012 * self.unit
        move = np.array([[1, 0, -self.light.x * reach], [0, 1, 0.8 * reach]], np.float32)
        moved = cv2.warpAffine(patch.alpha, move, (patch.alpha.shape[1], patch.alpha.shape[0]))
        soft = _soften(moved, reach) * self._figure[patch.roi]
        if joined is not None:
            soft *= 1 - joined
        self.image[patch.roi] *= 1 - strength * soft[..., None]

    def _shade(self, alpha: np.ndarray, roundness: float, shine: float) -> np.ndarray:
        radius = max(roundness * self.unit, 1.5)
        soft = _soften(alpha, radius)
        slope_x = cv2.Sobel(soft, cv2.CV_32F, 1, 0) * (radius / 8)
        slope_y = cv2.Sobel(soft, cv2.CV_32F, 0, 1) * (radius / 8)
        facing = -(slope_x * self.light.x + slope_y * self.light.y)
        brightness = 0.76 + 0.26 * soft + (0.75 * self.light.contrast) * facing
        if shine:
            brightness += shine * np.clip(facing - 0.12, 0, None) * 4
        return brightness

    def _crease(self, patch: _Patch, folds: Sequence[Fold]) -> np.ndarray:
        relief: np.ndarray = np.full(patch.alpha.shape, 128, np.uint8)
        for fold in folds:
            at = np.round((fold.points - (patch.x, patch.y) - 0.5) * 16).astype(np.int32)
            grey = int(np.clip(128 + 127 * fold.strength, 0, 255))
            width = max(int(round(fold.width)), 1)
            cv2.polylines(relief, [at], False, grey, width, cv2.LINE_AA, shift=4)
        relief = cv2.blur(relief, (3, 3)) if self.unit < 300 else cv2.blur(relief, (5, 5))
        return relief.astype(np.float32) / 128

    def _blend(self, patch: _Patch, colour: np.ndarray, instance: int) -> None:
        under = self.image[patch.roi]
        np.clip(colour, 0, 255, out=colour)
        under += (colour - under) * patch.alpha[..., None]
        self.owner[patch.roi][patch.alpha >= 0.5] = instance
        np.maximum(self._figure[patch.roi], patch.alpha, out=self._figure[patch.roi])


def _soften(alpha: np.ndarray, radius: float) -> np.ndarray:
    """A bell-like blur from two box blurs: a Gaussian of this width costs ten times as much."""
    size = 2 * max(int(radius), 1) + 1
    border = cv2.BORDER_CONSTANT
    once = cv2.boxFilter(alpha, -1, (size, size), borderType=border)
    return cv2.boxFilter(once, -1, (size, size), borderType=border)
