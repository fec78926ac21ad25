"""One photo: a person in an outfit before a background, and the visible mask of each garment."""

from dataclasses import dataclass, replace

import numpy as np

from data_prep.sample import (
    accessories,
    bags,
    body,
    lower_garments,
    outer_garments,
    upper_garments,
)
from data_prep.sample.backgrounds import draw_background
from data_prep.sample.canvas import Canvas, Light
from data_prep.sample.figure import ARM_POSES, LEG_POSES, SIDES, Build, Figure, Pose
from data_prep.sample.outfit import CATEGORY_NAMES, Outfit, choose_outfit
from data_prep.sample.shapes import ellipse

MIN_VISIBLE_PIXELS = 24


@dataclass(frozen=True)
class Post:
    """What the photos of one post share: the person, the outfit and the size of the photos."""

    looks: body.Looks
    build: Build
    outfit: Outfit
    size_hw: tuple[int, int]
    socks: bool


@dataclass(frozen=True)
class VisibleGarment:
    """One instance: `category_id` (1-based) and `mask`, uint8 [height, width], 0 or 1."""

    category_id: int
    mask: np.ndarray


def choose_post(rng: np.random.Generator) -> Post:
    """Draws a person and what they wear."""
    size_hw = ((600, 400), (640, 480), (400, 600))[rng.choice(3, p=[0.84, 0.1, 0.06])]
    outfit = choose_outfit(rng, min_categories=5 if size_hw[0] < size_hw[1] else 3)
    looks = body.Looks(
        skin=body.SKIN_RGB[rng.integers(len(body.SKIN_RGB))],
        hair=body.HAIR_RGB[rng.integers(len(body.HAIR_RGB))],
        hair_style=str(rng.choice(body.HAIR_STYLES)),
        lips=((196, 74, 76), (170, 60, 70), (206, 104, 96))[rng.integers(3)],
        iris=((70, 46, 30), (52, 92, 120), (66, 104, 62))[rng.integers(3)],
    )
    if looks.hair_style == "curls" and "headwear" in outfit:
        looks = replace(looks, hair_style="bob")
    build = Build(rng.uniform(0.092, 0.108), rng.uniform(0.062, 0.076), rng.uniform(0.08, 0.092))
    return Post(looks, build, outfit, size_hw, bool(rng.random() < 0.5))


def draw_photo(post: Post, rng: np.random.Generator) -> tuple[np.ndarray, list[VisibleGarment]]:
    """Draws one photo of a post.

    Returns:
        uint8 [height, width, 3], RGB; and the garments of which something is visible.
    """
    height, width = post.size_hw
    bag_side = int(rng.choice(SIDES))
    figure = _place_figure(post, rng, bag_side)
    light = Light(
        float(rng.choice([-1, 1]) * rng.uniform(0.6, 1)), -0.5, float(rng.uniform(0.3, 0.6))
    )
    canvas = Canvas(draw_background(rng, height, width), figure.unit, light)
    _Dresser(canvas, figure, post, bag_side, rng).draw()
    return _developed(canvas.image, rng), _visible_garments(canvas, post)


def draw_empty_scene(post: Post, rng: np.random.Generator) -> np.ndarray:
    """A photo of a post without anybody in it; uint8 [height, width, 3], RGB."""
    return _developed(draw_background(rng, *post.size_hw), rng)


def _place_figure(post: Post, rng: np.random.Generator, bag_side: int) -> Figure:
    height, width = post.size_hw
    upright = height > width
    tall = rng.uniform(0.78, 0.97) if upright else rng.uniform(1.25, 1.5)
    unit = height * tall / 1.07  # a hat rises above the head
    unit = min(unit, width / 0.62)
    slack = max(height - 1.07 * unit, 0)
    top = (0.065 * unit + rng.uniform(0.2, 0.8) * slack) if upright else 0.075 * unit
    x = width / 2 + rng.uniform(-0.3, 0.3) * max(width - 0.6 * unit, 0)
    arms = [str(rng.choice(list(ARM_POSES))) for _ in SIDES]
    if "bag" in post.outfit:
        arms[SIDES.index(bag_side)] = "relaxed" if post.outfit["bag"].kind == "tote" else "carry"
        if post.outfit["bag"].kind == "crossbody":
            arms[SIDES.index(bag_side)] = str(rng.choice(["hip", "behind", "wave", "out"]))
    lean = rng.uniform(-0.014, 0.014)
    pose = Pose(
        arms=tuple(arms),
        legs=str(rng.choice(list(LEG_POSES))),
        hip_x=float(-1.2 * lean),
        lean=float(1.6 * lean),
        head_degrees=float(rng.uniform(-7, 7)),
        jitter=tuple(float(j) for j in rng.uniform(-5, 5, 4)),
        mirrored_legs=bool(rng.random() < 0.5),
    )
    return Figure(post.build, pose, float(unit), (float(x), float(top)))


class _Dresser:
    """Draws a dressed person back to front; an instance's number is its place in `instances`."""

    def __init__(self, canvas: Canvas, figure: Figure, post: Post, bag_side: int, rng):
        self.canvas, self.figure, self.post = canvas, figure, post
        self.outfit, self.looks, self.bag_side = post.outfit, post.looks, bag_side
        self.sway = float(rng.uniform(-0.025, 0.025))
        self.gaze = float(rng.uniform(-1, 1))
        self.tucked = "belt" in post.outfit or (
            "top" in post.outfit and post.outfit["top"].length > 0.5
        )

    def draw(self) -> None:
        """Draws everything, the farthest first."""
        self._draw_ground_shadow()
        body.draw_hair_behind(self.canvas, self.figure, self.looks)
        for side in SIDES:
            if not self.figure.arm_is_in_front(side):
                self._draw_arm(side)
        self._wear("outer", outer_garments.draw_outer_back)
        self._draw_legs()
        self._draw_trunk()
        self._wear("outer", outer_garments.draw_outer_front)
        self._draw_head()
        bag = self.outfit.get("bag")
        if bag and bag.kind == "tote":
            self._wear("bag", bags.draw_bag_on_strap, self.bag_side)
        for side in SIDES:
            if self.figure.arm_is_in_front(side):
                self._draw_arm(side)
        if bag and bag.kind == "crossbody":
            self._wear("bag", bags.draw_bag_on_strap, self.bag_side)

    def _wear(self, category: str, draw, *args, **options) -> None:
        if category in self.outfit:
            draw(
                self.canvas,
                self.figure,
                self.outfit[category],
                instance_number(category),
                *args,
                **options,
            )

    def _wear_pair(self, category: str, draw, side: int) -> None:
        if category in self.outfit:
            number = instance_number(category, side)
            draw(self.canvas, self.figure, self.outfit[category], number, side)

    def _farthest_leg_first(self) -> list[int]:
        return sorted(SIDES, key=lambda side: self.figure.legs[side][2][1])

    def _draw_ground_shadow(self) -> None:
        feet = [self.figure.legs[side][2] for side in SIDES]
        unit = self.figure.unit
        for foot in feet:
            self.canvas.darken(
                [ellipse(foot + (0, 0.03 * unit), (0.11 * unit, 0.022 * unit))], 0.45, 0.014
            )
        middle = 0.5 * (feet[0] + feet[1]) + (0, 0.025 * unit)
        self.canvas.darken([ellipse(middle, (0.24 * unit, 0.035 * unit))], 0.3, 0.03)

    def _draw_legs(self) -> None:
        for side in self._farthest_leg_first():
            body.draw_leg(self.canvas, self.figure, self.looks, side)
            if "footwear" in self.outfit:
                if self.post.socks and self.outfit["footwear"].kind == "sneaker":
                    lower_garments.draw_sock(self.canvas, self.figure, side, (240, 238, 234))
                self._wear_pair("footwear", lower_garments.draw_shoe, side)
            elif "pants" not in self.outfit:
                self._wear_pair("boots", lower_garments.draw_boot, side)

    def _draw_trunk(self) -> None:
        canvas, figure = self.canvas, self.figure
        body.draw_torso(canvas, figure, self.looks)
        body.draw_neck(canvas, figure, self.looks)
        if self.tucked:
            self._wear("top", upper_garments.draw_top, tucked=True)
        self._wear("pants", lower_garments.draw_trousers)
        if "pants" in self.outfit:  # slim ones, in the boots
            for side in self._farthest_leg_first():
                self._wear_pair("boots", lower_garments.draw_boot, side)
        self._wear("shorts", lower_garments.draw_trousers)
        self._wear("skirt", lower_garments.draw_skirt, self.sway)
        self._wear("dress", upper_garments.draw_dress, self.sway)
        if not self.tucked:
            self._wear("top", upper_garments.draw_top, tucked=False)
        self._wear("belt", lower_garments.draw_belt)
        if "scarf/tie" in self.outfit and self.outfit["scarf/tie"].kind == "tie":
            self._wear("scarf/tie", accessories.draw_tie)

    def _draw_head(self) -> None:
        canvas, figure, looks = self.canvas, self.figure, self.looks
        body.draw_head(canvas, figure, looks, self.gaze)
        body.draw_hair_front(canvas, figure, looks, under_hat="headwear" in self.outfit)
        self._wear("sunglasses", accessories.draw_sunglasses)
        self._wear("headwear", accessories.draw_headwear)
        if "scarf/tie" in self.outfit and self.outfit["scarf/tie"].kind == "scarf":
            self._wear("scarf/tie", accessories.draw_scarf)
        body.draw_hair_locks(canvas, figure, looks)

    def _draw_arm(self, side: int) -> None:
        body.draw_arm(self.canvas, self.figure, self.looks, side)
        for category in ("top", "dress"):
            self._wear(category, upper_garments.draw_sleeve, side)
        self._wear("outer", upper_garments.draw_sleeve, side)
        bag = self.outfit.get("bag")
        if bag and side == self.bag_side and bag.kind in ("handbag", "bucket"):
            self._wear("bag", bags.draw_bag_in_hand, side)
        body.draw_hand(self.canvas, self.figure, self.looks, side)


def instance_number(category: str, side: int = -1) -> int:
    """The owner number of a garment: the category's id, plus 100 for the second of a pair."""
    return CATEGORY_NAMES.index(category) + 1 + (100 if side == 1 else 0)


def _visible_garments(canvas: Canvas, post: Post) -> list[VisibleGarment]:
    garments = []
    counts = np.bincount(canvas.owner.ravel(), minlength=256)
    for number in np.flatnonzero(counts >= MIN_VISIBLE_PIXELS):
        if number:
            mask = (canvas.owner == number).astype(np.uint8)
            garments.append(VisibleGarment(int(number) % 100, mask))
    return garments


def _developed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Makes a drawing look like a photo: white balance, contrast, vignette, grain."""
    height, width = image.shape[:2]
    balance = (1 + rng.uniform(-0.04, 0.04, 3)) * rng.uniform(0.92, 1.06)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    vignette = 1.02 - rng.uniform(0.03, 0.1) * (x * x + y * y)
    photo = image * (vignette[..., None] * np.float32(balance))
    grain = rng.standard_normal((height, width), np.float32) * np.float32(rng.uniform(0.8, 2.2))
    photo += grain[..., None]
    return np.clip(photo, 0, 255).astype(np.uint8)
