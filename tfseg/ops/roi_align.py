"""Features of regions, as Model Garden's MultilevelROIAligner crops them, of pyramids of any size.

Model Garden's own wants to know the pyramid's size when the graph is built.
"""

import math

import numpy as np
import tensorflow as tf


def crop_features(
    features: dict[str, tf.Tensor], boxes: tf.Tensor, *, crop_size: int, sample_offset: float
) -> tf.Tensor:
    """Crops every box from the level that suits its size (spatial_transform_ops.py there).

    Args:
        features: By level, [batch, rows, columns, channels].
        boxes: float32 [batch, num_boxes, 4], (ymin, xmin, ymax, xmax), network-input pixels.
        crop_size: Side of a crop, cells.
        sample_offset: Where in a cell it is sampled, 0 to 1.

    Returns:
        [batch, num_boxes, crop_size, crop_size, channels].
    """
    levels = sorted(int(level) for level in features)
    pyramid = [features[str(level)] for level in levels]
    sizes_hw = tf.stack([tf.shape(level_features)[1:3] for level_features in pyramid])
    num_cells = tf.reduce_prod(sizes_hw, axis=1)
    batch_size, num_channels = tf.shape(boxes)[0], pyramid[0].shape[-1]
    flat = [tf.reshape(values, [batch_size, -1, num_channels]) for values in pyramid]
    flat = tf.reshape(tf.concat(flat, 1), [-1, num_channels])

    extent = boxes[..., 2:] - boxes[..., :2]
    side = tf.sqrt(extent[..., 0] * extent[..., 1])
    level = tf.math.log(tf.math.divide_no_nan(side, 224.0)) / math.log(2.0)
    level = tf.cast(tf.clip_by_value(tf.floor(level) + 4.0, levels[0], levels[-1]), tf.int32)
    on_level = tf.concat([boxes[..., :2], extent], -1) / tf.cast(2**level, tf.float32)[..., None]
    level -= levels[0]
    size_hw = tf.gather(sizes_hw, level)
    last = tf.cast(size_hw - 1, tf.float32)
    offsets = np.arange(crop_size, dtype=np.float32) + np.float32(sample_offset)
    (rows, shares_y), (columns, shares_x) = (
        _neighbours(on_level[..., axis], on_level[..., axis + 2], last[..., axis], offsets)
        for axis in (0, 1)
    )
    first = tf.range(batch_size)[:, None] * tf.reduce_sum(num_cells)
    first += tf.gather(tf.cumsum(num_cells, exclusive=True), level)
    of_rows = first[..., None] + rows * size_hw[..., 1:]
    cells = tf.gather(flat, of_rows[..., None] + columns[:, :, None])
    # Four neighbours and their shares; the mean of four is a quarter of their sum.
    shares = shares_y[..., None] * shares_x[:, :, None] * 4
    weighted = cells * tf.cast(shares[..., None], cells.dtype)
    weighted = tf.reshape(weighted, [-1, 2 * crop_size, 2 * crop_size, num_channels])
    crops = tf.nn.avg_pool2d(weighted, 2, 2, "VALID")
    num_boxes = tf.shape(boxes)[1]
    crops = tf.reshape(crops, [batch_size, num_boxes, crop_size, crop_size, num_channels])
    return tf.ensure_shape(crops, [None, boxes.shape[1], crop_size, crop_size, num_channels])


def _neighbours(start, extent, last, offsets) -> tuple[tf.Tensor, tf.Tensor]:
    """The two cells beside each sample along one axis of boxes, and how much each counts.

    Args:
        start: float32 [batch, num_boxes], where a box begins, in cells of its level.
        extent: float32 [batch, num_boxes], how long it is.
        last: float32 [batch, num_boxes], its level's last cell; samples beyond it repeat it.
        offsets: float32 [crop_size], where the samples lie, in crop_size-ths of the extent.

    Returns:
        int32 and float32 [batch, num_boxes, 2 * crop_size], the two of a sample side by side.
    """
    samples = start[..., None] + offsets * extent[..., None] / len(offsets)
    first = tf.minimum(tf.maximum(tf.floor(samples), 0.0), last[..., None])
    second = tf.minimum(first + 1, last[..., None])
    share = samples - first
    shape = [*tf.unstack(tf.shape(start)), 2 * len(offsets)]
    cells = tf.reshape(tf.stack([first, second], -1), shape)
    return tf.cast(cells, tf.int32), tf.reshape(tf.stack([1.0 - share, share], -1), shape)
