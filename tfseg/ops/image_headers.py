"""Format, size and EXIF orientation of encoded images, read from their first bytes in graph.

Only TensorFlow operations, so that it can be exported: sizes are known, and can be refused, before
anything is decoded.
Layouts: PNG (W3C REC-PNG-3, 11.2.1), GIF89a (18), BMP (BITMAPINFOHEADER), WebP (RFC 9649),
JPEG (ITU T.81, B.2), EXIF (CIPA DC-008, 4.6.4; in PNG: W3C REC-PNG-3, 11.3.3.6).
"""

from typing import NamedTuple

import tensorflow as tf

_MAX_SEGMENTS = 1000
_MAX_IFD_ENTRIES = 100
_MAX_GIF_BLOCKS = 20_000  # of at most 255 bytes: 5 MB


class ImageHeaders(NamedTuple):
    """What the headers of a batch of encoded images say.

    Attributes:
        known: bool [batch], whether it starts as JPEG, PNG, BMP, GIF or WebP.
        height: int64 [batch], stored rows; 0 where the header is damaged or unknown.
        width: int64 [batch], stored columns; 0 likewise.
        num_pixels: int64 [batch], what decoding fills: height * width, of a GIF all its frames,
            for they are decoded together.
        orientation: int32 [batch], EXIF orientation 1..8; 1 where there is none, and always for
            BMP and GIF.
    """

    known: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    num_pixels: tf.Tensor
    orientation: tf.Tensor


def read_headers(image_bytes: tf.Tensor) -> ImageHeaders:
    """Reads the headers of encoded images.

    Args:
        image_bytes: string [batch]; any bytes, also none.
    """
    start = _bytes_at(image_bytes, tf.zeros_like(tf.strings.length(image_bytes)), 32)
    vp8 = _starts(start, b"VP8 ", 12)
    vp8l = _starts(start, b"VP8L", 12)
    webp = _starts(start, b"RIFF", 0) & _starts(start, b"WEBP", 8)
    bits = _little(start, 21, 4)
    jpeg = _starts(start, b"\xff\xd8\xff", 0)
    png = _starts(start, b"\x89PNG\r\n\x1a\n", 0)
    jpeg_height, jpeg_width, jpeg_exif = _walk_jpeg(image_bytes, jpeg)
    exif_position = tf.where(jpeg, jpeg_exif, _walk_chunks(image_bytes, png, webp))
    gif = _starts(start, b"GIF8", 0)
    gif_height, gif_width, frame_pixels = _walk_gif(image_bytes, start, gif)
    bmp_height = _little(start, 22, 4)  # signed: negative means that the top row comes first
    cases = [
        (jpeg, jpeg_height, jpeg_width),
        (png, _big(start, 20, 4), _big(start, 16, 4)),
        (gif, gif_height, gif_width),
        (
            _starts(start, b"BM", 0),
            tf.minimum(bmp_height, 2**32 - bmp_height),
            _little(start, 18, 4),
        ),
        (webp & vp8, _little(start, 28, 2) & 0x3FFF, _little(start, 26, 2) & 0x3FFF),
        (webp & vp8l, ((bits // 2**14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1),
        (
            webp & _starts(start, b"VP8X", 12),
            _little(start, 27, 3) + 1,
            _little(start, 24, 3) + 1,
        ),
    ]
    known = tf.zeros_like(jpeg)
    height = width = tf.zeros_like(jpeg_height)
    for matches, case_height, case_width in cases:
        known |= matches
        height = tf.where(matches, case_height, height)
        width = tf.where(matches, case_width, width)
    num_pixels = tf.maximum(height * width, frame_pixels)
    orientation = _exif_orientation(image_bytes, exif_position)
    return ImageHeaders(known, height, width, num_pixels, orientation)


def _bytes_at(image_bytes: tf.Tensor, position: tf.Tensor, count: int) -> tf.Tensor:
    """Returns int64 [batch, count], the bytes from `position` (int32 [batch]) on, padded with 0."""
    position = tf.clip_by_value(position, 0, tf.strings.length(image_bytes))
    parts = tf.strings.substr(image_bytes, position, tf.fill(tf.shape(position), count))
    return tf.cast(tf.io.decode_raw(parts, tf.uint8, fixed_length=count), tf.int64)


def _little(data: tf.Tensor, offset: int, count: int) -> tf.Tensor:
    weights = tf.constant([256**i for i in range(count)], tf.int64)
    return tf.reduce_sum(data[:, offset : offset + count] * weights, axis=1)


def _big(data: tf.Tensor, offset: int, count: int) -> tf.Tensor:
    weights = tf.constant([256 ** (count - 1 - i) for i in range(count)], tf.int64)
    return tf.reduce_sum(data[:, offset : offset + count] * weights, axis=1)


def _starts(data: tf.Tensor, signature: bytes, offset: int) -> tf.Tensor:
    found = data[:, offset : offset + len(signature)]
    return tf.reduce_all(found == tf.constant(list(signature), tf.int64), axis=1)


def _walk_jpeg(image_bytes: tf.Tensor, jpeg: tf.Tensor):
    """Walks the marker segments of the JPEGs of a batch up to their frame header.

    Returns:
        height and width, int64 [batch] (0 where no frame header was found), and the position of
        the EXIF segment's TIFF header, int32 [batch], -1 where there is none.
    """

    def still_walking(walking, *_):
        return tf.reduce_any(walking)

    def step(walking, position, height, width, exif_position):
        segment = _bytes_at(image_bytes, position, 10)
        marker = segment[:, 1]
        length = _big(segment, 2, 2)
        fill = marker == 0xFF
        alone = (marker == 0x01) | ((marker >= 0xD0) & (marker <= 0xD7))
        frame = (marker >= 0xC0) & (marker <= 0xCF)
        frame &= (marker != 0xC4) & (marker != 0xC8) & (marker != 0xCC)
        height = tf.where(walking & frame, _big(segment, 5, 2), height)
        width = tf.where(walking & frame, _big(segment, 7, 2), width)
        exif = walking & (marker == 0xE1) & _starts(segment, b"Exif\x00\x00", 4)
        exif_position = tf.where(exif & (exif_position < 0), position + 10, exif_position)
        end = frame | (marker == 0xDA) | (marker == 0xD9) | (segment[:, 0] != 0xFF)
        walking &= ~end & (fill | alone | (length >= 2))
        advance = tf.where(fill, 1, tf.where(alone, 2, 2 + tf.cast(length, tf.int32)))
        return (
            walking,
            tf.where(walking, position + advance, position),
            height,
            width,
            exif_position,
        )

    zeros = tf.zeros_like(tf.strings.length(image_bytes))
    sizes = tf.cast(zeros, tf.int64)
    _, _, height, width, exif_position = tf.while_loop(
        still_walking,
        step,
        (jpeg, zeros + 2, sizes, sizes, zeros - 1),
        maximum_iterations=_MAX_SEGMENTS,
    )
    return height, width, exif_position


def _walk_gif(image_bytes: tf.Tensor, start: tf.Tensor, gif: tf.Tensor):
    """Walks the blocks of the GIFs of a batch to their ends.

    TensorFlow decodes all frames even where it returns the first alone, and makes that as large as
    the largest: the screen's size in the file's head limits nothing.

    Returns:
        height and width, int64 [batch], the largest of the screen and all frames; 0 where there is
        no frame, or where there are more blocks than are walked. The pixels of all frames together,
        int64 [batch], 0 for what is no GIF.
    """

    def step(walking, in_data, position, height, width, num_pixels):
        block = _bytes_at(image_bytes, position, 10)
        first = block[:, 0]
        frame = walking & ~in_data & (first == 0x2C)
        extension = walking & ~in_data & (first == 0x21)
        frame_height = tf.where(frame, _little(block, 7, 2), 0)
        frame_width = tf.where(frame, _little(block, 5, 2), 0)
        # Data follow in sub-blocks, each after its length: an extension's after its label, a
        # frame's after its colours and the code size.
        advance = tf.where(in_data, 1 + first, 2)
        advance = tf.where(frame, 11 + _colour_bytes(block[:, 9]), advance)
        return (
            walking & (in_data | frame | extension),
            tf.where(in_data, first > 0, frame | extension),
            position + tf.cast(advance, tf.int32),
            tf.maximum(height, frame_height),
            tf.maximum(width, frame_width),
            num_pixels + frame_height * frame_width,
        )

    no_size = tf.zeros_like(start[:, 0])
    first_block = tf.cast(13 + _colour_bytes(start[:, 10]), tf.int32)
    walking, _, _, height, width, num_pixels = tf.while_loop(
        lambda walking, *_: tf.reduce_any(walking),
        step,
        (gif, tf.zeros_like(gif), first_block, no_size, no_size, no_size),
        maximum_iterations=_MAX_GIF_BLOCKS,
    )
    seen = gif & ~walking & (num_pixels > 0)
    return (
        tf.where(seen, tf.maximum(height, _little(start, 8, 2)), 0),
        tf.where(seen, tf.maximum(width, _little(start, 6, 2)), 0),
        tf.where(seen, num_pixels, 0),
    )


def _colour_bytes(flags: tf.Tensor) -> tf.Tensor:
    """Returns int64 [batch], the length of the colour table that a GIF's flags announce."""
    return tf.where(flags >= 0x80, 3 * tf.bitwise.left_shift(tf.ones_like(flags) * 2, flags & 7), 0)


def _walk_chunks(image_bytes: tf.Tensor, png: tf.Tensor, webp: tf.Tensor) -> tf.Tensor:
    """Walks the chunks of the PNGs and WebPs of a batch up to the one with the EXIF data.

    Returns:
        The position of its TIFF header, int32 [batch], -1 where there is none.
    """
    num_bytes = tf.strings.length(image_bytes)

    def step(walking, position, exif_position):
        chunk = _bytes_at(image_bytes, position, 14)
        length = tf.where(png, _big(chunk, 0, 4), _little(chunk, 4, 4))
        found = (png & _starts(chunk, b"eXIf", 4)) | (webp & _starts(chunk, b"EXIF", 0))
        # Some writers of WebP put JPEG's mark before the TIFF header.
        header = tf.where(_starts(chunk, b"Exif\x00\x00", 8), 14, 8)
        exif_position = tf.where(walking & found, position + header, exif_position)
        advance = tf.where(png, 12 + length, 8 + length + length % 2)
        following = tf.cast(position, tf.int64) + advance
        walking &= ~found & (following < tf.cast(num_bytes, tf.int64))
        return walking, tf.where(walking, tf.cast(following, tf.int32), position), exif_position

    _, _, exif_position = tf.while_loop(
        lambda walking, *_: tf.reduce_any(walking),
        step,
        (png | webp, tf.where(png, 8, tf.fill(tf.shape(num_bytes), 12)), num_bytes * 0 - 1),
        maximum_iterations=_MAX_SEGMENTS,
    )
    return exif_position


def _exif_orientation(image_bytes: tf.Tensor, exif_position: tf.Tensor) -> tf.Tensor:
    """Reads tag 0x0112 of the first image file directory; 1 where it is missing or out of range."""
    tiff = _bytes_at(image_bytes, exif_position, 8)
    little = _starts(tiff, b"II*\x00", 0)
    valid = (exif_position >= 0) & (little | _starts(tiff, b"MM\x00*", 0))
    ifd_offset = tf.where(little, _little(tiff, 4, 4), _big(tiff, 4, 4))
    valid &= ifd_offset < 2**16  # a JPEG segment is never longer
    ifd_position = exif_position + tf.cast(tf.where(valid, ifd_offset, 0), tf.int32)
    ifd = _bytes_at(image_bytes, ifd_position, 2 + 12 * _MAX_IFD_ENTRIES)
    num_entries = tf.where(little, _little(ifd, 0, 2), _big(ifd, 0, 2))
    # Values are read as 16-bit numbers: [batch, entry, (tag, type, count, count, value, -)].
    pairs = tf.reshape(ifd[:, 2:], [-1, _MAX_IFD_ENTRIES, 6, 2])
    first_low = pairs[..., 0] + 256 * pairs[..., 1]
    first_high = 256 * pairs[..., 0] + pairs[..., 1]
    numbers = tf.where(little[:, None, None], first_low, first_high)
    value = numbers[..., 4]
    matches = (numbers[..., 0] == 0x0112) & (numbers[..., 1] == 3) & (value >= 1) & (value <= 8)
    matches &= tf.range(_MAX_IFD_ENTRIES, dtype=tf.int64) < num_entries[:, None]
    found = tf.reduce_max(tf.where(matches, value, 0), axis=1)
    return tf.cast(tf.where(valid & (found > 0), found, 1), tf.int32)
