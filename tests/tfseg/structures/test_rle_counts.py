import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfseg.structures.rle_counts import counts_from_runs, counts_from_string


def test_counts_from_string_of_a_known_mask():
    mask = np.array([[0, 1, 1], [0, 1, 0]], np.uint8, order="F")
    text = coco_mask.encode(mask)["counts"]
    assert counts_from_string(text).tolist() == [2, 3, 1]


@pytest.mark.parametrize("seed", range(20))
def test_counts_from_string_equals_pycocotools(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 300, 2)
    mask = np.asfortranarray(rng.random((height, width)) < rng.random(), np.uint8)
    counts = counts_from_string(coco_mask.encode(mask)["counts"])
    ones = np.repeat(np.arange(counts.size) % 2, counts)
    np.testing.assert_array_equal(ones.reshape(width, height).T, mask)


def test_counts_from_string_of_nothing():
    assert counts_from_string(b"").tolist() == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"0!0", "outside the code"),
        (b"\xff", "outside the code"),
        (b"0P", "cut short"),
        (b"PPPPPPPPPPP0", "too many characters"),
        (b"O", "negative length"),
        (b"12O5oN", "negative length"),
    ],
)
def test_counts_from_string_refuses(text, reason):
    with pytest.raises(ValueError, match=reason):
        counts_from_string(text)


def test_counts_from_runs():
    counts = counts_from_runs(np.array([2, 5]), np.array([3, 1]), num_pixels=12)
    assert counts.tolist() == [2, 3, 0, 1, 6]
