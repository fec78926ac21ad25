import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_prep.readers.photo_encoding import PhotoError, png_is_whole, prepare_photo

RED, BLUE = (250, 10, 10), (10, 10, 250)


def encode(image, file_format="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def red_over_blue(width=8, height=16):
    """Red on top, blue below: shows which way up it is."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2], pixels[height // 2 :] = RED, BLUE
    return Image.fromarray(pixels)


def with_orientation(orientation, image=None):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image or red_over_blue(), quality=100, subsampling=0, exif=exif)


def pixel(encoded, x, y):
    image = Image.open(io.BytesIO(encoded))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return image.getpixel((x, y))


def assert_close(got, expected, tolerance=12):
    assert max(abs(g - e) for g, e in zip(got, expected, strict=True)) <= tolerance, got


def test_prepare_photo_keeps_the_bytes_of_an_rgb_jpeg():
    encoded = encode(red_over_blue())
    photo = prepare_photo(encoded, max_side=16, expected_size_hw=(16, 8))
    assert photo.encoded == encoded
    assert (photo.height, photo.width, photo.changes) == (16, 8, ())


@pytest.mark.parametrize(
    ("image", "file_format", "change", "expected_rgb"),
    [
        (Image.new("L", (8, 16), 90), "JPEG", "photo_grey_to_rgb_jpeg", (90, 90, 90)),
        (Image.new("1", (8, 16), 1), "PNG", "photo_grey_to_rgb_jpeg", (255, 255, 255)),
        (Image.new("CMYK", (8, 16), (0, 255, 255, 0)), "JPEG", "photo_cmyk_to_rgb_jpeg", None),
        (Image.new("RGB", (8, 16), BLUE), "PNG", "photo_png_to_rgb_jpeg", BLUE),
        (Image.new("RGBA", (8, 16), (*RED, 0)), "PNG", "photo_alpha_to_rgb_jpeg", (255,) * 3),
        (Image.new("RGBA", (8, 16), (*RED, 255)), "PNG", "photo_alpha_to_rgb_jpeg", RED),
        (Image.new("LA", (8, 16), (50, 255)), "PNG", "photo_alpha_to_rgb_jpeg", (50, 50, 50)),
        (Image.new("I;16", (8, 16), 0x8000), "PNG", "photo_16_bit_to_rgb_jpeg", (128,) * 3),
    ],
)
def test_prepare_photo_makes_everything_rgb_jpeg(image, file_format, change, expected_rgb):
    photo = prepare_photo(encode(image, file_format), None, (16, 8))
    assert photo.changes == (change,)
    rgb = pixel(photo.encoded, 4, 8)
    if expected_rgb is None:  # red in CMYK, whatever the exact shade
        assert rgb[0] > 200 and max(rgb[1:]) < 60
    else:
        assert_close(rgb, expected_rgb)


@pytest.mark.parametrize(
    "encoded",
    [
        b"not a photo",
        encode(red_over_blue(64, 64))[:-200],
        encode(red_over_blue(64, 64), "PNG")[:-40],
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 16\n",
    ],
    ids=["text", "short_jpeg", "short_png", "postscript"],
)
def test_prepare_photo_unreadable(encoded):
    with pytest.raises(PhotoError) as caught:
        prepare_photo(encoded, None, None)
    assert caught.value.reason == "photo_unreadable"


def test_prepare_photo_tells_what_an_unknown_file_begins_with():
    with pytest.raises(PhotoError, match=r"begins with b'8BPS.*'; expected JPEG, PNG"):
        prepare_photo(b"8BPS" + bytes(90), None, None)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "photo_is_empty_file"),
        (b"<html>gone", "photo_is_web_page"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "photo_is_heic"),
    ],
)
def test_prepare_photo_says_what_is_none(encoded, reason):
    with pytest.raises(PhotoError) as caught:
        prepare_photo(encoded, None, None)
    assert caught.value.reason == reason


def test_prepare_photo_avif():
    assert prepare_photo(encode(red_over_blue(64, 64), "AVIF"), None, None).changes == (
        "photo_avif_to_rgb_jpeg",
    )


def test_prepare_photo_of_another_size():
    with pytest.raises(PhotoError, match="is 8x16, the annotations say 9x16") as caught:
        prepare_photo(encode(red_over_blue()), None, (16, 9))
    assert caught.value.reason == "photo_size_differs"


def test_prepare_photo_shrinks_the_longest_side():
    photo = prepare_photo(encode(red_over_blue(80, 160)), 40, (160, 80))
    assert (photo.height, photo.width, photo.changes) == (40, 20, ("photo_resized",))
    assert_close(pixel(photo.encoded, 10, 5), RED)
    assert_close(pixel(photo.encoded, 10, 35), BLUE)


def test_prepare_photo_rotates_where_the_annotations_are_of_the_rotated_photo():
    # Orientation 6: to be turned clockwise, so red, stored on top, comes to the right.
    photo = prepare_photo(with_orientation(6), None, (8, 16))
    assert (photo.height, photo.width) == (8, 16)
    assert photo.changes == ("photo_rotated_as_exif_says",)
    assert_close(pixel(photo.encoded, 13, 4), RED)
    assert_close(pixel(photo.encoded, 2, 4), BLUE)
    assert Image.open(io.BytesIO(photo.encoded)).getexif().get(0x0112) is None


@pytest.mark.parametrize("orientation", [3, 6])
def test_prepare_photo_only_forgets_a_rotation_the_annotations_do_not_have(orientation):
    encoded = with_orientation(orientation)
    photo = prepare_photo(encoded, None, (16, 8))
    assert photo.changes == ("photo_exif_rotation_removed",)
    kept = Image.open(io.BytesIO(photo.encoded))
    assert kept.getexif().get(0x0112) is None
    np.testing.assert_array_equal(np.array(kept), np.array(Image.open(io.BytesIO(encoded))))


def test_prepare_photo_of_unknown_size_follows_exif():
    photo = prepare_photo(with_orientation(3), None, None)
    assert_close(pixel(photo.encoded, 4, 2), BLUE)


def test_prepare_photo_keeps_bytes_with_exif_but_no_rotation():
    encoded = with_orientation(1)
    assert prepare_photo(encoded, None, (16, 8)).encoded == encoded


@pytest.mark.parametrize("progressive", [False, True])
def test_prepare_photo_keeps_bytes_whose_thumbnail_is_a_jpeg_itself(progressive):
    exif = encode(red_over_blue())[2:]
    segment = b"\xff\xe1" + (len(exif) + 8).to_bytes(2, "big") + b"Exif\0\0" + exif
    jpeg = encode(red_over_blue(64, 64), progressive=progressive)
    jpeg = jpeg[:2] + segment + jpeg[2:]
    assert prepare_photo(jpeg, None, (64, 64)).encoded == jpeg


def test_prepare_photo_encodes_anew_what_only_pillow_reads():
    jpeg = encode(red_over_blue(64, 64))[:-2] + bytes(8)  # without the end marker
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_image(jpeg)
    photo = prepare_photo(jpeg, None, (64, 64))
    assert photo.changes == ("photo_stray_markers_reencoded",)
    assert_close(tf.io.decode_image(photo.encoded).numpy()[10, 10].tolist(), RED)


def test_prepare_photo_never_keeps_what_tensorflow_refuses():
    noise = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    jpeg = encode(Image.fromarray(noise))
    rng = np.random.default_rng(1)
    num_kept = 0
    for _ in range(300):
        damaged = bytearray(jpeg)
        for place in rng.integers(0, len(jpeg), 2):
            damaged[place] = rng.integers(0, 256)
        try:
            photo = prepare_photo(bytes(damaged), None, None)
        except PhotoError:
            continue
        tf.io.decode_image(photo.encoded, channels=3)  # raises what it cannot read
        num_kept += 1
    assert 50 < num_kept < 300


def test_png_is_whole_finds_any_flipped_byte():
    encoded = encode(red_over_blue(), "PNG")
    assert png_is_whole(encoded)
    assert png_is_whole(encode(red_over_blue(), "JPEG"))
    signature, after_end = 8, len(encoded)
    for position in range(signature, after_end):
        flipped = bytearray(encoded)
        flipped[position] ^= 16
        assert not png_is_whole(bytes(flipped)), position
        assert not png_is_whole(encoded[:position]), position


def test_prepare_photo_refuses_a_png_with_other_pixels():
    encoded = encode(Image.new("RGB", (8, 16), BLUE), "PNG", compress_level=0)
    changed = encoded.replace(bytes(BLUE), bytes(RED), 1)
    assert len(changed) == len(encoded)
    assert changed != encoded
    with pytest.raises(PhotoError, match="a checksum of the PNG is wrong") as caught:
        prepare_photo(changed, None, (16, 8))
    assert caught.value.reason == "photo_unreadable"
