import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tfseg.structures.photo_pixels import bytes_of, pixels_of

PIXELS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[9, 8, 7], [1, 2, 3], [4, 5, 6]]], np.uint8
)


def _png() -> bytes:
    return cv2.imencode(".png", PIXELS[..., ::-1])[1].tobytes()


@pytest.mark.parametrize(
    "photo",
    [PIXELS, Image.fromarray(PIXELS), _png(), memoryview(_png())],
    ids=["array", "pil", "bytes", "view"],
)
def test_however_a_photo_is_given_its_pixels_are_the_same(photo):
    np.testing.assert_array_equal(pixels_of(photo), PIXELS)
    np.testing.assert_array_equal(pixels_of(bytes_of(photo)), PIXELS)


def test_a_path_gives_the_files_own_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(_png())
    assert bytes_of(str(tmp_path / "a.png")) == bytes_of(Path(tmp_path / "a.png")) == _png()


def test_grey_and_transparent_arrays():
    grey = np.array([[0, 128], [255, 3]], np.uint8)
    np.testing.assert_array_equal(pixels_of(grey), np.dstack([grey] * 3))
    rgba = np.dstack([PIXELS, np.uint8([[255, 0, 255], [255, 255, 0]])])
    expected = PIXELS.copy()
    expected[0, 1] = expected[1, 2] = 255  # laid on white
    np.testing.assert_array_equal(pixels_of(rgba), expected)


def test_a_pil_image_is_turned_as_its_exif_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    stored = io.BytesIO()
    Image.fromarray(PIXELS).save(stored, "PNG", exif=exif)
    np.testing.assert_array_equal(pixels_of(Image.open(stored)), np.rot90(PIXELS, -1))


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        ("nowhere.jpg", r"nowhere.jpg: cannot read the photo \(No such file"),
        (np.zeros((2, 2, 3)), r"got float64 \[2, 2, 3\], expected uint8"),
        (np.zeros((2, 2, 5), np.uint8), r"got uint8 \[2, 2, 5\]"),
        (3, "got a int"),
    ],
)
def test_what_is_no_photo_is_said(photo, message):
    with pytest.raises(ValueError, match=message):
        pixels_of(photo)
