"""One photo: a person in an outfit before a background, and the visible mask of each garment."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from data_prep.sample import body
from data_prep.sample.attributes import garment_attributes
from data_prep.sample.backgrounds import draw_background
from data_prep.sample.canvas import Canvas, Light
from data_prep.sample.dresser import Dresser, Post
from data_prep.sample.figure import ARM_POSES, LEG_POSES, SIDES, Build, Figure, Pose
from data_prep.sample.outfit import CATEGORY_NAMES, choose_outfit

MIN_VISIBLE_PIXELS = 24


@dataclass(frozen=True)
class VisibleGarment:
    """One instance.

    Attributes:
        category_id: 1-based.
        mask: uint8 [height, width], 0 or 1.
        attribute_ids: Of attributes.ATTRIBUTE_NAMES, ascending.
    """

    category_id: int
    mask: np.ndarray
    attribute_ids: tuple[int, ...]


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
    Dresser(canvas, figure, post, bag_side, rng).draw()
    attributes = {
        category: garment_attributes(garment, post.outfit, figure, height)
        for category, garment in post.outfit.items()
    }
    return _developed(canvas.image, rng), _visible_garments(canvas, attributes)


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
    legs = str(rng.choice(list(LEG_POSES)))
    head_degrees = float(rng.uniform(-7, 7))
    jitter = [float(j) for j in rng.uniform(-5, 5, 4)]
    pose = Pose(
        arms=(arms[0], arms[1]),
        legs=legs,
        hip_x=float(-1.2 * lean),
        lean=float(1.6 * lean),
        head_degrees=head_degrees,
        jitter=(jitter[0], jitter[1], jitter[2], jitter[3]),
        mirrored_legs=bool(rng.random() < 0.5),
    )
    return Figure(post.build, pose, float(unit), (float(x), float(top)))


def _visible_garments(
    canvas: Canvas, attributes: dict[str, tuple[int, ...]]
) -> list[VisibleGarment]:
    garments = []
    counts = np.bincount(canvas.owner.ravel(), minlength=256)
    for number in np.flatnonzero(counts):
        mask = _without_specks((canvas.owner == number).view(np.uint8)) if number else None
        if mask is not None and mask.any():
            category_id = int(number) % 100
            category = CATEGORY_NAMES[category_id - 1]
            garments.append(VisibleGarment(category_id, mask, attributes[category]))
    return garments


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """A mask without the parts too small for anybody to have drawn round."""
    x, y, width, height = cv2.boundingRect(mask)
    inside = mask[y : y + height, x : x + width]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    keep = stats[:, cv2.CC_STAT_AREA] >= MIN_VISIBLE_PIXELS
    keep[0] = False
    kept = np.zeros_like(mask)
    kept[y : y + height, x : x + width] = keep[labels]
    return kept


def _developed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Makes a drawing look like a photo: white balance, contrast, vignette, grain."""
    height, width = image.shape[:2]
    balance = (1 + rng.uniform(-0.04, 0.04, 3)) * rng.uniform(0.92, 1.06)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    vignette = 1.02 - rng.uniform(0.03, 0.1) * (x * x + y * y)
    photo = image * vignette[..., None]
    photo *= np.float32(balance)
    photo += rng.standard_normal((height, width, 1), np.float32) * np.float32(rng.uniform(0.8, 2.2))
    np.clip(photo, 0, 255, out=photo)
    return photo.astype(np.uint8)
