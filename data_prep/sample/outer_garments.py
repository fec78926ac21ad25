"""Coats, blazers, jackets and cardigans, worn open."""

import numpy as np

from data_prep.sample.canvas import Canvas, Fold
from data_prep.sample.fabric import Fabric, shifted
from data_prep.sample.figure import BUST_Y, HIP_Y, SHOULDER_Y, SIDES, WAIST_Y, Figure
from data_prep.sample.outfit import Garment
from data_prep.sample.shapes import ellipse, mirrored, open_curve, tube

# where the hem is: the shortest, and how much the longest adds
OUTER_HEMS = {
    "coat": (0.66, 0.1),
    "blazer": (0.52, 0.03),
    "jacket": (0.455, 0.02),
    "cardigan": (0.56, 0.08),
}


def draw_outer_back(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    """The lining of a long outer garment, seen behind the legs."""
    hem_y = outer_hem_y(garment)
    if hem_y > 0.54:
        half = _outer_half(figure, garment)
        lining = mirrored([(figure.build.waist, WAIST_Y), (half - 0.006, hem_y - 0.012)])
        canvas.paint(
            [figure.on_torso(lining)], Fabric(shifted(garment.fabric.rgb, 0.5)), instance, shadow=0
        )


def outer_hem_y(garment: Garment) -> float:
    """Where it ends, in figure heights."""
    start, more = OUTER_HEMS[garment.kind]
    return start + more * garment.length


def _outer_half(figure: Figure, garment: Garment) -> float:
    return figure.build.hip + 0.026 + 0.2 * max(outer_hem_y(garment) - HIP_Y, 0)


def draw_outer_front(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    """The two open fronts with their lapels, over whatever is worn beneath."""
    unit, build, hem_y = figure.unit, figure.build, outer_hem_y(garment)
    opening = 0.048 + 0.014 * garment.fullness
    for side in SIDES:
        outer_edge = [
            (build.shoulder - 0.008, SHOULDER_Y - 0.02),
            (build.shoulder + 0.012, 0.245),
            (0.92 * build.shoulder + 0.018, BUST_Y),
            (build.waist + 0.024, WAIST_Y),
        ]
        if hem_y > HIP_Y:
            outer_edge += [(build.hip + 0.026, HIP_Y)]
        outer_edge += [(_outer_half(figure, garment), hem_y)]
        inner_edge = [
            (opening + 0.022, hem_y + 0.008),
            (opening + 0.008, WAIST_Y),
            (opening - 0.004, 0.32),
            (0.034, 0.188),
        ]
        panel = np.concatenate(
            [[(0.034, 0.188)], open_curve(outer_edge, 4), open_curve(inner_edge, 4)]
        )
        line = np.array(
            [
                (build.waist - 0.004, WAIST_Y - 0.02),
                (build.hip - 0.012, 0.5 * (WAIST_Y + hem_y)),
                (build.hip, hem_y),
            ]
        )
        folds = [
            Fold(figure.on_torso(line * (side, 1)), -0.17, 0.012 * unit),
            Fold(figure.on_torso((line + (0.012, 0)) * (side, 1)), 0.12, 0.01 * unit),
        ]
        canvas.paint(
            [figure.on_torso(panel * (side, 1))],
            garment.fabric,
            instance,
            folds=folds,
            roundness=0.026,
            shadow=0.4,
        )
        _draw_lapel(canvas, figure, garment, instance, side, opening)
        _draw_outer_details(canvas, figure, garment, side, opening, hem_y)


def _draw_lapel(canvas, figure, garment: Garment, instance: int, side: int, opening: float) -> None:
    tone = Fabric(shifted(garment.fabric.rgb, 0.8 if np.mean(garment.fabric.rgb) > 90 else 1.35))
    if garment.kind == "cardigan":
        hem_y = outer_hem_y(garment)
        edge = open_curve(
            [(0.03, 0.186), (opening, 0.32), (opening + 0.008, WAIST_Y), (opening + 0.022, hem_y)]
        )
        band = tube(figure.on_torso(edge * (side, 1)), [0.012 * figure.unit])
        canvas.paint(
            band, Fabric(tone.rgb, "knit", garment.fabric.rgb, 0.013), instance, roundness=0.008
        )
        return
    deep = 0.38 if garment.kind != "jacket" else 0.35
    lapel = np.array(
        [
            (0.03, 0.186),
            (0.05, 0.196),
            (0.077, 0.236),
            (0.07, 0.245),
            (0.09, 0.262),
            (opening + 0.004, deep),
            (opening - 0.006, 0.31),
        ]
    )
    canvas.paint([figure.on_torso(lapel * (side, 1))], tone, instance, roundness=0.01, shadow=0.4)


def _draw_outer_details(
    canvas, figure, garment: Garment, side: int, opening: float, hem_y: float
) -> None:
    unit, dark = figure.unit, shifted(garment.fabric.rgb, 0.55)
    if garment.kind == "jacket":
        hem = [(opening + 0.016, hem_y - 0.02), (figure.build.waist + 0.02, hem_y - 0.026)]
        canvas.flat(
            tube(figure.on_torso(np.array(hem) * (side, 1)), [0.0025 * unit]), dark, opacity=0.8
        )
        zipper = [(opening + 0.004, 0.34), (opening + 0.012, WAIST_Y), (opening + 0.016, hem_y)]
        canvas.flat(
            tube(figure.on_torso(np.array(zipper) * (side, 1)), [0.003 * unit]), (214, 214, 210)
        )
        return
    pocket_y = min(hem_y - 0.05, 0.5)
    pocket = np.array([(opening + 0.03, pocket_y), (figure.build.hip + 0.004, pocket_y - 0.006)])
    canvas.flat(tube(figure.on_torso(pocket * (side, 1)), [0.005 * unit]), dark, opacity=0.7)
    if side == 1:
        for y in (0.395, 0.435) if garment.kind == "blazer" else (0.385, 0.43, 0.475):
            at = figure.on_torso([(opening + 0.022, y)])[0]
            canvas.flat([ellipse(at, (0.0075 * unit, 0.0075 * unit))], garment.accent)
            canvas.flat([ellipse(at, (0.003 * unit, 0.003 * unit))], shifted(garment.accent, 0.6))
