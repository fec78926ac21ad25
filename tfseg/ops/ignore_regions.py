"""Ignore regions: parts of a photo where nobody knows what is there.

COCO carries them as crowds, and its evaluation treats them so: a detection that matches an instance
counts, one that matches none and lies in a crowd counts neither way. Training does the same here:
what matches no instance and lies in a region by more than half of its own area (IoA, intersection
over the box's area) is no example of the background.
"""

import tensorflow as tf

# In place of a class, where instances, regions and RoIs stand in one list.
IGNORED_CLASS = -1
_MAX_IOA = 0.5


def lie_in_regions(boxes: tf.Tensor, regions: tf.Tensor) -> tf.Tensor:
    """Which boxes lie in an ignore region by more than half of their area.

    Args:
        boxes: float32 [..., num, 4] yxyx.
        regions: float32 [..., num_regions, 4] yxyx, of the same unit; may be none. Padding of -1
            overlaps nothing.

    Returns:
        bool [..., num].
    """
    boxes, regions = boxes[..., :, tf.newaxis, :], regions[..., tf.newaxis, :, :]
    shared = tf.nn.relu(
        tf.minimum(boxes[..., 2:], regions[..., 2:]) - tf.maximum(boxes[..., :2], regions[..., :2])
    )
    areas = tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    ioas = tf.math.divide_no_nan(tf.reduce_prod(shared, axis=-1), areas)
    return tf.reduce_any(ioas > _MAX_IOA, axis=-1)
