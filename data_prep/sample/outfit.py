"""Choosing what a person wears: which garments go together, their cuts, colours and patterns."""

from dataclasses import dataclass, replace

import numpy as np

from data_prep.sample.fabric import RGB, Fabric, shifted

CATEGORY_NAMES = (
    "bag", "belt", "boots", "footwear", "outer", "dress", "sunglasses", "pants", "top", "shorts",
    "skirt", "headwear", "scarf/tie",
)  # fmt: skip

KINDS = {
    "bag": ("handbag", "tote", "crossbody", "bucket"),
    "belt": ("belt",),
    "boots": ("laced", "tall", "rain"),
    "footwear": ("sneaker", "loafer", "heel"),
    "outer": ("coat", "blazer", "jacket", "cardigan"),
    "dress": ("sleeveless", "short_sleeves", "puffed_sleeves"),
    "sunglasses": ("round", "square", "cat_eye"),
    "pants": ("straight", "slim", "wide"),
    "top": ("tee", "tank", "blouse", "sweater"),
    "shorts": ("shorts",),
    "skirt": ("flared", "pleated"),
    "headwear": ("fedora", "beanie", "cap", "beret", "sun_hat"),
    "scarf/tie": ("scarf", "scarf", "tie"),
}

BRIGHT = (
    (214, 48, 49), (235, 94, 40), (247, 183, 49), (120, 170, 66), (34, 139, 94), (32, 158, 166),
    (52, 120, 200), (38, 62, 140), (112, 72, 168), (198, 70, 140), (244, 143, 150), (150, 28, 52),
)  # fmt: skip
MUTED = (
    (244, 240, 230), (222, 206, 180), (190, 160, 122), (128, 134, 140), (74, 80, 92), (40, 40, 48),
    (94, 104, 74), (110, 72, 56), (166, 186, 204), (196, 150, 156),
)  # fmt: skip
LEATHER = (
    (128, 72, 36), (84, 46, 30), (36, 32, 34), (178, 112, 58), (140, 32, 40), (210, 176, 130),
    (34, 62, 84),
)  # fmt: skip
DENIM = ((52, 80, 128), (86, 124, 170), (38, 50, 82), (140, 172, 204))
PALETTES = {
    "bag": LEATHER + BRIGHT, "belt": LEATHER + BRIGHT[:3], "boots": LEATHER + BRIGHT[:3],
    "footwear": MUTED + BRIGHT, "outer": MUTED + BRIGHT, "dress": BRIGHT + MUTED[:4],
    "sunglasses": ((18, 18, 24), (52, 26, 20), (16, 30, 60), (60, 10, 30)),
    "pants": MUTED + BRIGHT[6:8],
    "top": BRIGHT + MUTED[:4], "shorts": BRIGHT + MUTED, "skirt": BRIGHT + MUTED,
    "headwear": MUTED + BRIGHT, "scarf/tie": BRIGHT,
}  # fmt: skip
PATTERN_CHANCES = {
    "outer": {"plain": 0.55, "plaid": 0.2, "knit": 0.15, "stripes_down": 0.1},
    "dress": {"plain": 0.35, "blossoms": 0.25, "dots": 0.2, "stripes_across": 0.1, "checks": 0.1},
    "pants": {"denim": 0.4, "plain": 0.45, "stripes_down": 0.08, "plaid": 0.07},
    "top": {"plain": 0.4, "stripes_across": 0.25, "dots": 0.12, "blossoms": 0.13, "checks": 0.1},
    "shorts": {"denim": 0.45, "plain": 0.45, "stripes_down": 0.1},
    "skirt": {"plain": 0.4, "plaid": 0.2, "dots": 0.15, "blossoms": 0.15, "checks": 0.1},
    "scarf/tie": {"plain": 0.35, "stripes_diagonal": 0.3, "knit": 0.15, "dots": 0.1, "plaid": 0.1},
    "bag": {"plain": 0.8, "stripes_down": 0.1, "checks": 0.1},
}
PATTERN_SIZES = {
    "stripes_across": 0.032, "stripes_down": 0.028, "stripes_diagonal": 0.045, "checks": 0.026,
    "plaid": 0.06, "dots": 0.027, "blossoms": 0.045, "denim": 0.016, "knit": 0.013, "ribs": 0.012,
}  # fmt: skip
ADDED_CHANCES = {
    "outer": 0.34, "bag": 0.5, "sunglasses": 0.42, "headwear": 0.42, "scarf/tie": 0.36,
}  # fmt: skip
# a garment's neighbours come before it
CHOOSING_ORDER = (
    "boots", "pants", "shorts", "skirt", "dress", "top", "outer", "footwear", "belt", "bag",
    "scarf/tie", "headwear", "sunglasses",
)  # fmt: skip
# whose colours must differ from whose: what lies on or beside it
NEIGHBOURS = {
    "belt": ("top", "pants", "shorts", "skirt"),
    "bag": ("pants", "shorts", "skirt", "dress", "outer"),
    "outer": ("top", "dress", "pants", "shorts", "skirt"),
    "scarf/tie": ("top", "dress", "outer"),
    "top": ("pants", "shorts", "skirt"),
    "pants": ("boots",),
    "footwear": ("pants",),
}
MIN_COLOUR_DISTANCE = 110.0


@dataclass(frozen=True)
class Garment:
    """One garment (a pair of shoes is one).

    Attributes:
        category: One of CATEGORY_NAMES.
        kind: One of KINDS of the category.
        fabric: Colour and pattern.
        accent: Colour of buttons, soles, bands, buckles.
        length, fullness: 0 to 1, from the shortest and narrowest of its kind to the other end.
    """

    category: str
    kind: str
    fabric: Fabric
    accent: RGB
    length: float
    fullness: float


Outfit = dict[str, Garment]


def choose_outfit(rng: np.random.Generator, min_categories: int = 3) -> Outfit:
    """Draws garments that go together: `min_categories` to 7 categories, a full set of clothes."""
    while True:
        categories = _choose_categories(rng)
        if min_categories <= len(categories) <= 7:
            break
    outfit: Outfit = {}
    for category in CHOOSING_ORDER:
        if category in categories:
            outfit[category] = _choose_garment(rng, category, outfit)
    if "scarf/tie" in outfit and outfit["scarf/tie"].kind == "tie":
        outfit["top"] = replace(outfit["top"], kind="blouse")
    return outfit


def _choose_categories(rng: np.random.Generator) -> set[str]:
    lower = rng.choice(["dress", "pants", "shorts", "skirt"], p=[0.25, 0.26, 0.24, 0.25])
    categories = {str(lower)}
    if lower != "dress":
        categories.add("top")
    categories.add("boots" if rng.random() < 0.42 else "footwear")
    for category, chance in ADDED_CHANCES.items():
        if rng.random() < chance:
            categories.add(category)
    hidden = 0.25 if "outer" in categories else 0.6
    if lower != "dress" and rng.random() < hidden:
        categories.add("belt")
    return categories


def _choose_garment(rng: np.random.Generator, category: str, worn: Outfit) -> Garment:
    kind = str(rng.choice(KINDS[category]))
    if category == "scarf/tie" and kind == "tie" and "top" not in worn:
        kind = "scarf"
    if category == "top" and kind == "sweater" and rng.random() < 0.5:
        kind = "tee"
    beside = [worn[name].fabric.rgb for name in NEIGHBOURS.get(category, ()) if name in worn]
    rgb = _choose_colour(rng, PALETTES[category], beside)
    patterns = PATTERN_CHANCES.get(category, {"plain": 1.0})
    pattern = str(rng.choice(list(patterns), p=list(patterns.values())))
    if (category, kind) == ("top", "sweater") or (category, kind) == ("outer", "cardigan"):
        pattern = "knit"
    if category == "pants" and "boots" in worn:
        kind = "slim"
    if pattern == "denim":
        rgb = _choose_colour(rng, DENIM, beside)
    fabric = Fabric(
        rgb, pattern, _second_colour(rng, pattern, rgb), PATTERN_SIZES.get(pattern, 1.0)
    )
    accent = _choose_colour(rng, MUTED + LEATHER + BRIGHT[:4], [rgb])
    length, fullness = rng.random(2)
    if category == "scarf/tie" and "outer" in worn:
        length *= 0.3
    return Garment(category, kind, fabric, accent, float(length), float(fullness))


def _second_colour(rng: np.random.Generator, pattern: str, rgb: RGB) -> RGB:
    bright = np.mean(rgb) > 120
    if pattern == "denim":
        return shifted(rgb, 1.9)
    if pattern in ("knit", "ribs"):
        return shifted(rgb, 0.55) if bright else shifted(rgb, 1.6)
    if pattern in ("plaid", "checks", "stripes_down"):
        return shifted(rgb, 0.5) if bright and rng.random() < 0.5 else (246, 240, 228)
    return (40, 40, 52) if np.mean(rgb) > 190 else (250, 246, 236)


def _choose_colour(rng: np.random.Generator, palette, others) -> RGB:
    """A colour of the palette that is far from all others; the farthest of eight if none is."""
    best, best_distance = palette[0], -1.0
    for _ in range(8):
        rgb = palette[rng.integers(len(palette))]
        distance = min((float(np.linalg.norm(np.subtract(rgb, o))) for o in others), default=1e9)
        if distance > best_distance:
            best, best_distance = rgb, distance
        if distance >= MIN_COLOUR_DISTANCE:
            break
    vary = rng.integers(-10, 11, 3)
    red, green, blue = (int(np.clip(c + v, 0, 255)) for c, v in zip(best, vary, strict=True))
    return red, green, blue
