"""Photos and stacks of masks drawn anew at another scale, and what is counted in masks; quickly.

TensorFlow's general operations do the same in several times the time: ImageProjectiveTransform
takes every mask for a channel, reductions of bytes over rows are not vectorized.
"""

import tensorflow as tf

_BYTE_ROWS = 255  # so many ones fit into the sum of a byte
_BITS = 8
_CLOSE = 1 / 64  # pixels
_LINES_TRIED = 64


def sample_evenly(image, first, last, size_hw, flipped: bool | tf.Tensor = False) -> tf.Tensor:
    """Bilinear samples of a photo at even distances; beyond its edges they repeat.

    Args:
        image: uint8 [height, width, channels].
        first: float32 [2], (y, x) of the first sample; a pixel's centre is at its number.
        last: float32 [2], of the last one.
        size_hw: int32 [2], how many samples; at least 1 each way.
        flipped: Whether the result is mirrored left to right; may be a bool scalar.

    Returns:
        float32 [*size_hw, channels]; each sample within _CLOSE of a pixel of its place.
    """
    spans = [
        _whole_pixels(first[axis], last[axis], size_hw[axis], tf.shape(image)[axis])
        for axis in (0, 1)
    ]
    (row, num_rows, row_error), (column, num_columns, column_error) = spans

    def resized():
        # A third of CropAndResize's time, but it takes whole pixels alone.
        part = image[row[0] : row[1], column[0] : column[1]]
        skipped = column[2]
        if flipped is not False:
            part = tf.where(flipped, tf.reverse(part, [1]), part)
            skipped = tf.where(flipped, num_columns - skipped - size_hw[1], skipped)
        part = tf.cast(part, tf.float32)[tf.newaxis]
        whole = tf.raw_ops.ResizeBilinear(
            images=part, size=[num_rows, num_columns], half_pixel_centers=True
        )[0]
        return whole[row[2] : row[2] + size_hw[0], skipped : skipped + size_hw[1]]

    def sampled():
        ends = (first, last)
        if flipped is not False:
            mirrored = tf.stack([[first[0], last[1]], [last[0], first[1]]])
            ends = tf.unstack(tf.where(flipped, mirrored, tf.stack(ends)))
        return _sample_anywhere(image, *ends, size_hw)

    is_close = tf.maximum(row_error, column_error) < _CLOSE
    return tf.ensure_shape(tf.cond(is_close, resized, sampled), [None, None, image.shape[-1]])


def _whole_pixels(first, last, num, size):
    """Finds whole pixels whose resizing has the wanted samples among its own.

    Samples lie in cells of a grid; where a line of it coincides with an edge between pixels, the
    resized part can begin or end. A line farther out than the samples is as good.

    Returns:
        (first pixel, the one behind the last, samples to skip), the samples of the resized part,
        and the distance in pixels by which the lines miss the edges.
    """
    step = (last - first) / tf.cast(tf.maximum(num - 1, 1), tf.float32)
    # A sample between two pixels needs both, unless the photo ends there.
    margin = tf.cast(tf.math.ceil(1.0 / tf.maximum(step, 1 / _LINES_TRIED)), tf.int32) + 1
    beyond = tf.range(_LINES_TRIED + margin)
    chosen = []
    for lines, edge in ((-beyond, 0), (num + beyond, size)):
        places = first + 0.5 + (tf.cast(lines, tf.float32) - 0.5) * step
        pixels = tf.cast(tf.round(places), tf.int32)
        errors = tf.abs(places - tf.round(places))
        is_usable = (pixels == edge) | ((beyond >= margin) & (pixels >= 0) & (pixels <= size))
        errors = tf.where(is_usable, errors, 1.0)
        best = tf.argmin(errors)
        chosen.append((lines[best], pixels[best], errors[best]))
    (start, low, low_error), (end, high, high_error) = chosen
    error = tf.where((num > 1) & (low < high), tf.maximum(low_error, high_error), 1.0)
    return (low, high, -start), end - start, error


def _sample_anywhere(image, first, last, size_hw) -> tf.Tensor:
    """sample_evenly, wherever the samples are; mirrored where last is less than first."""
    size = tf.shape(image)[:2]
    low, high = tf.minimum(first, last), tf.maximum(first, last)
    top = tf.clip_by_value(tf.cast(tf.floor(low), tf.int32), 0, size - 1)
    end = tf.clip_by_value(tf.cast(tf.math.ceil(high), tf.int32), 0, size - 1) + 1
    part = image[top[0] : end[0], top[1] : end[1]]
    # The edges are repeated by a border of one pixel.
    part = tf.concat([part[:1], part, part[-1:]], 0)
    part = tf.cast(tf.concat([part[:, :1], part, part[:, -1:]], 1), tf.float32)
    most = tf.cast(tf.shape(part)[:2] - 1, tf.float32)
    origin = tf.cast(top - 1, tf.float32)
    corners = [tf.clip_by_value((one - origin) / most, 0.0, 1.0) for one in (first, last)]
    window = tf.concat(corners, 0)
    return tf.image.crop_and_resize(part[tf.newaxis], window[tf.newaxis], [0], size_hw)[0]


def column_counts(masks: tf.Tensor) -> tf.Tensor:
    """How many ones each column has: int32 [num, width], of uint8 [num, height, width] of 0, 1."""
    num, height, width = tf.unstack(tf.shape(masks))
    rows, columns = -height % _BYTE_ROWS, -width % 8
    padded = tf.pad(masks, [[0, 0], [0, rows], [0, columns]])
    # Eight columns are summed as one number; no sum of a byte reaches its neighbour.
    words = tf.bitcast(
        tf.reshape(padded, [num, -1, _BYTE_ROWS, (width + columns) // 8, 8]), tf.int64
    )
    sums = tf.bitcast(tf.reduce_sum(words, axis=2), tf.uint8)
    sums = tf.reshape(sums, [num, -1, width + columns])[..., :width]
    return tf.reduce_sum(tf.cast(sums, tf.int32), axis=1)


def rows_with_ones(masks: tf.Tensor) -> tf.Tensor:
    """Which rows have a one: bool [num, height], of uint8 [num, height, width] of 0 and 1."""
    return tf.reduce_max(masks, axis=2) > 0


def place_masks(masks: tf.Tensor, scale: tf.Tensor, offset_yx: tf.Tensor, region: tf.Tensor):
    """Draws masks scaled and shifted, each pixel from the nearest.

    Args:
        masks: uint8 [num, height, width] of 0 and 1.
        scale: float32 scalar, pixels of the result per pixel of the masks.
        offset_yx: float32 [2], where the masks' top left corner comes to lie.
        region: int32 [4], (ymin, xmin, ymax, xmax) of the result's pixels, half-open.

    Returns:
        uint8 [num, *region's size].
    """
    num = tf.shape(masks)[0]
    weights = tf.constant([[[1 << bit]] for bit in range(_BITS)], tf.uint8)
    groups = tf.reshape(
        tf.pad(masks, [[0, -num % _BITS], [0, 0], [0, 0]]),
        tf.concat([[-1, _BITS], tf.shape(masks)[1:]], 0),
    )
    # Eight masks are moved as the bits of one.
    placed = tf.reduce_sum(groups * weights, axis=1)
    for axis in (0, 1):
        size = tf.shape(masks)[1 + axis]
        numbers = tf.cast(tf.range(region[axis], region[2 + axis]), tf.float32)
        source = (numbers + 0.5 - offset_yx[axis]) / scale - 0.5
        source = tf.cast(tf.floor(source + 0.5), tf.int32)
        inside = (source >= 0) & (source < size)
        # One further line, empty, for what lies outside.
        padded = tf.pad(placed, [[0, 0], *([0, int(axis == one)] for one in (0, 1))])
        placed = tf.gather(padded, tf.where(inside, source, size), axis=1 + axis)
    bits = tf.cast(tf.bitwise.bitwise_and(placed[:, tf.newaxis], weights) > 0, tf.uint8)
    return tf.reshape(bits, tf.concat([[-1], tf.shape(placed)[1:]], 0))[:num]
