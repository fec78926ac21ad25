"""Which part of a photo a training step sees, and how large: a function of its size and a seed."""

from typing import NamedTuple

import tensorflow as tf

from tfseg.dataloaders import augmentation


class View(NamedTuple):
    """How a photo is laid into the network's input.

    Attributes:
        scale: float32 [2] (y, x), input pixels per pixel of the photo.
        offset: float32 [2], where the input's top left corner lies in the scaled photo.
        shown: float32 [2], input pixels that show the photo; the rest is padding.
        flipped: Whether it is mirrored left to right: False, or a bool scalar.
        window: float32 [4], (ymin, xmin, ymax, xmax): the part shown, in the photo's pixels.
    """

    scale: tf.Tensor
    offset: tf.Tensor
    shown: tf.Tensor
    flipped: bool | tf.Tensor
    window: tf.Tensor


class Frame(NamedTuple):
    """Which part of a photo there is, where it is not there whole.

    Attributes:
        size_hw: int32 [2], of the whole photo.
        image_origin: int32 [2] (y, x), the image's first pixel, in pixels of the reduced photo.
        reduction: int32, the image is reduced by so much each way.
        mask_origin: int32 [2], the masks' first pixel, in the photo's pixels.
    """

    size_hw: tf.Tensor
    image_origin: tf.Tensor
    reduction: tf.Tensor
    mask_origin: tf.Tensor


def whole(image: tf.Tensor) -> Frame:
    """The frame of a photo that is there whole."""
    nothing = tf.zeros([2], tf.int32)
    return Frame(tf.shape(image)[:2], nothing, tf.constant(1), nothing)


def choose_view(size_hw: tf.Tensor, task_config, seed: tf.Tensor) -> View:
    """Draws scale, place and flip as resize_and_crop_image does (official/vision/ops).

    Args:
        size_hw: int32 [2], of the photo.
        task_config: configs.maskrcnn.FashionMaskRCNN.
        seed: int32 [2].
    """
    parser = task_config.train_data.parser
    size = tf.cast(size_hw, tf.float32)
    desired = tf.constant(task_config.model.input_size[:2], tf.float32)
    jitter = augmentation.uniform(seed, 10, parser.aug_scale_min, parser.aug_scale_max)
    scaled = tf.round(size * tf.reduce_min(tf.round(jitter * desired) / size))
    scaled = tf.maximum(scaled, 1.0)  # the short side of a very long photo
    scale = scaled / size
    spare = tf.maximum(scaled - desired, 0.0)
    offset = tf.floor(spare * augmentation.uniform(seed, 11, 0.0, 1.0, [2]))
    shown = tf.minimum(scaled - offset, desired)
    flipped = parser.aug_rand_hflip and augmentation.uniform(seed, 12, 0.0, 1.0) < 0.5
    window = tf.concat([offset / scale, (offset + shown) / scale], 0)
    return View(scale, offset, shown, flipped, window)


def boxes_in_input(boxes: tf.Tensor, view: View) -> tf.Tensor:
    """Boxes of a photo, float32 [num, 4] yxyx, in pixels of the input, flipped where it is."""
    boxes = boxes * tf.tile(view.scale, [2]) - tf.tile(view.offset, [2])
    if view.flipped is False:
        return boxes
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
    flipped = tf.stack([ymin, view.shown[1] - xmax, ymax, view.shown[1] - xmin], axis=1)
    return tf.where(view.flipped, flipped, boxes)
