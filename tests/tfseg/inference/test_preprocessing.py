import functools
import io
import struct

import cv2
import numpy as np
import pytest
import tensorflow as tf
from official.vision.dataloaders import maskrcnn_input

from tfseg.inference.preprocessing import input_layout, inputs_from_bytes


def make_image(height, width, seed=0):
    """A smooth RGB picture in which no two corners look alike."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def encode(image_rgb, extension=".png", options=()):
    channels = image_rgb.ndim == 3 and image_rgb.shape[2]
    codes = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    image = cv2.cvtColor(image_rgb, codes[channels]) if channels else image_rgb
    return cv2.imencode(extension, image, list(options))[1].tobytes()


@functools.cache
def compiled(input_size_hw, max_pixels):
    return tf.function(
        lambda image_bytes: inputs_from_bytes(
            image_bytes, input_layout(input_size_hw, 5, 5), max_pixels
        ),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )


def prepare(images, input_size_hw=(64, 96), max_pixels=1_000_000):
    inputs = compiled(input_size_hw, max_pixels)(tf.constant(images, tf.string))
    return {name: value.numpy() for name, value in inputs._asdict().items()}


def pixels_of(encoded):
    """The image as the network sees it, turned back into 0..255; as large as the network input."""
    inputs = prepare([encoded])
    assert inputs["error"][0] == b""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    height, width = inputs["scaled_size_hw"][0]
    return 255 * (inputs["images"][0, :height, :width] * std + mean)


@pytest.mark.parametrize("size", [(50, 80), (300, 100), (64, 96), (9, 200), (480, 719)])
@pytest.mark.parametrize("input_size_hw", [(64, 96), (60, 50)])
def test_network_inputs_equal_model_gardens_evaluation(size, input_size_hw):
    image = make_image(*size)
    parser = maskrcnn_input.Parser(
        output_size=list(input_size_hw),
        min_level=3,
        max_level=5,
        num_scales=1,
        aspect_ratios=[1.0],
        anchor_size=4,
    )
    nothing = tf.zeros([0])
    expected, labels = parser._parse_eval_data(
        {
            "image": tf.constant(image),
            "source_id": tf.constant("1"),
            "height": size[0],
            "width": size[1],
            "groundtruth_boxes": tf.zeros([0, 4]),
            "groundtruth_classes": tf.zeros([0], tf.int64),
            "groundtruth_area": nothing,
            "groundtruth_is_crowd": tf.zeros([0], tf.bool),
        }
    )

    inputs = prepare([encode(image)], input_size_hw)

    assert inputs["images"].shape == (1, 64, 96 if input_size_hw == (64, 96) else 64, 3)
    np.testing.assert_allclose(inputs["images"][0], expected, atol=1e-5)
    assert inputs["image_size_hw"].tolist() == [list(size)]
    scale = inputs["scaled_size_hw"][0] / inputs["image_size_hw"][0]
    np.testing.assert_allclose(scale, labels["image_info"][2], rtol=1e-6)


def test_network_inputs_of_one_used_size_are_adjacent():
    sizes = [(50, 80), (300, 100), (40, 60), (300, 90), (64, 70)]

    inputs = prepare([encode(make_image(*size)) for size in sizes])

    assert inputs["used_size_hw"].tolist() == [[64, 32], [64, 32], [64, 96], [64, 96], [64, 96]]
    assert inputs["scaled_size_hw"][:2].tolist() == [[64, 21], [64, 19]]
    assert inputs["image_size_hw"][inputs["row"]].tolist() == [list(size) for size in sizes]
    assert inputs["image_index"].tolist() == [1, 3, 0, 2, 4]


def test_network_inputs_used_size_ends_with_the_network_input():
    inputs = prepare([encode(make_image(50, 80))], input_size_hw=(60, 50))

    assert inputs["images"].shape == (1, 64, 64, 3)
    assert inputs["used_size_hw"].tolist() == [[32, 64]]


def test_used_size_is_of_whole_strides_of_the_backbone():
    layout = input_layout((800, 800), 6, 5)
    assert layout == ((800, 800), (832, 832), 32)
    assert input_layout((800, 800), 6, 4).stride == 16
    assert input_layout((800, 800), 6, 5, size_step=100).stride == 128

    photo = encode(make_image(128, 96))  # 800 x 600, which is no multiple of 32
    inputs = inputs_from_bytes(tf.constant([photo]), layout, 1_000_000)

    assert inputs.used_size_hw.numpy().tolist() == [[800, 608]]
    assert inputs.images.shape == (1, 832, 832, 3)


def test_network_inputs_mixed_batch():
    good, other = encode(make_image(50, 80)), encode(make_image(300, 100, seed=1))

    inputs = prepare([b"", good, good[: len(good) // 2], other, b"no image at all"])

    assert inputs["row"].tolist() == [0, 1, 0, 0, 0]  # the narrow one comes first
    assert inputs["image_size_hw"].tolist() == [[300, 100], [50, 80]]
    assert inputs["is_blank"].tolist() == [False, False]
    np.testing.assert_array_equal(inputs["images"][0], prepare([other])["images"][0])
    np.testing.assert_array_equal(inputs["images"][1], prepare([good])["images"][0])
    assert inputs["error"].tolist() == [
        b"the image is empty (0 bytes)",
        b"",
        b"the image is damaged or cut short and cannot be decoded",
        b"",
        b"not an image: expected the bytes of a JPEG, PNG, BMP, GIF or WebP file",
    ]


@pytest.mark.parametrize("images", [[], [b"x"]])
def test_network_inputs_nothing_to_decode(images):
    inputs = prepare(images)

    assert inputs["images"].shape == (1, 64, 96, 3)
    assert inputs["is_blank"].tolist() == [True]
    assert inputs["row"].tolist() == [0] * len(images)


# Files of 20000 x 30000 pixels, as far as their headers go.
HUGE = {
    "png": b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII5B", 13, b"IHDR", 30000, 20000, 8, 2, 0, 0, 0),
    "gif": b"GIF89a" + struct.pack("<HH", 30000, 20000) + b"\0\0\0\x2c\0\0\0\0\1\0\1\0\0",
    "bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, 30000, 20000) + bytes(20),
    "bmp_top_down": b"BM" + bytes(12) + struct.pack("<Iii", 40, 30000, -20000) + bytes(20),
    "jpeg": b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc2\x00\x11\x08"
    + struct.pack(">HH", 20000, 30000),
    "webp": b"RIFF    WEBPVP8X" + bytes(8) + (29999).to_bytes(3, "little") + b"\x1f\x4e\x00",
}


@pytest.mark.parametrize("name", HUGE)
def test_network_inputs_refuses_huge_images_before_decoding(name):
    (error,) = prepare([HUGE[name]])["error"]

    assert error == (
        b"the image has 30000x20000 pixels; at most 1000000 pixels are accepted, send it smaller"
    )


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".gif", ".webp"])
def test_network_inputs_reads_the_size_of_every_format(extension):
    encoded = encode(make_image(41, 67), extension)

    assert prepare([encoded], max_pixels=41 * 67)["image_size_hw"].tolist() == [[41, 67]]
    (error,) = prepare([encoded], max_pixels=41 * 67 - 1)["error"]
    assert error.startswith(b"the image has 67x41 pixels")


def test_network_inputs_reads_the_size_of_lossless_webp():
    encoded = encode(make_image(41, 67), ".webp", (cv2.IMWRITE_WEBP_QUALITY, 101))

    assert encoded[12:16] == b"VP8L"
    (error,) = prepare([encoded], max_pixels=1)["error"]
    assert error.startswith(b"the image has 67x41 pixels")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"\xff\xd8\xff\xd9", b"header is damaged"),
        (b"\xff\xd8\xff", b"header is damaged"),
        (b"\xff\xd8\xff\xe0\x00\x00" + bytes(50), b"header is damaged"),
        (HUGE["png"][:8], b"header is damaged"),
        (b"II*\x00" + bytes(50), b"not an image"),  # TIFF
        (b"RIFF    WAVEfmt " + bytes(50), b"not an image"),
        (b"%PDF-1.7", b"not an image"),
    ],
)
def test_network_inputs_damaged_headers(header, reason):
    assert reason in prepare([header])["error"][0]


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".gif", ".webp"])
def test_network_inputs_survives_cut_files(extension):
    encoded = encode(make_image(41, 67), extension)
    cut = [encoded[:length] for length in range(0, len(encoded), max(1, len(encoded) // 25))]

    inputs = prepare([*cut, encoded])

    assert inputs["error"][-1] == b""
    assert inputs["error"][0] == b"the image is empty (0 bytes)"


def test_network_inputs_lays_transparency_on_white():
    image = np.zeros((64, 96, 4), np.uint8)
    image[:, :, 0] = 200
    image[:, 48:, 3] = 255
    image[:, 24:48, 3] = 51

    pixels = pixels_of(encode(image))

    np.testing.assert_allclose(pixels[30, 10], [255, 255, 255], atol=0.01)
    np.testing.assert_allclose(pixels[30, 30], [244, 204, 204], atol=0.01)
    np.testing.assert_allclose(pixels[30, 60], [200, 0, 0], atol=0.01)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".webp"])
def test_network_inputs_grey(extension):
    pixels = pixels_of(encode(np.full((64, 96), 90, np.uint8), extension))

    np.testing.assert_allclose(pixels[30, 50], [90, 90, 90], atol=1.01)


def test_network_inputs_sixteen_bit():
    pixels = pixels_of(encode(np.full((64, 96), 0x5A80, np.uint16)))

    np.testing.assert_allclose(pixels[30, 50], [0x5A] * 3, atol=1.01)


def test_network_inputs_cmyk_and_palette():
    pillow = pytest.importorskip("PIL.Image", reason="Pillow makes CMYK and palette files")
    image = pillow.new("RGB", (96, 64), (200, 60, 30))
    for mode, kind, tolerance in (("CMYK", "JPEG", 5), ("P", "PNG", 40), ("P", "GIF", 40)):
        stream = io.BytesIO()
        image.convert(mode).save(stream, kind)

        pixels = pixels_of(stream.getvalue())

        np.testing.assert_allclose(pixels[30, 50], [200, 60, 30], atol=tolerance)


def test_network_inputs_first_frame_of_an_animation():
    pillow = pytest.importorskip("PIL.Image", reason="Pillow makes animated GIFs")
    frames = [pillow.new("RGB", (96, 64), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])

    np.testing.assert_allclose(pixels_of(stream.getvalue())[30, 50], [255, 0, 0], atol=0.01)


def with_orientation(jpeg, orientation, byte_order, other_segments=b""):
    """Puts an EXIF segment with two entries, the second being the orientation, into a JPEG."""
    mark = b"II*\x00" if byte_order == "<" else b"MM\x00*"
    entries = [
        (0x010F, 2, 4, b"abc\x00"),
        (0x0112, 3, 1, struct.pack(byte_order + "HH", orientation, 0)),
    ]
    ifd = struct.pack(byte_order + "H", 2)
    for tag, kind, count, value in entries:
        ifd += struct.pack(byte_order + "HHI", tag, kind, count) + value
    tiff = mark + struct.pack(byte_order + "I", 8) + ifd + bytes(4)
    exif = b"Exif\x00\x00" + tiff
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return jpeg[:2] + other_segments + segment + jpeg[2:]


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_network_inputs_turns_photos_upright(orientation, byte_order):
    jpeg = with_orientation(encode(make_image(40, 100), ".jpg"), orientation, byte_order)
    # OpenCV follows EXIF by itself.
    upright = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1), cv2.COLOR_BGR2RGB)

    inputs = prepare([jpeg])

    assert inputs["image_size_hw"].tolist() == [[40, 100] if orientation < 5 else [100, 40]]
    assert inputs["image_size_hw"].tolist() == [list(upright.shape[:2])]
    expected = prepare([encode(upright)])["images"]
    assert np.abs(inputs["images"] - expected).mean() < 0.02
    if orientation > 1:
        unturned = prepare([encode(make_image(40, 100))])["images"]
        assert np.abs(unturned - expected).mean() > 0.2


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_network_inputs_turns_other_formats_upright(kind, orientation):
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes their EXIF data")
    exif = pillow.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    lossless = {"lossless": True} if kind == "WEBP" else {}
    pillow.fromarray(make_image(40, 100)).save(stream, kind, exif=exif, **lossless)
    encoded = stream.getvalue()
    upright = cv2.cvtColor(cv2.imdecode(np.frombuffer(encoded, np.uint8), 1), cv2.COLOR_BGR2RGB)

    inputs = prepare([encoded, encode(make_image(40, 100))])

    assert inputs["error"].tolist() == [b"", b""]
    assert inputs["image_size_hw"][0].tolist() == ([40, 100] if orientation < 5 else [100, 40])
    expected = prepare([encode(upright)])["images"]
    assert np.abs(inputs["images"][0] - expected[0]).mean() < 0.02


def test_network_inputs_survives_damaged_chunks():
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes EXIF data into PNG")
    exif = pillow.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    pillow.fromarray(make_image(40, 100)).save(stream, "PNG", exif=exif)
    encoded = stream.getvalue()
    damaged = []
    for position in range(8, 90):
        for value in (0, 127, 255):
            changed = bytearray(encoded)
            changed[position] = value
            damaged.append(bytes(changed))

    inputs = prepare([*damaged, encoded])

    assert inputs["image_size_hw"][inputs["row"][-1]].tolist() == [100, 40]


def test_network_inputs_finds_exif_behind_other_segments():
    large = b"\xff\xe2\xff\xff" + bytes(65533)
    comment = b"\xff\xff\xfe\x00\x06ab\xffc"  # with a fill byte before its marker
    jpeg = with_orientation(encode(make_image(40, 100), ".jpg"), 6, ">", large + comment)

    assert prepare([jpeg])["image_size_hw"].tolist() == [[100, 40]]


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_network_inputs_ignores_impossible_orientations(orientation):
    jpeg = with_orientation(encode(make_image(40, 100), ".jpg"), orientation, "<")

    assert prepare([jpeg])["image_size_hw"].tolist() == [[40, 100]]


def test_network_inputs_survives_damaged_exif():
    jpeg = with_orientation(encode(make_image(40, 100), ".jpg"), 6, "<")
    start = jpeg.index(b"Exif")
    rng = np.random.default_rng(5)
    damaged = []
    for _ in range(100):
        changed = bytearray(jpeg)
        changed[start + 6 + int(rng.integers(38))] = int(rng.integers(256))
        damaged.append(bytes(changed))

    inputs = prepare([*damaged, jpeg])

    assert set(inputs["error"].tolist()) == {b""}
    assert inputs["image_size_hw"][inputs["row"][-1]].tolist() == [100, 40]


def gif_of(*frame_sizes, screen=(1, 1), extension=b"\x21\xf9\x04" + bytes(5)):
    """A GIF whose screen is smaller than its frames (height, width), each of no pixel data."""
    frames = [
        extension + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0x80) + bytes(6)
        # The code size and one sub-block in which a frame seems to begin.
        + b"\x02" + b"\x0a\x2c" + b"\xff" * 9 + b"\x00"
        for height, width in frame_sizes
    ]  # fmt: skip
    head = b"GIF89a" + struct.pack("<HHBBB", *reversed(screen), 0x81, 0, 0) + bytes(12)
    return head + b"".join(frames) + b"\x3b"


@pytest.mark.parametrize(
    ("gif", "error"),
    [
        (gif_of((2000, 3000)), "the image has 3000x2000 pixels; at most 1000000 pixels are"),
        (gif_of((1, 1), (2000, 3000)), "6000001 pixels in all its frames; at most"),
        (gif_of(*[(500, 900)] * 3), "1350000 pixels in all its frames; at most"),
        (gif_of((9, 9), screen=(2000, 3000)), "the image has 3000x2000 pixels; at most"),
        (gif_of(), "header is damaged"),
        (gif_of((9, 9), extension=b"\x21\xfe" + b"\x01a" * 20_000 + b"\x00"), "header is damaged"),
        (gif_of((9, 9)), "damaged or cut short"),
    ],
    ids=range(7),
)
def test_network_inputs_gif_is_judged_by_its_frames(gif, error):
    assert error in prepare([gif])["error"][0].decode()


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def _frame_header(height: int, width: int) -> bytes:
    return _segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + bytes(9))


@pytest.mark.parametrize("hidden_by", ["fill bytes", "stray bytes", "a comment"])
def test_a_jpeg_whose_real_size_is_hidden_is_refused(hidden_by):
    """libjpeg passes over what stands between markers; a false frame header may stand there."""
    encoded = encode(make_image(120, 160), ".jpg")
    start = encoded.index(b"\xff\xe0")
    false = _frame_header(8, 8)
    inserted = {
        "fill bytes": b"\xff" * 3000,
        "stray bytes": b"\x00" * 7 + false,
        "a comment": b"\x00\x01" + _segment(0xFE, false),
    }[hidden_by]
    deceiving = encoded[:start] + inserted + encoded[start:]
    honest = encode(make_image(30, 40), ".jpg")

    inputs = prepare([deceiving, honest], max_pixels=120 * 160 - 1)

    assert inputs["error"][0] != b"" and inputs["error"][1] == b""
    assert inputs["image_index"].tolist() == [1]


def test_a_jpeg_of_very_many_scans_is_refused_and_an_ordinary_progressive_one_is_not():
    progressive = encode(make_image(48, 64), ".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    num_scans = progressive.count(b"\xff\xda")
    assert num_scans > 5
    # One more scan of one component's lowest bit of no coefficient costs a few bytes.
    empty_scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 1, 0)
    bomb = progressive[:-2] + empty_scan * 1500 + progressive[-2:]

    inputs = prepare([bomb, progressive])

    assert inputs["error"].tolist()[0].startswith(b"the image is damaged")
    assert inputs["error"][1] == b"" and inputs["image_index"].tolist() == [1]
