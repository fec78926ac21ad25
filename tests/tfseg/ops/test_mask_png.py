import io

import numpy as np
import pytest
from PIL import Image

from data_prep.annotations import masks


def blob(height, width, seed=0):
    """A mask with an edge in most bytes of a row."""
    noise = np.random.default_rng(seed).integers(0, 2, (height, width), np.uint8)
    noise[: height // 3] = 0
    return noise


def decoded(pngs, first, end):
    import tensorflow as tf

    from tfseg.ops.mask_png import decode_parts

    function = tf.function(decode_parts)
    return function(tf.constant(pngs, tf.string), tf.constant(first), tf.constant(end)).numpy()


def our_png(mask) -> bytes:
    return masks.png_from_rle(masks.rle_from_mask(mask))


def pillow_png(mask) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("encode", [our_png, pillow_png])
@pytest.mark.parametrize("width", [1, 7, 8, 9, 40, 41])
def test_decode_parts_gives_the_pixels_of_any_part(encode, width):
    stack = [blob(23, width, seed) for seed in range(3)]
    pngs = [encode(one) for one in stack]

    for first, end in (((0, 0), (23, width)), ((5, width // 2), (20, width)), ((9, 0), (10, 1))):
        part = decoded(pngs, first, end)
        expected = np.stack(stack)[:, first[0] : end[0], first[1] : end[1]]
        np.testing.assert_array_equal(part, expected)


def test_decode_parts_of_our_masks_does_not_ask_the_slow_decoder():
    import tensorflow as tf

    from tfseg.ops import mask_png

    ours, theirs = our_png(blob(23, 41)), pillow_png(blob(23, 41))

    assert bool(mask_png._are_of_bits(tf.constant([ours, ours])))
    assert not bool(mask_png._are_of_bits(tf.constant([ours, theirs])))
    assert not bool(mask_png._are_of_bits(tf.constant([ours, b"\x89PNG"])))


def test_decode_parts_follows_filters():
    """A PNG of our form whose rows are filtered, as other programs write it."""
    import struct
    import zlib

    mask = blob(12, 16)
    rows = np.packbits(mask, axis=1)
    above = np.vstack([np.zeros((1, 2), np.uint8), rows[:-1]])
    filtered = np.hstack([np.full((12, 1), 2, np.uint8), rows - above])  # 2: minus the row above

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 12, 1, 3, 0, 0, 0))
    png += chunk(b"PLTE", bytes([0, 0, 0, 1, 1, 1])) + chunk(
        b"IDAT", zlib.compress(filtered.tobytes())
    )
    png += chunk(b"IEND", b"")

    np.testing.assert_array_equal(decoded([png], (0, 0), (12, 16))[0], mask)


def test_decode_parts_of_nothing_is_empty():
    assert decoded([], (1, 2), (5, 9)).shape == (0, 4, 7)


def test_a_damaged_mask_is_refused():
    import tensorflow as tf

    png = bytearray(our_png(blob(23, 41)))
    png[70] ^= 0xFF

    with pytest.raises(tf.errors.OpError):
        decoded([bytes(png)], (0, 0), (23, 41))
