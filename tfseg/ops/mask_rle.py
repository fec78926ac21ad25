"""Box-relative mask probabilities to COCO's compressed RLE at the photo's full size, in graph.

Only TensorFlow operations, so that it can be exported. Work and memory follow the boxes' sizes, not
the photo's. No matrix product is used, so that a server's automatic bfloat16 cannot blur the masks.
Format: cocoapi, common/maskApi.c (rleEncode, rleToString).
"""

import tensorflow as tf


def run_lengths_of_box_masks(
    mask_probs: tf.Tensor, boxes_yxyx: tf.Tensor, image_size_hw: tf.Tensor
) -> tf.RaggedTensor:
    """Pastes masks into their photos.

    A photo's pixel belongs to the mask where the probability, interpolated linearly between cell
    centres at the pixel's centre and zero outside the box, is at least 0.5 (as Detectron2 pastes).

    Args:
        mask_probs: float32 [num_masks, rows, columns], 0..1; the cells divide the box evenly.
        boxes_yxyx: float32 [num_masks, 4], photo pixels; may pass the photo's edge.
        image_size_hw: int32 [num_masks, 2], each mask's photo.

    Returns:
        int32 [num_masks, (num_runs)], COCO's run lengths: down columns, zeros first. A mask without
        a pixel is one run.
    """
    return tf.map_fn(
        lambda mask: _run_lengths(*mask),
        (mask_probs, boxes_yxyx, image_size_hw),
        fn_output_signature=tf.RaggedTensorSpec([None], tf.int32, ragged_rank=0),
        parallel_iterations=8,
    )


def _run_lengths(mask_probs, box_yxyx, image_size_hw) -> tf.Tensor:
    """Returns int32 [num_runs], COCO's run lengths (down columns, zeros first) of one mask."""
    top, left, bottom, right = tf.unstack(box_yxyx)
    height, width = tf.unstack(image_size_hw)
    num_rows, num_columns = mask_probs.shape
    rows = _pixels_inside(top, bottom, height)
    columns = _pixels_inside(left, right, width)
    padded = tf.pad(mask_probs, [[1, 1], [1, 1]])
    # [rows of the crop, columns + 2], then [columns of the crop, rows of the crop]
    by_row = _interpolate(padded, rows, top, bottom, num_rows)
    by_column = _interpolate(tf.transpose(by_row), columns, left, right, num_columns)
    inside = tf.pad(by_column >= 0.5, [[0, 0], [1, 1]])
    changes = tf.where(tf.not_equal(inside[:, 1:], inside[:, :-1]))
    first_row, first_column = rows[:1], columns[:1]  # both are empty where `changes` is
    num_changes = tf.shape(changes)[0]
    column = tf.cast(changes[:, 0], tf.int32) + _repeat(first_column, num_changes)
    row = tf.cast(changes[:, 1], tf.int32) + _repeat(first_row, num_changes)
    position = column * height + row
    # A run that reaches the bottom goes on at the top of the next column, or ends the photo.
    end = height * width
    following = tf.concat([position[1:], [end]], 0)
    preceding = tf.concat([[-1], position[:-1]], 0)
    position = position[(position != following) & (position != preceding)]
    edges = tf.concat([[0], position, [end]], 0)
    return edges[1:] - edges[:-1]


def _repeat(values: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns [count], the one value of `values`; it may be missing where count is 0."""
    return tf.repeat(values, count)[:count]


def _pixels_inside(low: tf.Tensor, high: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns int32 [num_pixels], the pixels of a row of `size` with their centre in low..high."""
    limit = tf.cast(size, tf.float32)
    first = tf.clip_by_value(tf.math.ceil(low - 0.5), 0.0, limit)
    last = tf.clip_by_value(tf.math.floor(high - 0.5), -1.0, limit - 1.0)
    first, last = tf.cast(first, tf.int32), tf.cast(last, tf.int32)
    return tf.range(first, tf.maximum(first, last + 1))


def _interpolate(padded, pixels, low, high, num_cells):
    """Interpolates the first axis of [num_cells + 2, n] at pixel centres: [num_pixels, n]."""
    centre = tf.cast(pixels, tf.float32) + 0.5
    cell = (centre - low) / (high - low) * num_cells + 0.5  # 1 is the first cell's centre
    below = tf.clip_by_value(tf.math.floor(cell), 0.0, float(num_cells))
    weight = (cell - below)[:, None]
    below = tf.cast(below, tf.int32)
    return tf.gather(padded, below) * (1.0 - weight) + tf.gather(padded, below + 1) * weight


def encode_run_lengths(run_lengths: tf.RaggedTensor) -> tf.Tensor:
    """Encodes run lengths as COCO's compressed RLE strings.

    Args:
        run_lengths: int32 ragged [num_masks, (num_runs)], zeros first.

    Returns:
        string [num_masks].
    """
    # From the fourth run on, the difference to the run before the last is written.
    counts = tf.cast(run_lengths.flat_values, tf.int64)
    starts = tf.cast(run_lengths.row_starts(), tf.int64)
    row_ids = run_lengths.value_rowids()
    index = tf.range(tf.size(counts, tf.int64)) - tf.gather(starts, row_ids)
    two_before = tf.pad(counts, [[2, 0]])[:-2]
    numbers = tf.where(index > 2, counts - two_before, counts)
    # Seven groups of five bits hold any int32, low bits first; 0x10 of the last one is the sign.
    shifts = tf.range(7, dtype=tf.int64) * 5
    groups = tf.bitwise.right_shift(numbers[:, None], shifts)
    rest = tf.bitwise.right_shift(numbers[:, None], shifts + 5)
    groups = tf.bitwise.bitwise_and(groups, 0x1F)
    more = tf.where(groups >= 0x10, rest != -1, rest != 0)
    written = tf.pad(more[:, :-1], [[0, 0], [1, 0]], constant_values=True)
    written = tf.math.cumprod(tf.cast(written, tf.int32), axis=1)
    codes = tf.cast(groups, tf.int32) + tf.where(more, 0x20 + 48, 48)
    num_codes = tf.math.unsorted_segment_sum(
        tf.reduce_sum(written, axis=1), row_ids, tf.cast(run_lengths.nrows(), tf.int32)
    )
    characters = tf.RaggedTensor.from_row_lengths(codes[written > 0], num_codes)
    return tf.strings.unicode_encode(characters, "UTF-8")
