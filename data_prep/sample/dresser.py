"""Who is drawn and the order of drawing: what is farther from the camera comes first."""

from dataclasses import dataclass

import numpy as np

from data_prep.sample import (
    accessories,
    bags,
    body,
    lower_garments,
    outer_garments,
    shoes,
    upper_garments,
)
from data_prep.sample.canvas import Canvas
from data_prep.sample.figure import SIDES, Build, Figure
from data_prep.sample.outfit import CATEGORY_NAMES, Outfit
from data_prep.sample.shapes import ellipse

SOCK_RGB = (240, 238, 234)


@dataclass(frozen=True)
class Post:
    """What the photos of one post share: the person, the outfit and the size of the photos."""

    looks: body.Looks
    build: Build
    outfit: Outfit
    size_hw: tuple[int, int]
    socks: bool


def instance_number(category: str, side: int = -1) -> int:
    """The owner number of a garment: the category's id, plus 100 for the second of a pair."""
    return CATEGORY_NAMES.index(category) + 1 + (100 if side == 1 else 0)


class Dresser:
    """Draws a dressed person back to front; an instance's number is its place in `instances`."""

    def __init__(
        self, canvas: Canvas, figure: Figure, post: Post, bag_side: int, rng: np.random.Generator
    ):
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
                    shoes.draw_sock(self.canvas, self.figure, side, SOCK_RGB)
                self._wear_pair("footwear", shoes.draw_shoe, side)
            elif "pants" not in self.outfit:
                self._wear_pair("boots", shoes.draw_boot, side)

    def _draw_trunk(self) -> None:
        canvas, figure = self.canvas, self.figure
        body.draw_torso(canvas, figure, self.looks)
        body.draw_neck(canvas, figure, self.looks)
        if self.tucked:
            self._wear("top", upper_garments.draw_top, tucked=True)
        self._wear("pants", lower_garments.draw_trousers)
        if "pants" in self.outfit:  # slim ones, in the boots
            for side in self._farthest_leg_first():
                self._wear_pair("boots", shoes.draw_boot, side)
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
        outermost = ("outer",) if "outer" in self.outfit else ("top", "dress")
        for category in outermost:
            self._wear(category, upper_garments.draw_sleeve, side)
        bag = self.outfit.get("bag")
        if bag and side == self.bag_side and bag.kind in ("handbag", "bucket"):
            self._wear("bag", bags.draw_bag_in_hand, side)
        body.draw_hand(self.canvas, self.figure, self.looks, side)
