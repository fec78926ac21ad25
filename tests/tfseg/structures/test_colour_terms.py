import numpy as np
import pytest

from tfseg.structures.colour_terms import (
    COLOUR_NAMES,
    colour_shares,
    colours_from_shares,
    colours_of_pixels,
)


def shares(**parts):
    return np.array([parts.get(name, 0.0) for name in COLOUR_NAMES])


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((15, 15, 17), "black"),
        ((28, 26, 30), "black"),
        ((250, 250, 250), "white"),
        ((240, 234, 214), "white"),  # cream
        ((128, 128, 130), "grey"),
        ((178, 34, 34), "red"),
        ((255, 140, 0), "orange"),
        ((255, 225, 50), "yellow"),
        ((46, 139, 87), "green"),
        ((85, 95, 50), "green"),  # olive
        ((0, 0, 205), "blue"),
        ((25, 30, 80), "blue"),  # navy
        ((70, 95, 140), "blue"),  # denim
        ((128, 0, 128), "purple"),
        ((255, 182, 193), "pink"),
        ((255, 20, 147), "pink"),
        ((101, 67, 33), "brown"),
        ((195, 160, 120), "brown"),  # camel
    ],
)
def test_colour_shares_of_what_people_name_at_once(rgb, name):
    found = colour_shares(np.array([rgb], np.uint8))
    assert COLOUR_NAMES[int(found.argmax())] == name
    assert found.sum() == pytest.approx(1)


def test_colour_shares_count_pixels():
    pixels = np.array([(200, 20, 30)] * 3 + [(250, 250, 250)], np.uint8)
    np.testing.assert_allclose(colour_shares(pixels), shares(red=0.75, white=0.25))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"red": 0.75, "white": 0.25}, ("red",)),  # not over a quarter
        ({"red": 0.7, "white": 0.3}, ("red", "white")),
        ({"black": 0.55, "white": 0.45}, ("black", "white")),
        ({"white": 0.6, "grey": 0.4}, ("white",)),  # folds of white cloth
        ({"blue": 0.4, "green": 0.3, "red": 0.3}, ("blue", "red")),
        ({"grey": 0.6, "blue": 0.4}, ("grey", "blue")),
    ],
)
def test_colours_from_shares(parts, expected):
    assert colours_from_shares(shares(**parts)) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        # Cloth of navy, of denim, of grey with a bluish shade: measured on garments of photos.
        ([((36, 44, 72), 60), ((14, 17, 24), 40)], ("blue",)),
        ([((90, 105, 130), 40), ((115, 120, 131), 44)], ("blue",)),
        ([((90, 105, 130), 30), ((115, 120, 131), 70)], ("grey",)),
        ([((150, 20, 30), 30), ((15, 14, 14), 70)], ("black", "red")),  # a print
        ([((40, 80, 190), 50), ((128, 128, 128), 50)], ("grey", "blue")),
        ([((40, 80, 190), 50), ((240, 240, 250), 50)], ("white", "blue")),
    ],
)
def test_shade_is_no_second_colour(parts, expected):
    pixels = np.concatenate([np.tile(np.array([rgb], np.uint8), (n, 1)) for rgb, n in parts])

    assert colours_of_pixels(pixels) == expected
