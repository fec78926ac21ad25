import numpy as np
import pytest
import tensorflow as tf

from tfseg.inference.colour_naming import colour_scores
from tfseg.structures.colour_terms import COLOUR_NAMES, colour_shares, colours_of_pixels

NUM_CELLS = 28
CLOTHS = [
    [((200, 20, 30), 100)],
    [((20, 25, 30), 60), ((250, 250, 250), 40)],
    [((128, 128, 128), 55), ((20, 20, 20), 45)],  # grey beside black is light on it
    [((36, 44, 72), 60), ((14, 17, 24), 40)],  # navy and its folds
    [((90, 105, 130), 30), ((115, 120, 131), 70)],  # grey with a bluish shade
    [((150, 20, 30), 30), ((15, 14, 14), 70)],  # a print
    [((40, 80, 190), 50), ((240, 240, 250), 50)],
]


def cells(cloth, rng) -> np.ndarray:
    """uint8 [28, 28, 3], the cloth's colours in their shares, in any order."""
    pixels = np.concatenate([np.tile(np.array([rgb]), (n, 1)) for rgb, n in cloth])
    chosen = pixels[rng.integers(0, len(pixels), NUM_CELLS**2)]
    return chosen.astype(np.uint8).reshape(NUM_CELLS, NUM_CELLS, 3)


def random_cloths(rng, number: int) -> np.ndarray:
    """uint8 [number, 28, 28, 3]: of one to three colours with noise."""
    cloths = []
    for _ in range(number):
        colours = rng.integers(0, 256, (rng.integers(1, 4), 3))
        noisy = colours[rng.integers(0, len(colours), NUM_CELLS**2)]
        noisy = noisy + rng.normal(0, 12, noisy.shape)
        cloths.append(noisy.clip(0, 255).reshape(NUM_CELLS, NUM_CELLS, 3))
    return np.array(cloths).astype(np.uint8)


def test_the_graph_names_as_the_rule_does():
    rng = np.random.default_rng(5)
    rgb = np.concatenate([[cells(cloth, rng) for cloth in CLOTHS], random_cloths(rng, 300)])
    probs = np.full(rgb.shape[:3], 0.1, np.float32)
    probs[:, 4:22, 3:27] = 0.9

    scores = colour_scores(tf.constant(rgb, tf.float32), tf.constant(probs)).numpy()

    assert scores.shape == (len(rgb), len(COLOUR_NAMES)) and scores.dtype == np.float32
    for photo, row in zip(rgb, scores, strict=True):
        inner = photo[5:21, 4:26].reshape(-1, 3)
        names, shares = colours_of_pixels(inner), colour_shares(inner)
        assert {COLOUR_NAMES[i] for i in np.flatnonzero(row >= 0.5)} == set(names)
        expected = [
            0.5 + share / 2 if name in names else min(share / 2, 0.49)
            for name, share in zip(COLOUR_NAMES, shares, strict=True)
        ]
        np.testing.assert_allclose(row, expected, atol=1e-5)


def test_a_strap_has_the_colour_of_all_its_cells():
    rgb = np.full((1, NUM_CELLS, NUM_CELLS, 3), (40, 140, 60), np.float32)
    rgb[:, :, 10:12] = (20, 30, 90)
    probs = np.zeros(rgb.shape[:3], np.float32)
    probs[:, :, 10:12] = 1

    [row] = colour_scores(tf.constant(rgb), tf.constant(probs)).numpy()

    assert [COLOUR_NAMES[i] for i in np.flatnonzero(row >= 0.5)] == ["blue"]


@pytest.mark.parametrize("number", [0, 1])
def test_no_garment_and_no_mask_have_no_colour(number):
    rgb, probs = tf.zeros([number, 28, 28, 3]), tf.zeros([number, 28, 28])

    scores = colour_scores(rgb, probs).numpy()

    assert scores.shape == (number, 11) and not scores.any()
