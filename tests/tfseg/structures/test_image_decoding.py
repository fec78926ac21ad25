import cv2
import numpy as np
import pytest

from tfseg.structures.image_decoding import decode_photo, readable_by_the_model


def _with_orientation(jpeg, orientation):
    """Inserts an EXIF segment with one entry, 0x0112, after the JPEG's first two bytes."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00" + bytes([orientation]) + b"\x00\x00"
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01" + entry + b"\x00\x00\x00\x00"
    segment = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


def test_decode_photo_turns_by_exif():
    jpeg = cv2.imencode(".jpg", np.zeros((8, 16, 3), np.uint8))[1].tobytes()

    assert decode_photo(jpeg).shape == (8, 16, 3)
    assert decode_photo(_with_orientation(jpeg, 6)).shape == (16, 8, 3)


def test_decode_photo_puts_alpha_on_white():
    bgra = np.array([[[255, 0, 0, 255], [255, 0, 0, 0]]], np.uint8)
    png = cv2.imencode(".png", bgra)[1].tobytes()

    assert decode_photo(png).tolist() == [[[0, 0, 255], [255, 255, 255]]]


def test_decode_photo_refuses_what_is_no_photo():
    for encoded in (b"", b"no photo"):
        with pytest.raises(ValueError, match="cannot decode this image"):
            decode_photo(encoded)


@pytest.mark.parametrize("suffix", [".tiff", ".avif"])
def test_what_the_graph_does_not_read_becomes_a_png(suffix):
    blue_left = np.zeros((32, 64, 3), np.uint8)
    blue_left[:, :32] = (250, 20, 10)  # BGR
    encoded = cv2.imencode(suffix, blue_left)[1].tobytes()

    png = readable_by_the_model(encoded)

    assert png.startswith(b"\x89PNG")
    np.testing.assert_allclose(decode_photo(png)[8, 8], (10, 20, 250), atol=6)


def test_what_the_graph_reads_stays():
    assert readable_by_the_model(b"\xff\xd8\xff") == b"\xff\xd8\xff"


def test_heic_is_named():
    with pytest.raises(ValueError, match="HEIC"):
        readable_by_the_model(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")
