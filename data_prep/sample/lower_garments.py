"""Pants, shorts, skirts and belts."""

import numpy as np

from data_prep.sample.canvas import Canvas, Fold
from data_prep.sample.fabric import Fabric, shifted
from data_prep.sample.figure import CROTCH_Y, HIP_Y, SIDES, WAIST_Y, Figure
from data_prep.sample.outfit import Garment
from data_prep.sample.shapes import mirrored, open_curve, tube

BELT_TOP_Y, BELT_BOTTOM_Y = WAIST_Y - 0.016, WAIST_Y + 0.02


def draw_trousers(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    """Pants (to the ankle) or shorts (to the middle of the thigh or above)."""
    unit = figure.unit
    if garment.category == "shorts":
        end = 0.32 + 0.1 * garment.length
        radii = np.array([0.054, 0.052, 0.051 + 0.008 * garment.fullness]) * unit
    else:
        end = 0.985
        radii = (
            unit
            * {
                "slim": np.array([0.056, 0.05, 0.04, 0.038, 0.032, 0.028]),
                "straight": np.array([0.058, 0.054, 0.047, 0.044, 0.042, 0.042]),
                "wide": np.array([0.06, 0.058, 0.055, 0.056, 0.06, 0.066]),
            }[garment.kind]
        )
    seat = _hips_outline(figure)
    for side in sorted(SIDES, key=lambda s: figure.legs[s][2][1]):
        path = figure.leg_path(side, 0, end)
        if garment.category == "shorts":  # they stand off outwards, which leaves a gap between
            path = path + np.linspace(0, side * 0.018 * unit, len(path))[:, None] * (1, 0)
        canvas.paint(
            [seat, *tube(path, radii, round_start=True)],
            garment.fabric,
            instance,
            folds=_leg_folds(figure, side, path, radii),
            roundness=0.028,
        )
    _draw_seams(canvas, figure, garment)


def _hips_outline(figure: Figure) -> np.ndarray:
    heights = np.array([WAIST_Y, 0.43, HIP_Y, CROTCH_Y])
    right = [(float(figure.half_width(y)) + 0.006, y) for y in heights]
    right.append((0.01, CROTCH_Y + 0.014))
    return figure.on_torso(mirrored(right))


def _leg_folds(figure: Figure, side: int, path, radii) -> list[Fold]:
    unit = figure.unit
    crotch = figure.on_torso([(0, CROTCH_Y)])[0]
    folds = [
        Fold(np.stack([crotch, path[3] + (side * 0.02 * unit, 0)]), -0.22, 0.008 * unit),
        Fold(np.stack([crotch + (0, 0.01 * unit), path[4]]), -0.18, 0.006 * unit),
    ]
    hem = path[-1] - path[-2]
    hem = hem / np.linalg.norm(hem)
    across = np.array([-hem[1], hem[0]]) * radii[-1]
    inner = path[-1] - hem * 0.014 * unit
    folds.append(Fold(np.stack([inner - across, inner + across]), -0.16, 0.003 * unit))
    if len(radii) > 3:
        for share, length in ((6, 0.7), (7, -0.6), (11, 0.8), (12, -0.7)):
            at = path[share]
            wrinkle = [at + across * length, at + across * 0.2 * length + hem * 0.012 * unit]
            folds.append(Fold(np.stack(wrinkle), -0.2, 0.006 * unit))
            wrinkle = np.stack(wrinkle) + hem * 0.01 * unit
            folds.append(Fold(wrinkle, 0.14, 0.005 * unit))
    return folds


def _draw_seams(canvas: Canvas, figure: Figure, garment: Garment) -> None:
    unit = figure.unit
    stitch = (
        (206, 150, 80) if garment.fabric.pattern == "denim" else shifted(garment.fabric.rgb, 0.6)
    )
    line = [0.0022 * unit]
    band = np.array([(x, WAIST_Y + 0.024) for x in np.linspace(-1, 1, 9)])
    band[:, 0] *= figure.half_width(WAIST_Y + 0.024)
    canvas.flat(tube(figure.on_torso(band), line), stitch, opacity=0.7)
    fly = open_curve([(0.004, WAIST_Y + 0.024), (0.006, 0.47), (0, 0.5)])
    canvas.flat(tube(figure.on_torso(fly), line), stitch, opacity=0.7)
    for side in SIDES:
        hip = float(figure.half_width(0.46))
        pocket = open_curve(
            [(side * 0.035, WAIST_Y + 0.026), (side * 0.045, 0.445), (side * hip, 0.46)]
        )
        canvas.flat(tube(figure.on_torso(pocket), line), stitch, opacity=0.7)


def skirt_hem_y(garment: Garment) -> float:
    """Where it ends, in figure heights."""
    return 0.6 + 0.16 * garment.length


def draw_skirt(
    canvas: Canvas, figure: Figure, garment: Garment, instance: int, sway: float
) -> None:
    """A skirt that flares from the waist to between mid-thigh and mid-calf."""
    hem_y = skirt_hem_y(garment)
    hem_half = 0.135 + 0.045 * garment.fullness + 0.06 * garment.length
    waist = figure.build.waist + 0.006
    draw_flared(canvas, figure, garment, instance, [], waist, hem_y, hem_half, sway)
    band = [(waist, WAIST_Y - 0.002), (waist + 0.006, WAIST_Y + 0.022)]
    canvas.flat([figure.on_torso(mirrored(band))], shifted(garment.fabric.rgb, 0.7), opacity=0.55)


def draw_flared(
    canvas, figure, garment, instance, bodice, waist, hem_y, hem_half, sway, cuts=()
) -> None:
    """The skirt of a skirt or dress, with folds, painted together with `bodice` polygons."""
    hip = max(float(figure.half_width(HIP_Y)) + 0.012, 0.6 * hem_half)
    num_waves = 5 if garment.kind != "pleated" else 8
    across = np.linspace(-1, 1, 12 * num_waves + 1)
    drop = 0.007 * np.cos(across * np.pi * num_waves) + 0.022 * np.sqrt(1 - 0.9 * across**2)
    hem = np.stack([across * hem_half + sway, hem_y - 0.015 + drop], axis=1)
    mid_y = 0.5 * (HIP_Y + hem_y)
    mid_half, mid_sway = 0.5 * (hip + hem_half) + 0.004, 0.4 * sway
    right_middle, left_middle = (mid_sway + mid_half, mid_y), (mid_sway - mid_half, mid_y)
    right = open_curve([(waist, WAIST_Y), (hip, HIP_Y - 0.02), right_middle, hem[-1]])
    left = open_curve([hem[0], left_middle, (-hip, HIP_Y - 0.02), (-waist, WAIST_Y)])
    outline = np.concatenate([right, hem[::-1], left])
    folds = []
    for i in range(1, 2 * num_waves):
        share = -1 + i / num_waves
        top = (share * waist * 0.9, WAIST_Y + (0.03 if i % 2 else 0.06))
        middle = (share * (0.55 * hip + 0.45 * hem_half) * 0.92 + 0.4 * sway, mid_y)
        bottom = (share * hem_half * 0.97 + sway, hem_y + 0.004)
        line = figure.on_torso(open_curve([top, middle, bottom]))
        folds.append(Fold(line, -0.2 if i % 2 else 0.15, (0.012 if i % 2 else 0.014) * figure.unit))
    shapes = [figure.on_torso(outline), *bodice]
    canvas.paint(shapes, garment.fabric, instance, cuts=cuts, folds=folds, roundness=0.035)


def draw_belt(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    """A broad belt with a buckle round the waist."""
    unit = figure.unit
    top = float(figure.half_width(BELT_TOP_Y)) + 0.012
    bottom = float(figure.half_width(BELT_BOTTOM_Y)) + 0.012
    across = np.linspace(-1, 1, 9)
    sag = 0.006 * (1 - across**2)
    upper = np.stack([across * top, BELT_TOP_Y + sag], axis=1)
    lower = np.stack([across * bottom, BELT_BOTTOM_Y + sag], axis=1)
    outline = figure.on_torso(np.concatenate([upper, lower[::-1]]))
    canvas.paint([outline], garment.fabric, instance, roundness=0.01, shine=0.2)
    middle = figure.on_torso([(0, 0.5 * (BELT_TOP_Y + BELT_BOTTOM_Y) + 0.006)])[0]
    gold = (236, 196, 92) if garment.length < 0.6 else (214, 218, 226)
    frame = _box(middle, 0.026 * unit, 0.023 * unit)
    canvas.paint([frame], Fabric(gold), instance, roundness=0.006, shine=0.5, shadow=0.4)
    canvas.flat([_box(middle, 0.016 * unit, 0.013 * unit)], shifted(garment.fabric.rgb, 0.8))
    canvas.flat([_box(middle + (0.006 * unit, 0), 0.016 * unit, 0.003 * unit)], gold)


def _box(middle, half_width: float, half_height: float) -> np.ndarray:
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return middle + corners * (half_width, half_height)
