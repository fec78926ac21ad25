"""What a drawn garment is like, read off its own drawing: the attributes of its annotation."""

from data_prep.sample.figure import KNEE_Y, Figure
from data_prep.sample.lower_garments import skirt_hem_y
from data_prep.sample.outer_garments import outer_hem_y
from data_prep.sample.outfit import Garment, Outfit
from data_prep.sample.upper_garments import SLEEVES, dress_hem_y

# Above FGVC6's and Fashionpedia's ids, so that they stay apart where data sets are joined.
FIRST_ID = 501
NAMES = (
    *("plain", "striped", "checked", "dotted", "floral", "knitted", "denim"),
    *("sleeveless", "short sleeves", "elbow-length sleeves", "long sleeves"),
    *("round neckline", "scoop neckline", "shirt collar", "lapels"),
    *("buttons", "zip", "fly", "laces", "buckle"),
    *("above the knee", "below the knee", "waist-length", "hip-length", "thigh-length"),
)
ATTRIBUTE_NAMES = dict(enumerate(NAMES, start=FIRST_ID))
_IDS = {name: number for number, name in ATTRIBUTE_NAMES.items()}

_PATTERNS = {
    "plain": "plain", "stripes_across": "striped", "stripes_down": "striped",
    "stripes_diagonal": "striped", "checks": "checked", "plaid": "checked", "dots": "dotted",
    "blossoms": "floral", "knit": "knitted", "denim": "denim",
}  # fmt: skip
_PATTERNED = {"outer", "dress", "pants", "top", "shorts", "skirt", "scarf/tie", "bag"}
_NECKLINES = {
    ("top", "blouse"): "shirt collar", ("top", "tank"): "scoop neckline",
    ("dress", "sleeveless"): "scoop neckline", ("outer", "coat"): "lapels",
    ("outer", "blazer"): "lapels", ("outer", "jacket"): "lapels",
}  # fmt: skip
_CLOSURES = {
    ("top", "blouse"): "buttons", ("outer", "coat"): "buttons", ("outer", "blazer"): "buttons",
    ("outer", "cardigan"): "buttons", ("outer", "jacket"): "zip", ("boots", "laced"): "laces",
    ("footwear", "sneaker"): "laces",
}  # fmt: skip
_CLOSED_ALIKE = {"pants": "fly", "shorts": "fly", "belt": "buckle"}
_OUTER_LENGTHS = {
    "jacket": "waist-length", "blazer": "hip-length", "cardigan": "thigh-length",
    "coat": "thigh-length",
}  # fmt: skip


def garment_attributes(
    garment: Garment, outfit: Outfit, figure: Figure, photo_height: int
) -> tuple[int, ...]:
    """The ids of what a garment has and shows, ascending.

    What the drawing leaves out or hides is not told: a top's sleeves under an outer garment, a
    neckline under a scarf, the length of what ends below the photo.

    Args:
        garment: One of the outfit.
        outfit: All that the person wears.
        figure: The person.
        photo_height: Pixels.
    """
    key = garment.category, garment.kind
    names = [
        _pattern(garment),
        _sleeves(garment, outfit),
        _neckline(garment, outfit),
        _CLOSURES.get(key) or _CLOSED_ALIKE.get(garment.category),
        _length(garment, figure, photo_height),
    ]
    return tuple(sorted(_IDS[name] for name in names if name))


def _pattern(garment: Garment) -> str | None:
    return _PATTERNS[garment.fabric.pattern] if garment.category in _PATTERNED else None


def _sleeves(garment: Garment, outfit: Outfit) -> str | None:
    is_under_outer = garment.category != "outer" and "outer" in outfit
    if garment.category not in ("top", "dress", "outer") or is_under_outer:
        return None
    if garment.kind not in SLEEVES:
        return "sleeveless"
    arm_share = SLEEVES[garment.kind][0]
    if arm_share < 0.4:
        return "short sleeves"
    return "elbow-length sleeves" if arm_share < 0.7 else "long sleeves"


def _neckline(garment: Garment, outfit: Outfit) -> str | None:
    if "scarf/tie" in outfit and outfit["scarf/tie"].kind == "scarf":
        return None
    worn_at_neck = garment.category in ("top", "dress")
    return _NECKLINES.get((garment.category, garment.kind)) or (
        "round neckline" if worn_at_neck else None
    )


def _length(garment: Garment, figure: Figure, photo_height: int) -> str | None:
    if garment.category == "outer":
        hem_y, name = outer_hem_y(garment), _OUTER_LENGTHS[garment.kind]
    elif garment.category in ("skirt", "dress"):
        hem_y = skirt_hem_y(garment) if garment.category == "skirt" else dress_hem_y(garment)
        name = "above the knee" if hem_y < KNEE_Y else "below the knee"
    else:
        return None
    return name if figure.on_torso([(0, hem_y)])[0, 1] < photo_height else None
