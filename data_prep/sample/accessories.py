"""Scarves, ties, sunglasses and headwear."""

import numpy as np

from data_prep.sample.canvas import Canvas, Fold
from data_prep.sample.fabric import Fabric, shifted
from data_prep.sample.figure import SIDES, Figure
from data_prep.sample.outfit import Garment
from data_prep.sample.shapes import closed_curve, ellipse, mirrored, open_curve, tube

# the lens and rim on the +1 side, measured from the middle of the head
LENS_OUTLINES = {
    "round": ellipse((0.032, 0.006), (0.03, 0.027)),
    "square": closed_curve(
        [(0.003, -0.016), (0.06, -0.018), (0.064, 0.012), (0.052, 0.03), (0.014, 0.03),
         (0.004, 0.012)], 3),
    "cat_eye": closed_curve(
        [(0.004, -0.01), (0.03, -0.017), (0.072, -0.03), (0.066, 0.006), (0.046, 0.03),
         (0.014, 0.027), (0.003, 0.01)], 4),
}  # fmt: skip


def draw_tie(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    """A broad tie from the collar to the waist."""
    half = 0.03 + 0.006 * garment.fullness
    blade = [(0.014, 0.232), (half, 0.36), (0, 0.388)]
    knot = [(0.019, 0.202), (0.024, 0.212), (0.014, 0.238), (0, 0.24)]
    canvas.paint([figure.on_torso(mirrored(blade))], garment.fabric, instance, roundness=0.01)
    canvas.paint([figure.on_torso(mirrored(knot))], garment.fabric, instance, roundness=0.012)


def draw_scarf(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    """A thick scarf round the neck with two hanging ends."""
    unit = figure.unit
    side = 1 if garment.fullness > 0.5 else -1
    for x, end_y, turn in ((0.028, 0.36 + 0.07 * garment.length, 0.012), (-0.012, 0.33, -0.016)):
        path = open_curve([(x * 0.6, 0.225), (x, 0.28), (x + turn, end_y)])
        tail = figure.on_torso(path * (side, 1))
        folds = [
            Fold(tail + (dx * unit, 0), s, 0.006 * unit)
            for dx, s in ((-0.01, -0.18), (0.008, 0.12))
        ]
        canvas.paint(
            tube(tail, np.array([0.02, 0.029, 0.032]) * unit),
            garment.fabric,
            instance,
            folds=folds,
            roundness=0.016,
        )
        for share in np.linspace(-0.85, 0.85, 6):
            start = tail[-1] + (share * 0.032 * unit, -0.003 * unit)
            fringe = np.stack([start, start + (0.002 * unit, 0.018 * unit)])
            canvas.paint(
                tube(fringe, [0.0035 * unit]),
                Fabric(shifted(garment.fabric.rgb, 0.8)),
                instance,
                roundness=0.004,
                shadow=0,
            )
    loops = (
        [(-0.066, 0.188), (-0.036, 0.216), (0, 0.226), (0.036, 0.216), (0.066, 0.188)],
        [(-0.056, 0.178), (-0.03, 0.194), (0, 0.2), (0.03, 0.194), (0.056, 0.178)],
    )
    for points, radius in zip(loops, (0.03, 0.022), strict=True):
        path = figure.on_torso(open_curve(points))
        radii = np.array([0.6, 1, 1.05, 1, 0.6]) * radius * unit
        folds = [
            Fold(path + (0, dy * unit), s, 0.005 * unit)
            for dy, s in ((0.008, -0.2), (-0.008, 0.14))
        ]
        canvas.paint(
            tube(path, radii, round_start=True, round_end=True),
            garment.fabric,
            instance,
            folds=folds,
            roundness=0.018,
        )


def draw_sunglasses(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    """Large dark glasses with a frame, over both eyes."""
    frame = (246, 242, 232) if garment.length > 0.65 else shifted(garment.fabric.rgb, 0.7)
    rim = LENS_OUTLINES[garment.kind]
    middle = rim.mean(axis=0)
    bridge = np.array([(-0.01, -0.008), (0.01, -0.008), (0.01, 0.001), (-0.01, 0.001)])
    arms = [
        np.array([(0.05, -0.012), (0.07, -0.012), (0.07, -0.003), (0.05, -0.003)]) * (side, 1)
        for side in SIDES
    ]
    shapes = [figure.in_head(part) for part in (rim, rim * (-1, 1), bridge, *arms)]
    canvas.paint(shapes, Fabric(frame), instance, roundness=0.005, shadow=0.4)
    for side in SIDES:
        lens = (middle + 0.84 * (rim - middle)) * (side, 1)
        canvas.paint(
            [figure.in_head(lens)], Fabric(garment.fabric.rgb), instance, roundness=0.02, shadow=0
        )
        glint = np.array([(-0.014, -0.012), (-0.003, -0.014), (-0.012, 0.008), (-0.017, 0.006)])
        canvas.flat([figure.in_head(glint + middle * (side, 1))], (255, 255, 255), opacity=0.45)


def draw_headwear(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    """A hat, cap, beret or beanie on top of the hair."""
    {
        "fedora": _draw_brimmed, "sun_hat": _draw_brimmed, "beanie": _draw_beanie, "cap": _draw_cap,
        "beret": _draw_beret,
    }[garment.kind](canvas, figure, garment, instance)  # fmt: skip


def _draw_brimmed(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    sun = garment.kind == "sun_hat"
    brim = ellipse((0, -0.05), (0.15 if sun else 0.12, 0.036 if sun else 0.026), -3)
    if sun:
        crown = [(0, -0.128), (0.036, -0.12), (0.06, -0.09), (0.068, -0.05), (0.03, -0.04)]
    else:
        crown = [
            (0, -0.128),
            (0.03, -0.138),
            (0.054, -0.122),
            (0.064, -0.07),
            (0.066, -0.046),
            (0.03, -0.036),
        ]
    canvas.paint([figure.in_head(brim)], garment.fabric, instance, roundness=0.014, shadow=0.5)
    canvas.paint(
        [figure.in_head(closed_curve(mirrored(crown), 4))],
        garment.fabric,
        instance,
        roundness=0.025,
    )
    band = np.array(
        [
            (-0.066, -0.072),
            (0, -0.062),
            (0.066, -0.072),
            (0.067, -0.05),
            (0, -0.038),
            (-0.067, -0.05),
        ]
    )
    canvas.paint(
        [figure.in_head(closed_curve(band, 3))],
        Fabric(garment.accent),
        instance,
        roundness=0.012,
        shadow=0,
    )


def _draw_beanie(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    fabric = Fabric(garment.fabric.rgb, "knit", shifted(garment.fabric.rgb, 0.6), 0.013)
    dome = [(0, -0.142), (0.04, -0.132), (0.068, -0.095), (0.074, -0.05), (0.03, -0.035)]
    pompom = [figure.in_head(ellipse((0, -0.152), (0.026, 0.025)))]
    canvas.paint(pompom, Fabric(garment.accent), instance, roundness=0.016)
    canvas.paint(
        [figure.in_head(closed_curve(mirrored(dome), 4))], fabric, instance, roundness=0.03
    )
    cuff = np.array(
        [
            (-0.077, -0.072),
            (0, -0.062),
            (0.077, -0.072),
            (0.079, -0.034),
            (0, -0.024),
            (-0.079, -0.034),
        ]
    )
    ribbed = Fabric(
        shifted(garment.fabric.rgb, 0.85), "ribs", shifted(garment.fabric.rgb, 0.5), 0.011
    )
    canvas.paint(
        [figure.in_head(closed_curve(cuff, 3))], ribbed, instance, roundness=0.014, shadow=0.4
    )


def _draw_cap(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    dome = [(0, -0.126), (0.04, -0.116), (0.066, -0.082), (0.072, -0.042), (0.03, -0.05)]
    side = 1 if garment.fullness > 0.5 else -1
    visor = np.array(
        [
            (-0.062, -0.052),
            (0, -0.062),
            (0.066, -0.056),
            (0.118, -0.034),
            (0.108, -0.022),
            (0.05, -0.03),
            (-0.03, -0.03),
        ]
    )
    canvas.paint(
        [figure.in_head(closed_curve(mirrored(dome), 4))], garment.fabric, instance, roundness=0.03
    )
    for x in (-0.03, 0.03):
        seam = open_curve([(0, -0.125), (x, -0.095), (1.25 * x, -0.055)])
        canvas.flat(
            tube(figure.in_head(seam), [0.002 * figure.unit]), shifted(garment.fabric.rgb, 0.6)
        )
    canvas.flat([figure.in_head(ellipse((0, -0.088), (0.017, 0.015)))], garment.accent)
    darker = Fabric(shifted(garment.fabric.rgb, 0.75))
    visor = figure.in_head(closed_curve(visor * (side, 1), 4))
    canvas.paint([visor], darker, instance, roundness=0.01, shadow=0.5)


def _draw_beret(canvas: Canvas, figure: Figure, garment: Garment, instance: int) -> None:
    side = 1 if garment.fullness > 0.5 else -1
    disc = ellipse((side * 0.018, -0.09), (0.1, 0.046), side * 9)
    stalk = np.array([(0.008, -0.148), (0.014, -0.148), (0.016, -0.125), (0.006, -0.125)]) * (
        side,
        1,
    )
    band = np.array(
        [
            (-0.068, -0.062),
            (0, -0.066),
            (0.068, -0.062),
            (0.07, -0.042),
            (0, -0.05),
            (-0.07, -0.042),
        ]
    )
    canvas.paint(
        [figure.in_head(closed_curve(band, 3))],
        Fabric(shifted(garment.fabric.rgb, 0.6)),
        instance,
        roundness=0.008,
    )
    canvas.paint(
        [figure.in_head(disc), figure.in_head(stalk)],
        garment.fabric,
        instance,
        roundness=0.03,
        shadow=0.4,
    )
