"""Changes to a training photo and its masks, each a function of the photo and a seed.

Photos are uint8 [height, width, 3], masks uint8 [num, height, width] of 0 and 1. Boxes are taken
from the masks afterwards (train_targets), so they follow whatever happens here.
"""

import math

import tensorflow as tf

from tfseg.configs.maskrcnn import Augmentation

_FILL = 114  # grey, for what a turned photo does not cover


def sub_seed(seed: tf.Tensor, number: int) -> tf.Tensor:
    """Derives an int32 [2] seed for one of several draws from a seed of the same form."""
    return tf.random.experimental.stateless_fold_in(seed, number)


def uniform(seed: tf.Tensor, number: int, low, high, shape=()) -> tf.Tensor:
    """Draws float32 of a shape between low and high, by sub_seed(seed, number)."""
    return tf.random.stateless_uniform(shape, sub_seed(seed, number), low, high)


def change_colours(image: tf.Tensor, config: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Shifts brightness, contrast and saturation of a float32 [height, width, 3] photo in 0..255.

    Returns:
        The changed photo, again in 0..255.
    """
    if not (config.brightness or config.contrast or config.saturation):
        return image
    shift = 255.0 * uniform(seed, 0, -config.brightness, config.brightness)
    contrast = 1.0 + uniform(seed, 1, -config.contrast, config.contrast)
    saturation = 1.0 + uniform(seed, 2, -config.saturation, config.saturation)
    grey = tf.tensordot(image, tf.constant([0.299, 0.587, 0.114]), 1)[..., tf.newaxis]
    mean = tf.reduce_mean(image)
    image = grey + (image - grey) * saturation
    return tf.clip_by_value(mean + (image - mean) * contrast + shift, 0.0, 255.0)


def _transform(images: tf.Tensor, matrix: tf.Tensor, size_hw, interpolation: str, fill: float):
    """Draws [num, height, width, channels] images anew: output (x, y) shows matrix @ (x, y, 1)."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.reshape(matrix, [1, 8]),
        output_shape=size_hw,
        fill_value=fill,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )


def _transform_masks(masks: tf.Tensor, matrix: tf.Tensor, size_hw) -> tf.Tensor:
    # Masks as channels: the op takes one matrix for one image or one for each.
    channels = tf.transpose(masks, [1, 2, 0])[tf.newaxis]
    return tf.transpose(_transform(channels, matrix, size_hw, "NEAREST", 0.0)[0], [2, 0, 1])


def rotate(image: tf.Tensor, masks: tf.Tensor, radians: tf.Tensor):
    """Turns a photo and its masks about the centre, counter-clockwise, within the same frame.

    Args:
        image: uint8 [height, width, 3].
        masks: uint8 [num, height, width].
        radians: float32 scalar.

    Returns:
        The turned photo and masks, of the same shapes.
    """
    size_hw = tf.shape(image)[:2]
    centre_y, centre_x = tf.unstack((tf.cast(size_hw, tf.float32) - 1.0) / 2.0)
    cos, sin = tf.cos(radians), tf.sin(radians)
    matrix = tf.stack(
        [
            *(cos, -sin, centre_x - cos * centre_x + sin * centre_y),
            *(sin, cos, centre_y - sin * centre_x - cos * centre_y),
            *(0.0, 0.0),
        ]
    )
    turned = _transform(image[tf.newaxis], matrix, size_hw, "BILINEAR", _FILL)[0]
    return turned, _transform_masks(masks, matrix, size_hw)


def random_rotation(image, masks, config: Augmentation, seed: tf.Tensor):
    """Turns a photo and its masks by a random angle; see rotate."""
    if not config.rotation_degrees:
        return image, masks
    largest = math.radians(config.rotation_degrees)
    return rotate(image, masks, uniform(seed, 3, -largest, largest))


def paste(image, masks, classes, other, scale: tf.Tensor, offset_yx: tf.Tensor, chosen: tf.Tensor):
    """Pastes instances of another photo onto a photo; what they cover, they take away.

    Args:
        image: uint8 [height, width, 3].
        masks: uint8 [num, height, width].
        classes: int64 [num].
        other: The other photo's image, masks and classes.
        scale: float32 scalar, pixels of the photo per pixel of the other.
        offset_yx: float32 [2], where the other's top left corner comes to lie.
        chosen: bool [other's num], which instances are pasted.

    Returns:
        image, masks, classes with the pasted instances last. Instances of which less than a tenth
        is left are gone.
    """
    other_image, other_masks, other_classes = other
    matrix = tf.stack(
        [
            *(1.0 / scale, 0.0, (0.5 - offset_yx[1]) / scale - 0.5),
            *(0.0, 1.0 / scale, (0.5 - offset_yx[0]) / scale - 0.5),
            *(0.0, 0.0),
        ]
    )
    size_hw = tf.shape(image)[:2]
    pasted = _transform_masks(tf.boolean_mask(other_masks, chosen), matrix, size_hw)
    covered = tf.reduce_any(pasted > 0, axis=0)
    drawn = _transform(other_image[tf.newaxis], matrix, size_hw, "BILINEAR", 0.0)[0]
    image = tf.where(covered[..., tf.newaxis], drawn, image)
    left = tf.where(covered, tf.constant(0, tf.uint8), masks)
    areas = tf.reduce_sum(tf.cast(masks, tf.int32), [1, 2])
    areas_left = tf.reduce_sum(tf.cast(left, tf.int32), [1, 2])
    kept = areas_left * 10 >= areas
    visible = tf.reduce_any(pasted > 0, [1, 2])
    pasted_classes = tf.boolean_mask(other_classes, chosen)
    masks = tf.concat([tf.boolean_mask(left, kept), tf.boolean_mask(pasted, visible)], 0)
    classes = tf.concat(
        [tf.boolean_mask(classes, kept), tf.boolean_mask(pasted_classes, visible)], 0
    )
    return image, masks, classes


def random_paste(image, masks, classes, read_other, config: Augmentation, seed: tf.Tensor):
    """Pastes random instances of another photo, or none, by the config's probability; see paste.

    Args:
        image, masks, classes: The photo.
        read_other: Function without arguments that reads the other photo's image, masks, classes;
            called only where something is pasted.
        config: Probability, share of instances, sizes.
        seed: int32 [2].
    """
    if not config.copy_paste_probability:
        return image, masks, classes

    def with_paste():
        other = read_other()
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        other_size = tf.cast(tf.shape(other[0])[:2], tf.float32)
        relative = uniform(seed, 5, config.copy_paste_scale_min, config.copy_paste_scale_max)
        scale = relative * tf.reduce_max(size) / tf.reduce_max(other_size)
        # Anywhere between flush left and flush right, whichever is larger.
        offset = (size - scale * other_size) * uniform(seed, 6, 0.0, 1.0, [2])
        draws = uniform(seed, 7, 0.0, 1.0, tf.shape(other[2]))
        return paste(
            image, masks, classes, other, scale, offset, draws < config.copy_paste_instances
        )

    wanted = uniform(seed, 4, 0.0, 1.0) < config.copy_paste_probability
    return tf.cond(wanted, with_paste, lambda: (image, masks, classes))
