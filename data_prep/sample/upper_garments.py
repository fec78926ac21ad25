"""Tops and dresses, and the sleeves of all upper garments."""

import numpy as np

from data_prep.sample.canvas import Canvas, Fold
from data_prep.sample.fabric import Fabric, shifted
from data_prep.sample.figure import SHOULDER_Y, SIDES, WAIST_Y, Figure
from data_prep.sample.lower_garments import draw_flared
from data_prep.sample.outfit import Garment
from data_prep.sample.shapes import ellipse, open_curve, tube

# share of the arm that the sleeve covers, and its radius at the shoulder and the cuff
SLEEVES = {
    "tee": (0.36, 0.037, 0.041), "blouse": (0.46, 0.036, 0.04), "sweater": (0.5, 0.038, 0.036),
    "short_sleeves": (0.32, 0.036, 0.04), "puffed_sleeves": (0.34, 0.044, 0.036),
    "coat": (0.97, 0.041, 0.033), "blazer": (0.97, 0.038, 0.03), "jacket": (0.95, 0.042, 0.032),
    "cardigan": (0.97, 0.04, 0.034),
}  # fmt: skip


def draw_sleeve(canvas: Canvas, figure: Figure, garment: Garment, instance: int, side: int) -> None:
    """The sleeve of a top, dress or outer; nothing for a sleeveless one."""
    if garment.kind not in SLEEVES:
        return
    end, shoulder_radius, cuff_radius = SLEEVES[garment.kind]
    unit = figure.unit
    path = figure.arm_path(side, 0, end)
    middle = 0.047 if garment.kind == "puffed_sleeves" else 0.5 * (shoulder_radius + cuff_radius)
    radii = np.array([shoulder_radius, middle, cuff_radius]) * unit
    folds = []
    if end > 0.45:
        direction = (path[8] - path[6]) / np.linalg.norm(path[8] - path[6])
        across = np.array([-direction[1], direction[0]]) * 0.032 * unit
        for step, strength in ((5, -0.2), (6, 0.14), (7, -0.22), (8, 0.12)):
            line = np.stack(
                [path[step] - across, path[step] + 0.2 * across + 0.01 * unit * direction]
            )
            folds.append(Fold(line, strength, 0.006 * unit))
    sleeve = tube(path, radii, round_start=True)
    canvas.paint(sleeve, garment.fabric, instance, folds=folds, roundness=0.02, seam=path[0])
    cuff = tube(path[-2:] - 0.2 * (path[-1] - path[-2]), [radii[-1]])
    canvas.flat(cuff, shifted(garment.fabric.rgb, 0.65), opacity=0.35)


def draw_top(
    canvas: Canvas, figure: Figure, garment: Garment, instance: int, *, tucked: bool
) -> None:
    """The trunk of a top, to the waist or just over the hips."""
    hem_y = WAIST_Y + 0.012 if tucked else 0.455 + 0.03 * garment.length
    loose = 0.012 if garment.kind in ("blouse", "sweater") and not tucked else 0.006
    right, cuts = _bodice(figure, garment, loose)
    blouson = -0.002 if tucked else loose + 0.006  # tucked in, it is no wider than what holds it
    right += [(figure.build.waist + loose + 0.004, WAIST_Y - 0.02)]
    right += [(float(figure.half_width(hem_y)) + blouson, hem_y)]
    curve = open_curve(right[2:], 4)
    outline = np.concatenate([right[:2], curve])
    outline = np.concatenate([outline, [(0, hem_y + 0.006)], (outline * (-1, 1))[::-1]])
    canvas.paint([figure.on_torso(outline)], garment.fabric, instance, cuts=cuts,
                 folds=_trunk_folds(figure, hem_y), roundness=0.03)  # fmt: skip
    _draw_neckline(canvas, figure, garment, instance)


def _bodice(figure: Figure, garment: Garment, loose: float) -> tuple[list, list[np.ndarray]]:
    """Right half from the neck to under the arm, and the polygons cut out for the neck."""
    shoulder = figure.build.shoulder
    if garment.kind in ("tank", "sleeveless"):
        right = [(0.04, 0.2), (0.062, 0.207), (0.066, 0.245), (0.9 * shoulder + 0.002, 0.285)]
        neck = ellipse((0, 0.2), (0.04, 0.055))
    else:
        right = [
            (0.03, 0.192),
            (shoulder - 0.012, SHOULDER_Y - 0.016),
            (shoulder, 0.24),
            (0.92 * shoulder + loose, 0.29),
        ]
        neck = ellipse((0, 0.19), (0.037, 0.03 if garment.kind != "sweater" else 0.022))
    if garment.kind == "blouse":
        neck = np.array([(-0.03, 0.18), (0.03, 0.18), (0.028, 0.2), (0, 0.236), (-0.028, 0.2)])
    return right, [figure.on_torso(neck)]


def _trunk_folds(figure: Figure, hem_y: float) -> list[Fold]:
    unit, folds = figure.unit, []
    for side in SIDES:
        for start, end, strength in (
            ((0.078, 0.29), (0.03, 0.33), -0.15),
            ((0.074, 0.303), (0.036, 0.336), 0.12),
            ((0.066, hem_y - 0.045), (0.03, hem_y - 0.012), -0.17),
            ((0.06, hem_y - 0.058), (0.034, hem_y - 0.035), 0.12),
        ):
            line = figure.on_torso(np.array([start, end]) * (side, 1))
            folds.append(Fold(line, strength, 0.008 * unit))
    return folds


def _draw_neckline(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    unit, dark = figure.unit, shifted(garment.fabric.rgb, 0.62)
    if garment.kind == "blouse":
        for side in SIDES:
            collar = np.array([(0.026, 0.184), (0.047, 0.2), (0.04, 0.242), (0.002, 0.236)]) * (
                side,
                1,
            )
            fabric = Fabric(shifted(garment.fabric.rgb, 1.25))
            canvas.paint([figure.on_torso(collar)], fabric, instance, roundness=0.008)
        placket = figure.on_torso([(0, y) for y in np.linspace(0.24, 0.45, 8)])
        canvas.flat(tube(placket, [0.0018 * unit]), dark, opacity=0.6)
        for at in placket[1:-1]:
            canvas.flat([ellipse(at, (0.0045 * unit, 0.0045 * unit))], garment.accent)
        return
    deep = {"tank": 0.055, "sleeveless": 0.055, "sweater": 0.022}.get(garment.kind, 0.03)
    centre_y, half = (0.2, 0.04) if deep == 0.055 else (0.19, 0.037)
    angle = np.linspace(0.06 * np.pi, 0.94 * np.pi, 12)
    hem = np.stack([half * np.cos(angle), centre_y + deep * np.sin(angle)], axis=1)
    width = 0.0045 if garment.kind == "sweater" else 0.003
    canvas.flat(tube(figure.on_torso(hem), [width * unit]), dark, opacity=0.7)


def dress_hem_y(garment: Garment) -> float:
    """Where it ends, in figure heights."""
    return 0.7 + 0.17 * garment.length


def draw_dress(
    canvas: Canvas, figure: Figure, garment: Garment, instance: int, sway: float
) -> None:
    """One piece from the shoulders to between the knee and the ankle."""
    hem_y = dress_hem_y(garment)
    hem_half = 0.14 + 0.04 * garment.fullness + 0.05 * garment.length
    right, cuts = _bodice(figure, garment, 0.007)
    waist = figure.build.waist + 0.008
    right += [(waist, WAIST_Y), (waist + 0.006, WAIST_Y + 0.012)]
    outline = np.concatenate([right[:2], open_curve(right[2:], 4)])
    bodice = figure.on_torso(np.concatenate([outline, (outline * (-1, 1))[::-1]]))
    draw_flared(canvas, figure, garment, instance, [bodice], waist, hem_y, hem_half, sway, cuts)
    _draw_neckline(canvas, figure, garment, instance)
