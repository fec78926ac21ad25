"""Skin, face and hair."""

from dataclasses import dataclass

import numpy as np

from data_prep.sample.canvas import Canvas
from data_prep.sample.fabric import RGB, Fabric, shifted
from data_prep.sample.figure import NECK_Y, SHOULDER_Y, SIDES, WAIST_Y, Figure
from data_prep.sample.shapes import closed_curve, ellipse, mirrored, open_curve, tube

SKIN_RGB = (
    (250, 218, 196), (241, 194, 160), (224, 172, 125), (198, 138, 94), (157, 102, 66),
    (108, 68, 45),
)  # fmt: skip
HAIR_RGB = (
    (38, 28, 26), (72, 46, 34), (116, 74, 44), (168, 108, 58), (214, 172, 104), (150, 62, 34),
    (120, 116, 120),
)  # fmt: skip
HAIR_STYLES = ("short", "bob", "long", "bun", "ponytail", "curls")
# right halves, measured from the middle of the head
HAIR_BEHIND = {
    "bob": [(0, -0.09), (0.066, -0.06), (0.08, 0.01), (0.082, 0.075), (0.06, 0.1), (0.02, 0.09)],
    "long": [(0, -0.09), (0.068, -0.06), (0.082, 0.02), (0.098, 0.11), (0.1, 0.19), (0.05, 0.2)],
    "curls": [
        (0, -0.115), (0.07, -0.095), (0.108, -0.03), (0.108, 0.04), (0.085, 0.09), (0.03, 0.1),
    ],
}  # fmt: skip
HEAD = mirrored(
    [(0, -0.08), (0.04, -0.07), (0.06, -0.032), (0.06, 0.012), (0.046, 0.054), (0.02, 0.079)]
)


@dataclass(frozen=True)
class Looks:
    """What stays the same of a person in all photos of a post."""

    skin: RGB
    hair: RGB
    hair_style: str
    lips: RGB
    iris: RGB


def draw_torso(canvas: Canvas, figure: Figure, looks: Looks) -> None:
    """The skin from the neck to the crotch."""
    heights = (SHOULDER_Y + 0.005, 0.26, 0.3, 0.35, WAIST_Y, 0.45, 0.49, 0.54)
    right = [(0.03, NECK_Y), (0.5 * figure.build.shoulder, SHOULDER_Y - 0.018)]
    right += [(float(figure.half_width(y)), y) for y in heights]
    canvas.paint(
        [closed_curve(figure.on_torso(mirrored(right)), 3)], Fabric(looks.skin), shadow=0.0
    )


def draw_neck(canvas: Canvas, figure: Figure, looks: Looks) -> None:
    """The neck; necklines are drawn after it."""
    top = figure.in_head([(0, 0.04)])[0]
    bottom = figure.on_torso([(0, SHOULDER_Y)])[0]
    neck = tube(np.linspace(top, bottom, 4), np.array([0.031, 0.030, 0.036]) * figure.unit)
    canvas.paint(neck, Fabric(shifted(looks.skin, 0.93)), shadow=0.0)


def draw_leg(canvas: Canvas, figure: Figure, looks: Looks, side: int) -> None:
    """A bare leg, hip to ankle."""
    radii = np.array([0.05, 0.047, 0.036, 0.034, 0.034, 0.024, 0.019]) * figure.unit
    limb = tube(figure.leg_path(side), radii, round_start=True, round_end=True)
    canvas.paint(limb, Fabric(looks.skin))


def draw_arm(canvas: Canvas, figure: Figure, looks: Looks, side: int) -> None:
    """A bare arm, shoulder to wrist."""
    radii = np.array([0.03, 0.028, 0.024, 0.022, 0.016]) * figure.unit
    limb = tube(figure.arm_path(side), radii, round_start=True, round_end=True)
    canvas.paint(limb, Fabric(looks.skin), roundness=0.02)


def draw_hand(canvas: Canvas, figure: Figure, looks: Looks, side: int) -> None:
    """A mitten of a hand with a thumb."""
    palm, degrees = figure.hand(side)
    unit = figure.unit
    across = np.deg2rad(degrees + side * 90)
    thumb = palm + 0.014 * unit * np.array([np.cos(across), np.sin(across)])
    hand = [
        ellipse(palm, (0.031 * unit, 0.019 * unit), degrees),
        ellipse(thumb, (0.019 * unit, 0.008 * unit), degrees - side * 25),
    ]
    canvas.paint(hand, Fabric(looks.skin), roundness=0.012, shadow=0.2)


def draw_head(canvas: Canvas, figure: Figure, looks: Looks, gaze: float) -> None:
    """Head, ears and face; `gaze` -1 to 1 is where the eyes look."""
    skin = Fabric(looks.skin)
    ears = [figure.in_head(ellipse((side * 0.061, 0.008), (0.011, 0.017))) for side in SIDES]
    canvas.paint(ears, Fabric(shifted(looks.skin, 0.9)), roundness=0.01)
    canvas.paint([figure.in_head(closed_curve(HEAD))], skin, roundness=0.035, shadow=0.4)
    for side in SIDES:
        _draw_eye(canvas, figure, looks, side, gaze)
        cheek = ellipse((side * 0.037, 0.037), (0.013, 0.009))
        canvas.flat([figure.in_head(cheek)], (232, 104, 92), opacity=0.22)
    nose = [(0.002, 0.006), (0.011, 0.028), (0.006, 0.033), (-0.004, 0.032)]
    canvas.flat([figure.in_head(closed_curve(nose))], shifted(looks.skin, 0.72), opacity=0.4)
    smile = closed_curve(
        [(-0.022, 0.048), (0, 0.051), (0.022, 0.048), (0.012, 0.059), (-0.012, 0.059)]
    )
    canvas.flat([figure.in_head(smile)], looks.lips)


def _draw_eye(canvas: Canvas, figure: Figure, looks: Looks, side: int, gaze: float) -> None:
    x = side * 0.026
    canvas.flat([figure.in_head(ellipse((x, 0.004), (0.0135, 0.0095)))], (250, 248, 244))
    iris_x = x + 0.004 * gaze
    canvas.flat([figure.in_head(ellipse((iris_x, 0.005), (0.0075, 0.0085)))], looks.iris)
    canvas.flat([figure.in_head(ellipse((iris_x, 0.005), (0.0042, 0.005)))], (20, 16, 18))
    canvas.flat([figure.in_head(ellipse((iris_x + 0.002, 0.002), (0.002, 0.002)))], (255, 255, 255))
    unit = figure.unit
    lid = open_curve([(x - 0.015, 0.004), (x, -0.007), (x + 0.015, 0.004)], 4)
    canvas.flat(tube(figure.in_head(lid), [0.0025 * unit]), (40, 28, 28))
    brow = open_curve([(x - 0.016, -0.016), (x, -0.022), (x + 0.016, -0.017)], 4)
    canvas.flat(tube(figure.in_head(brow), [0.0032 * unit]), shifted(looks.hair, 0.8))


def draw_hair_behind(canvas: Canvas, figure: Figure, looks: Looks) -> None:
    """The part of the hair that falls behind the neck and shoulders."""
    outline = HAIR_BEHIND.get(looks.hair_style)
    if outline:
        curve = _curly(closed_curve(mirrored(outline)), looks)
        canvas.paint([figure.in_head(curve)], Fabric(shifted(looks.hair, 0.8)), shadow=0.0)
    if looks.hair_style == "ponytail":
        tail = open_curve([(0.03, -0.06), (0.09, -0.04), (0.108, 0.04), (0.09, 0.13)])
        radii = np.array([0.02, 0.03, 0.032, 0.022, 0.004]) * figure.unit
        canvas.paint(tube(figure.in_head(tail), radii, round_start=True), Fabric(looks.hair))


def draw_hair_front(canvas: Canvas, figure: Figure, looks: Looks, *, under_hat: bool) -> None:
    """The hair over the forehead and beside the face."""
    low = {"bob": 0.075, "long": 0.06, "curls": 0.045}.get(looks.hair_style, 0.012)
    top = -0.085 if under_hat else -0.1
    cap = [
        (0, top), (0.042, top + 0.012), (0.068, -0.045), (0.07, low * 0.4), (0.066, low),
        (0.055, low - 0.005), (0.054, -0.012), (0.043, -0.038), (0.008, -0.06), (-0.03, -0.04),
        (-0.053, -0.012), (-0.055, low - 0.005), (-0.066, low), (-0.07, low * 0.4),
        (-0.068, -0.045), (-0.042, top + 0.012),
    ]  # fmt: skip
    shapes = [figure.in_head(_curly(closed_curve(cap), looks))]
    if looks.hair_style == "bun" and not under_hat:
        shapes.append(figure.in_head(ellipse((0.005, -0.115), (0.036, 0.032))))
    canvas.paint(shapes, Fabric(looks.hair), roundness=0.022, shine=0.25, shadow=0.25)


def draw_hair_locks(canvas: Canvas, figure: Figure, looks: Looks) -> None:
    """Long hair that falls over the shoulders, in front of whatever is worn there."""
    if looks.hair_style != "long":
        return
    for side in SIDES:
        lock = open_curve([(0.062, 0.01), (0.07, 0.07), (0.064, 0.13), (0.074, 0.2)])
        radii = np.array([0.012, 0.02, 0.021, 0.016, 0.002]) * figure.unit
        canvas.paint(tube(figure.in_head(lock * (side, 1)), radii), Fabric(looks.hair), shine=0.2)


def _curly(curve: np.ndarray, looks: Looks) -> np.ndarray:
    if looks.hair_style != "curls":
        return curve
    waves = 1 + 0.045 * np.sin(np.linspace(0, 2 * np.pi * 15, len(curve), endpoint=False))
    return curve * waves[:, None]
