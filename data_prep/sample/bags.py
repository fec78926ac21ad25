"""Bags: in the hand, on the shoulder, across the body."""

import numpy as np

from data_prep.sample.canvas import Canvas
from data_prep.sample.fabric import Fabric, shifted
from data_prep.sample.figure import Figure
from data_prep.sample.outfit import Garment
from data_prep.sample.shapes import closed_curve, ellipse, mirrored, open_curve, tube


def draw_bag_in_hand(
    canvas: Canvas, figure: Figure, garment: Garment, instance: int, side: int
) -> None:
    """A bag that hangs from the hand; the hand is drawn over the handle afterwards."""
    unit = figure.unit
    palm = figure.hand(side)[0]
    top = palm + (0, 0.055 * unit)
    loop = open_curve(
        [(-0.045, 0.065), (-0.036, 0.012), (0, -0.008), (0.036, 0.012), (0.045, 0.065)]
    )
    canvas.paint(
        tube(palm + loop * unit, [0.007 * unit]),
        Fabric(shifted(garment.fabric.rgb, 0.8)),
        instance,
        roundness=0.006,
    )
    _draw_bag_body(canvas, unit, garment, instance, top)


def draw_bag_on_strap(
    canvas: Canvas, figure: Figure, garment: Garment, instance: int, side: int
) -> None:
    """A bag at the hip, on a strap from the other shoulder or (tote) from the same one."""
    unit = figure.unit
    hip = figure.build.hip + (0.012 if garment.kind == "crossbody" else 0.05)
    top = figure.on_torso([(side * hip, 0.46)])[0]
    start_x = 0.055 * (side if garment.kind == "tote" else -side)
    for shift in (-0.02, 0.02) if garment.kind == "tote" else (0.0,):
        shoulder = figure.on_torso([(start_x + 0.5 * shift, 0.203)])[0]
        end = top + (shift * 1.6 * unit, 0.012 * unit)
        bulge = 0.5 * (shoulder + end) + (side * 0.012 * unit, 0)
        strap = tube(open_curve([shoulder, bulge, end]), [0.0075 * unit])
        canvas.paint(strap, Fabric(shifted(garment.fabric.rgb, 0.75)), instance, roundness=0.006)
    _draw_bag_body(canvas, unit, garment, instance, top)


def _draw_bag_body(
    canvas: Canvas, unit: float, garment: Garment, instance: int, top: np.ndarray
) -> None:
    grow = 0.9 + 0.25 * garment.length
    outlines = {
        "handbag": [(0, 0), (0.066, 0), (0.088, 0.03), (0.094, 0.12), (0.05, 0.13)],
        "tote": [(0, 0), (0.076, 0), (0.08, 0.03), (0.072, 0.17), (0.03, 0.178)],
        "crossbody": [(0, 0), (0.058, 0.002), (0.074, 0.02), (0.074, 0.09), (0.05, 0.112)],
        "bucket": [(0, 0), (0.056, 0.002), (0.062, 0.03), (0.074, 0.12), (0.05, 0.148)],
    }  # fmt: skip
    half = np.array(outlines[garment.kind]) * grow
    per_side = 4 if garment.kind in ("crossbody", "bucket") else 2
    body = top + closed_curve(mirrored(half[1:]), per_side) * unit
    canvas.paint([body], garment.fabric, instance, roundness=0.022, shine=0.3, shadow=0.4)
    dark = shifted(garment.fabric.rgb, 0.6)
    if garment.kind in ("handbag", "crossbody"):
        flap = np.array(
            [(0, 0.002), (half[1][0] * 0.95, 0.004), (half[2][0] * 0.9, 0.05), (0.02, 0.068)]
        )
        fabric = Fabric(shifted(garment.fabric.rgb, 0.85))
        canvas.paint(
            [top + closed_curve(mirrored(flap[1:]), 4) * unit],
            fabric,
            instance,
            roundness=0.014,
            shadow=0.5,
        )
        clasp = ellipse(top + (0, 0.064 * unit), (0.011 * unit, 0.008 * unit))
        canvas.paint([clasp], Fabric((236, 200, 104)), instance, roundness=0.005, shine=0.4)
    elif garment.kind == "tote":
        canvas.flat([top + ellipse((0, 0.09), (0.032, 0.032)) * unit], garment.accent)
    else:
        for y in (0.02, 0.03):
            gather = open_curve([(-0.055 * grow, y), (0, y + 0.006), (0.055 * grow, y)])
            canvas.flat(tube(top + gather * unit, [0.0025 * unit]), dark)
