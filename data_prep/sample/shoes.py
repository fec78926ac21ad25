"""Shoes, boots and socks, one foot at a time, seen from the outer side."""

import numpy as np

from data_prep.sample.canvas import Canvas, Fold
from data_prep.sample.fabric import Fabric, shifted
from data_prep.sample.figure import Figure
from data_prep.sample.outfit import Garment
from data_prep.sample.shapes import closed_curve, ellipse, tube

# measured from the ankle, x towards the toe
PUMP = [
    (-0.034, -0.034), (-0.016, -0.034), (0.006, -0.004), (0.034, -0.002), (0.07, 0.016),
    (0.1, 0.026), (0.098, 0.036), (0.05, 0.037), (0.02, 0.024), (-0.012, 0.008), (-0.036, 0.0),
]  # fmt: skip
BOOT_FOOT = [
    (-0.036, -0.03), (0.03, -0.036), (0.048, -0.012), (0.085, -0.002), (0.098, 0.016),
    (0.096, 0.03), (-0.036, 0.03), (-0.04, 0),
]  # fmt: skip
BOOT_SOLE = [
    (-0.04, 0.022), (0.097, 0.022), (0.1, 0.036), (0.02, 0.036), (0.014, 0.03), (-0.008, 0.03),
    (-0.01, 0.042), (-0.042, 0.042),
]  # fmt: skip


def draw_shoe(canvas: Canvas, figure: Figure, garment: Garment, instance: int, side: int) -> None:
    """One low shoe."""
    place = _foot_frame(figure, side)
    if garment.kind == "sneaker":
        _draw_upper(canvas, place, garment, instance, top_y=-0.035)
        sole = [
            (-0.034, 0.016),
            (0.09, 0.016),
            (0.093, 0.027),
            (0.088, 0.034),
            (-0.03, 0.034),
            (-0.037, 0.028),
        ]
        canvas.paint(
            [place(closed_curve(sole, 3))], Fabric((246, 244, 238)), instance, roundness=0.008
        )
        for x in (0.026, 0.038, 0.05):
            lace = [(x - 0.006, -0.012 + 0.35 * (x - 0.02)), (x + 0.008, -0.02 + 0.5 * (x - 0.02))]
            canvas.flat(tube(place(lace), [0.0035 * figure.unit]), (252, 252, 250))
    elif garment.kind == "loafer":
        _draw_upper(canvas, place, garment, instance, top_y=-0.022)
        sole = [(-0.032, 0.024), (0.09, 0.024), (0.091, 0.034), (-0.034, 0.034)]
        canvas.paint(
            [place(sole)], Fabric(shifted(garment.fabric.rgb, 0.45)), instance, roundness=0.005
        )
        strap = [(0.018, -0.006), (0.03, -0.012), (0.038, 0.02), (0.022, 0.02)]
        canvas.flat([place(strap)], garment.accent, opacity=0.8)
    else:
        heel = [(-0.036, -0.01), (-0.012, 0.004), (-0.02, 0.036), (-0.032, 0.036)]
        shapes = [place(heel), place(closed_curve(PUMP, 4))]
        canvas.paint(shapes, garment.fabric, instance, roundness=0.012, shine=0.5)


def _draw_upper(canvas: Canvas, place, garment: Garment, instance: int, top_y: float) -> None:
    upper = [
        (-0.032, top_y), (-0.006, top_y + 0.006), (0.016, top_y), (0.034, -0.014), (0.07, -0.006),
        (0.09, 0.012), (0.09, 0.03), (-0.032, 0.03), (-0.036, 0.005),
    ]  # fmt: skip
    canvas.paint(
        [place(closed_curve(upper, 4))], garment.fabric, instance, roundness=0.014, shine=0.25
    )


def draw_boot(canvas: Canvas, figure: Figure, garment: Garment, instance: int, side: int) -> None:
    """One boot, up to the middle of the calf or just below the knee."""
    unit = figure.unit
    top = 0.64 - 0.09 * garment.length - (0.05 if garment.kind == "tall" else 0.0)
    wide = 0.006 if garment.kind == "rain" else 0.0
    laced = garment.kind == "laced"
    radii = (np.array([0.047, 0.044, 0.038, 0.034]) + wide) * unit
    path = figure.leg_path(side, top, 1.0)
    place = _foot_frame(figure, side)
    shaft = tube(path, radii, round_end=True)
    ankle = path[-1]
    wrinkle = np.array([(-0.03, -0.03), (0.03, -0.024)])
    folds = [Fold(ankle + (wrinkle + (0, dy)) * unit, -0.25, 0.006 * unit) for dy in (0.0, 0.018)]
    shapes, shine = [*shaft, place(closed_curve(BOOT_FOOT, 4))], 0.15 if laced else 0.5
    canvas.paint(shapes, garment.fabric, instance, folds=folds, roundness=0.02, shine=shine)
    canvas.paint(
        [place(BOOT_SOLE)], Fabric(shifted(garment.fabric.rgb, 0.4)), instance, roundness=0.005
    )
    cuff = tube(path[:3] + (path[0] - path[2]) * 0.02, radii[:1] * 1.08)
    canvas.paint(
        cuff, Fabric(shifted(garment.fabric.rgb, 0.75)), instance, roundness=0.012, shadow=0.2
    )
    if laced:
        for at in path[4:13:2]:
            lace = at + np.array([(-0.014, -0.006), (0.014, 0.006)]) * unit
            canvas.flat(tube(lace, [0.0035 * unit]), shifted(garment.accent, 1.5))


def _foot_frame(figure: Figure, side: int):
    """Maps points round the ankle (x towards the toe, y down, figure heights) to pixels."""
    ankle = figure.legs[side][2]
    toe = figure.toe_direction(side)

    def place(points) -> np.ndarray:
        return np.asarray(points, float) * (toe * figure.unit, figure.unit) + ankle

    return place


def draw_sock(canvas: Canvas, figure: Figure, side: int, rgb) -> None:
    """A short sock between leg and shoe (no category of its own)."""
    path = figure.leg_path(side, 0.88, 1.0)
    canvas.paint(tube(path, np.array([0.026, 0.024]) * figure.unit), Fabric(rgb), roundness=0.012)
    canvas.flat([ellipse(path[0], np.array([0.025, 0.006]) * figure.unit)], shifted(rgb, 0.85))
