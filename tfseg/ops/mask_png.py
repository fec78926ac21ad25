"""A part of masks out of their PNGs, without the rest being unpacked.

data_prep writes masks as PNGs of one bit a pixel, of a palette of 0 and 1, in one IDAT chunk and
without filters (data_prep/annotations/masks.py). Of those the wanted rows and bytes are taken and
their bits spread; TensorFlow's decoder turns every pixel into colours and back. Other PNGs go
through that decoder.
"""

import numpy as np
import tensorflow as tf

# https://www.w3.org/TR/png-3/: signature, IHDR to its size; depth 1, palette, no interlacing.
_BEFORE_SIZE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_AFTER_SIZE = b"\x01\x03\x00\x00\x00"
_PALETTE = b"\x00\x00\x00\x06PLTE\x00\x00\x00\x01\x01\x01"
_WIDTH_AT, _PALETTE_AT, _DATA_AT = 16, 33, 51
_AROUND_DATA = _DATA_AT + 8 + 4 + 12  # all but IDAT's bytes: its checksum and IEND follow
# Bytes -> their bits, the highest first, each a byte of a number.
_BITS_OF = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).view("<i8")[:, 0]


def decode_parts(pngs: tf.Tensor, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Decodes the pixels of a photo's masks from one corner to another.

    Args:
        pngs: string [num], all of the photo's size.
        first: int32 [2] (y, x), the first pixel.
        end: int32 [2], the one behind the last.

    Returns:
        uint8 [num, *(end - first)].
    """
    shape = tf.concat([tf.shape(pngs), end - first], 0)

    def decoded():
        return tf.cond(_are_of_bits(pngs), by_bits, one_by_one)

    def by_bits():
        lengths = tf.strings.length(pngs) - _AROUND_DATA
        packed = tf.strings.substr(pngs, tf.fill(tf.shape(pngs), _DATA_AT + 8), lengths)
        data = tf.io.decode_raw(tf.io.decode_compressed(packed, "ZLIB"), tf.uint8)
        row_bytes = 1 + (tf.reduce_max(_numbers_at(pngs, _WIDTH_AT)) + 7) // 8
        rows = tf.reshape(data, [tf.size(pngs), -1, row_bytes])
        is_filtered = tf.reduce_any(rows[:, :, 0] != 0)
        return tf.cond(is_filtered, one_by_one, lambda: _spread(rows, first, end))

    def one_by_one():
        return tf.map_fn(
            lambda png: tf.io.decode_png(png, channels=1)[first[0] : end[0], first[1] : end[1], 0],
            pngs,
            fn_output_signature=tf.TensorSpec([None, None], tf.uint8),
        )

    some = tf.size(pngs) > 0
    return tf.reshape(tf.cond(some, decoded, lambda: tf.zeros(shape, tf.uint8)), shape)


def _are_of_bits(pngs: tf.Tensor) -> tf.Tensor:
    """Whether PNGs are laid out as data_prep lays them out, but for filters (bool scalar)."""
    parts = {0: _BEFORE_SIZE, 24: _AFTER_SIZE, _PALETTE_AT: _PALETTE, _DATA_AT + 4: b"IDAT"}

    def fit():
        same = [tf.strings.substr(pngs, at, len(part)) == part for at, part in parts.items()]
        same.append(_numbers_at(pngs, _DATA_AT) == tf.strings.length(pngs) - _AROUND_DATA)
        return tf.reduce_all(same)

    long_enough = tf.reduce_all(tf.strings.length(pngs) > _AROUND_DATA)
    return tf.cond(long_enough, fit, lambda: tf.constant(False))


def _numbers_at(pngs: tf.Tensor, position: int) -> tf.Tensor:
    words = tf.strings.substr(pngs, position, 4)
    return tf.io.decode_raw(words, tf.int32, little_endian=False)[:, 0]


def _spread(rows: tf.Tensor, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Bytes [num, rows, filter and bytes] -> the wanted pixels."""
    first_byte = first[1] // 8
    wanted = rows[:, first[0] : end[0], 1 + first_byte : 1 + (end[1] + 7) // 8]
    bits = tf.bitcast(tf.gather(tf.constant(_BITS_OF), tf.cast(wanted, tf.int32)), tf.uint8)
    num, height, num_bytes = tf.unstack(tf.shape(wanted))
    pixels = tf.reshape(bits, [num, height, 8 * num_bytes])
    return pixels[:, :, first[1] - 8 * first_byte : end[1] - 8 * first_byte]
