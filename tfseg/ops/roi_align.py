"""Features of regions, as Model Garden's MultilevelROIAligner crops them, of pyramids of any size.

Model Garden's own wants to know the pyramid's size when the graph is built.
"""

import math

import tensorflow as tf
from official.vision.ops import spatial_transform_ops as model_garden


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
    kernel_y, kernel_x, ys, xs = model_garden._compute_grid_positions(
        on_level, tf.cast(size_hw - 1, tf.float32), crop_size, sample_offset
    )
    shape = [batch_size, tf.shape(boxes)[1], 2 * crop_size]
    rows, columns = (tf.cast(tf.reshape(cells, shape), tf.int32) for cells in (ys, xs))
    first = tf.range(batch_size)[:, None] * tf.reduce_sum(num_cells)
    first += tf.gather(tf.cumsum(num_cells, exclusive=True), level)
    of_rows = first[..., None] + rows * size_hw[..., 1:]
    cells = tf.gather(flat, of_rows[..., None] + columns[:, :, None])
    crops = model_garden._feature_bilinear_interpolation(cells, kernel_y, kernel_x)
    return tf.ensure_shape(crops, [None, boxes.shape[1], crop_size, crop_size, num_channels])
