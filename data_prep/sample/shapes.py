"""Curves that figure and garments are made of.

Every polygon and path is float [num_points, 2], (x, y).
"""

from collections.abc import Sequence

import numpy as np

Points = Sequence[Sequence[float]] | np.ndarray


def closed_curve(points: Points, per_side: int = 6) -> np.ndarray:
    """A smooth closed curve (Catmull-Rom) through `points`."""
    knots = np.asarray(points, float)
    before, after = np.roll(knots, 1, axis=0), np.roll(knots, -1, axis=0)
    return _catmull_rom(before, knots, after, np.roll(knots, -2, axis=0), per_side)


def open_curve(points: Points, per_side: int = 6) -> np.ndarray:
    """A smooth curve from the first of `points` to the last, through all of them."""
    knots = np.asarray(points, float)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    curve = _catmull_rom(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], per_side)
    return np.concatenate([curve, knots[-1:]])


def _catmull_rom(p0, p1, p2, p3, per_side: int) -> np.ndarray:
    t = (np.arange(per_side) / per_side)[None, :, None]
    p0, p1, p2, p3 = (p[:, None, :] for p in (p0, p1, p2, p3))
    curve = 0.5 * (
        2 * p1
        + (p2 - p0) * t
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return curve.reshape(-1, 2)


def ellipse(
    centre: Sequence[float] | np.ndarray,
    radii: Sequence[float] | np.ndarray,
    degrees: float = 0.0,
) -> np.ndarray:
    """An ellipse as a polygon of 32 points, turned clockwise by `degrees`."""
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    points = np.stack([np.cos(angle) * radii[0], np.sin(angle) * radii[1]], axis=1)
    return turned(points, degrees) + np.asarray(centre, float)


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """`points` turned clockwise (as seen, y down) round the origin."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.asarray(points, float) @ np.array([[c, s], [-s, c]])


def mirrored(points: Points) -> np.ndarray:
    """A closed outline from its right half, given top to bottom with x >= 0."""
    right = np.asarray(points, float)
    return np.concatenate([right, right[::-1] * (-1, 1)])


def tube(
    path: np.ndarray,
    radii: Sequence[float] | np.ndarray,
    *,
    round_start: bool = False,
    round_end: bool = False,
) -> list[np.ndarray]:
    """The parts of a limb or sleeve: quads along a path, with a radius that runs along it.

    Args:
        path: float [num_points, 2], the middle line.
        radii: Radii at even steps along the path, interpolated between.
        round_start: Adds half a disc at the start.
        round_end: Adds half a disc at the end.

    Returns:
        Polygons whose union is the tube; they overlap at bends.
    """
    steps = np.linspace(0, 1, len(path))
    radius = np.interp(steps, np.linspace(0, 1, len(radii)), radii)[:, None]
    direction = np.gradient(path, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
    side = np.stack([-direction[:, 1], direction[:, 0]], axis=1) * radius
    left, right = path + side, path - side
    quads = [np.stack([left[i], left[i + 1], right[i + 1], right[i]]) for i in range(len(path) - 1)]
    if round_start:
        quads.append(ellipse(path[0], (radius[0, 0], radius[0, 0])))
    if round_end:
        quads.append(ellipse(path[-1], (radius[-1, 0], radius[-1, 0])))
    return quads


def along(path: np.ndarray, start: float, end: float, num_points: int = 14) -> np.ndarray:
    """Evenly spaced points of a polyline between two shares (0 to 1) of its length."""
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    wanted = np.linspace(start, end, num_points) * lengths[-1]
    return np.stack([np.interp(wanted, lengths, path[:, i]) for i in (0, 1)], axis=1)


def rounded_corners(joints: Points) -> np.ndarray:
    """A polyline through a limb's joints, its bends cut round (Chaikin, three times)."""
    path = np.asarray(joints, float)
    for _ in range(3):
        a, b = path[:-1], path[1:]
        inner = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=1).reshape(-1, 2)
        path = np.concatenate([path[:1], inner[1:-1], path[-1:]])
    return path
