"""The colour names of a garment, from its pixels: the 11 basic colour terms.

The terms are those of Berlin and Kay, "Basic Color Terms" (1969). A pixel without a hue (CIELAB,
D65) is black, grey or white by its lightness; any other has the term of the nearest prototype. The
garment has the term of most pixels, and a second one that more than a quarter of them have; black
or grey that is only the shade, or the washed part, of a hue is none of its own.
"""

import functools

import numpy as np

COLOUR_NAMES = (
    "black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown",
)  # fmt: skip
SECOND_SHARE = 0.25

# sRGB, 0 to 255: what people call by the term in photos, in light and in shade.
_PROTOTYPES = {
    "red": ((200, 20, 30), (150, 20, 30), (100, 15, 25), (225, 60, 55), (70, 12, 20)),
    "orange": ((240, 120, 20), (225, 95, 30), (250, 160, 60), (205, 85, 20)),
    "yellow": (
        (250, 220, 40),
        (235, 200, 70),
        (250, 235, 130),
        (215, 180, 40),
        (255, 240, 170),
        (185, 150, 30),
    ),
    "green": (
        *((40, 140, 60), (20, 80, 40), (120, 180, 80), (100, 110, 50), (70, 80, 45)),
        *(
            (0, 130, 115),
            (150, 220, 180),
            (30, 45, 25),
            (170, 190, 60),
            (40, 60, 55),
            (150, 160, 120),
            (125, 135, 95),
        ),
    ),
    "blue": (
        *((40, 80, 190), (20, 30, 90), (100, 150, 210), (170, 205, 235), (60, 80, 120)),
        *((30, 40, 62), (0, 150, 190), (110, 130, 165), (85, 105, 140), (20, 22, 45)),
    ),
    "purple": (
        (120, 40, 140),
        (75, 25, 90),
        (150, 110, 190),
        (190, 165, 215),
        (55, 30, 60),
        (150, 138, 165),
        (92, 82, 108),
    ),
    "pink": (
        *((240, 110, 160), (220, 40, 120), (250, 185, 200), (235, 140, 140), (215, 150, 165)),
        (245, 205, 205),
    ),
    "brown": (
        *((110, 65, 35), (70, 42, 28), (150, 100, 60), (185, 150, 110), (205, 175, 140)),
        *((45, 30, 22), (130, 110, 85), (90, 78, 60)),
    ),
}
# Lightness tells less than hue: the same cloth is light and dark in its folds.
_LIGHTNESS_WEIGHT = 0.6
# Without a hue (chroma below): black up to a lightness, white from one on, grey between.
_BLACK_LIGHTNESS, _WHITE_LIGHTNESS = 22.0, 74.0
_CREAM_LIGHTNESS, _CREAM_CHROMA = 78.0, 20.0
_PURPLE_CHROMA, _BLUE_CHROMA = 18.0, 9.0
_DARKEST_HUE = 8.0  # lightness below which no hue is seen
# Black and grey that lean towards the garment's hue are the same cloth: by what share of its
# chroma, in how nearly its direction (cosine). Fitted by eye on 30 garments of real photos.
SHADE_LEAN, SHADE_COSINE = 0.14, 0.9
SHADE_OUTWEIGHS = 0.75  # hue's pixels to the tone's, from which on the cloth has the hue's name


def _lab(rgb: np.ndarray) -> np.ndarray:
    """uint8 [num_pixels, 3] -> float32 [num_pixels, 3]: L 0 to 100, a, b."""
    import cv2  # here, because serving's client imports this package and does without

    return cv2.cvtColor(rgb[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]


def _least_chroma(lightness: np.ndarray) -> np.ndarray:
    """Below which it is black, grey or white: 7 in the middle, 11 in the dark, 14 in the light.

    Dark pixels' hue is mostly the sensor's and the sky's, and white cloth takes its surroundings'
    on.
    """
    return np.interp(lightness, (22, 40, 70, 85), (11, 7, 8, 14))


@functools.cache
def _lab_table() -> np.ndarray:
    """float32 [32768, 3], CIELAB of each RGB of 5 bits a channel, in table_rows' order."""
    levels = (np.arange(32) * 8 + 4).astype(np.uint8)
    return _lab(np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3))


def hue_table() -> np.ndarray:
    """float32 [32768, 2]: CIELAB's a and b, in table_rows' order."""
    return _lab_table()[:, 1:]


@functools.cache
def term_table() -> np.ndarray:
    """uint8 [32768]: the index into COLOUR_NAMES, in table_rows' order."""
    lab = _lab_table()
    terms = [name for name, colours in _PROTOTYPES.items() for _ in colours]
    colours = [rgb for colours in _PROTOTYPES.values() for rgb in colours]
    weights = np.array([_LIGHTNESS_WEIGHT, 1, 1], np.float32)
    prototypes = _lab(np.array(colours, np.uint8)) * weights
    # |p - q|^2 without |p|^2, which is the same for all of a colour's prototypes.
    distance = (prototypes**2).sum(axis=1) - 2 * (lab * weights) @ prototypes.T
    of_prototype = np.array([COLOUR_NAMES.index(term) for term in terms])
    index = of_prototype[distance.argmin(axis=1)]
    lightness, a, b = lab.T
    chroma = np.hypot(a, b)
    plain = (chroma < _least_chroma(lightness)) | (lightness < _DARKEST_HUE)
    # Greys in the shade, where the sky is all the light: violet to a camera, not to people.
    plain |= (index == COLOUR_NAMES.index("purple")) & (chroma < _PURPLE_CHROMA)
    plain |= (index == COLOUR_NAMES.index("blue")) & (chroma < _BLUE_CHROMA)
    # Cream, ivory: called white.
    plain |= (lightness > _CREAM_LIGHTNESS) & (chroma < _CREAM_CHROMA) & (b > abs(a))
    tone = np.where(lightness < _BLACK_LIGHTNESS, 0, np.where(lightness < _WHITE_LIGHTNESS, 2, 1))
    return np.where(plain, tone, index).astype(np.uint8)


def table_rows(rgb: np.ndarray) -> np.ndarray:
    """uint8 [num_pixels, 3] -> int32 [num_pixels]: rows of the tables, red highest."""
    red, green, blue = (rgb.T >> 3).astype(np.int32)
    return red << 10 | green << 5 | blue


def colour_shares(rgb: np.ndarray) -> np.ndarray:
    """What share of pixels has each colour.

    Args:
        rgb: uint8 [num_pixels, 3], at least one.

    Returns:
        float64 [11], in the order of COLOUR_NAMES; their sum is 1.
    """
    terms = term_table()[table_rows(rgb)]
    return np.bincount(terms, minlength=len(COLOUR_NAMES)) / len(rgb)


def colours_from_shares(shares: np.ndarray) -> tuple[str, ...]:
    """The names of a garment: that of most pixels, and a second one of more than a quarter.

    Grey beside black or white is no second colour, it is light or shade on them.

    Args:
        shares: from colour_shares.
    """
    first, second = (COLOUR_NAMES[i] for i in np.argsort(-shares, kind="stable")[:2])
    if shares[COLOUR_NAMES.index(second)] <= SECOND_SHARE:
        return (first,)
    tones = {first, second}
    if "grey" in tones and tones & {"black", "white"}:
        return (first,)
    return (first, second)


def colours_of_pixels(rgb: np.ndarray) -> tuple[str, ...]:
    """The names of a garment's pixels: colours_from_shares, with shade told from a second colour.

    Navy cloth is black in its folds and blue where light falls, washed denim grey and blue: where
    the black or grey pixels lean towards the hue of the others, the cloth has one name.

    Args:
        rgb: uint8 [num_pixels, 3], at least one.
    """
    shares = colour_shares(rgb)
    names = colours_from_shares(shares)
    tones, hues = ([n for n in names if (n in ("black", "grey")) == wanted] for wanted in (1, 0))
    if len(tones) != 1 or len(hues) != 1 or hues == ["white"]:
        return names
    rows = table_rows(rgb)
    terms, both = term_table()[rows], hue_table()[rows]
    tone, hue = (COLOUR_NAMES.index(some[0]) for some in (tones, hues))
    tone_ab, hue_ab = (both[terms == one].mean(axis=0) for one in (tone, hue))
    tone_chroma, hue_chroma = np.hypot(*tone_ab), np.hypot(*hue_ab)
    lean = float(tone_ab @ hue_ab) / hue_chroma
    if lean < max(SHADE_LEAN * hue_chroma, SHADE_COSINE * tone_chroma):
        return names
    return (hues[0] if shares[hue] >= SHADE_OUTWEIGHS * shares[tone] else tones[0],)
