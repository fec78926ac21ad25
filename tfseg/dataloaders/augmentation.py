"""Changes to a training photo and its masks, each a function of the photo and a seed.

One more is a function here in GEOMETRY_CHANGES or COLOUR_CHANGES, and its keys in
configs.maskrcnn.Augmentation, whose defaults leave a photo as it is.

Photos are uint8 [height, width, 3], masks uint8 [num, height, width] of 0 and 1. Boxes are taken
from the masks afterwards (train_targets), so they follow whatever happens here.
"""

import math

import tensorflow as tf

from tfseg.configs.maskrcnn import Augmentation
from tfseg.ops import resampling

_FILL = 114  # grey, for what a turned photo does not cover


def sub_seed(seed: tf.Tensor, number: int) -> tf.Tensor:
    """Derives an int32 [2] seed for one of several draws from a seed of the same form."""
    return tf.random.experimental.stateless_fold_in(seed, number)


def uniform(seed: tf.Tensor, number: int, low, high, shape=()) -> tf.Tensor:
    """Draws float32 of a shape between low and high, by sub_seed(seed, number)."""
    return tf.random.stateless_uniform(shape, sub_seed(seed, number), low, high)


def shift_colours(image: tf.Tensor, config: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Shifts brightness, contrast and saturation of a float32 [height, width, 3] photo in 0..255.

    Saturation moves the colours from their grey, contrast all values from their mean, brightness
    adds: all but the clipping is one product of a matrix.

    Returns:
        The changed photo, again in 0..255.
    """
    if not (config.brightness or config.contrast or config.saturation):
        return image
    shift = 255.0 * uniform(seed, 0, -config.brightness, config.brightness)
    contrast = 1.0 + uniform(seed, 1, -config.contrast, config.contrast)
    saturation = 1.0 + uniform(seed, 2, -config.saturation, config.saturation)
    grey = tf.constant([[0.299], [0.587], [0.114]])
    saturate = saturation * tf.eye(3) + (1.0 - saturation) * tf.tile(grey, [1, 3])
    mean = tf.reduce_mean(image)
    changed = tf.matmul(tf.reshape(image, [-1, 3]), contrast * saturate)
    changed = tf.clip_by_value(changed + (mean * (1.0 - contrast) + shift), 0.0, 255.0)
    return tf.reshape(changed, tf.shape(image))


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
    other_masks = tf.boolean_mask(other_masks, chosen)
    region = _region_of(other_masks, scale, offset_yx, tf.shape(image)[:2])
    first, end = region[:2], region[2:]
    pasted = resampling.place_masks(other_masks, scale, offset_yx, region)
    covered = tf.reduce_max(pasted, axis=0)
    here = tf.cast([first, end - 1], tf.float32)
    sampled = (here + 0.5 - offset_yx) / scale - 0.5
    drawn = resampling.sample_evenly(other_image, sampled[0], sampled[1], end - first)
    below = image[first[0] : end[0], first[1] : end[1]]
    above = tf.where(covered[..., tf.newaxis] > 0, tf.cast(drawn, tf.uint8), below)
    image = _with_region(image[tf.newaxis], above[tf.newaxis], region)[0]

    masks_below = masks[:, first[0] : end[0], first[1] : end[1]]
    areas = tf.reduce_sum(resampling.column_counts(masks), axis=1)
    lost = tf.reduce_sum(resampling.column_counts(masks_below * covered), axis=1)
    kept = (areas - lost) * 10 >= areas
    left = _with_region(masks, masks_below * (1 - covered), region)
    visible = tf.reduce_any(resampling.rows_with_ones(pasted), axis=1)
    around = tf.stack([first, tf.shape(image)[:2] - end], axis=1)
    pasted = tf.pad(tf.boolean_mask(pasted, visible), tf.pad(around, [[1, 0], [0, 0]]))
    pasted_classes = tf.boolean_mask(tf.boolean_mask(other_classes, chosen), visible)
    masks = tf.concat([tf.boolean_mask(left, kept), pasted], 0)
    return image, masks, tf.concat([tf.boolean_mask(classes, kept), pasted_classes], 0)


def _region_of(masks, scale, offset_yx, size_hw) -> tf.Tensor:
    """Where masks come to lie in a frame: int32 [4] yxyx, half-open, at least a pixel."""
    rows = tf.reduce_any(resampling.rows_with_ones(masks), axis=0)
    columns = tf.reduce_any(resampling.column_counts(masks) > 0, axis=0)
    spans = []
    for lines in (rows, columns):
        numbers = tf.concat([tf.where(lines)[:, 0], [0]], 0)  # there may be none
        numbers = numbers[: tf.maximum(tf.size(numbers) - 1, 1)]
        spans.append(tf.cast([numbers[0], numbers[-1] + 1], tf.float32))
    (ymin, ymax), (xmin, xmax) = (tf.unstack(span) for span in spans)
    low = tf.floor(tf.stack([ymin, xmin]) * scale + offset_yx) - 1.0
    high = tf.math.ceil(tf.stack([ymax, xmax]) * scale + offset_yx) + 1.0
    low = tf.clip_by_value(tf.cast(low, tf.int32), 0, size_hw - 1)
    high = tf.clip_by_value(tf.cast(high, tf.int32), low + 1, size_hw)
    return tf.concat([low, high], 0)


def _with_region(images, part, region) -> tf.Tensor:
    """Replaces a region (yxyx) of [num, height, width, ...] images."""
    ymin, xmin, ymax, xmax = tf.unstack(region)
    middle = tf.concat([images[:, ymin:ymax, :xmin], part, images[:, ymin:ymax, xmax:]], 2)
    return tf.concat([images[:, :ymin], middle, images[:, ymax:]], 1)


# Each (image, masks, config, seed) -> image, masks, and whether a config asks for it.
GEOMETRY_CHANGES = ((random_rotation, lambda config: bool(config.rotation_degrees)),)
# Each (float32 photo in 0..255, config, seed) -> the same.
COLOUR_CHANGES = (shift_colours,)


def changes_geometry(config: Augmentation) -> bool:
    """Whether change_geometry does anything; it needs the whole photo then."""
    return any(is_wanted(config) for _, is_wanted in GEOMETRY_CHANGES)


def change_geometry(image: tf.Tensor, masks: tf.Tensor, config: Augmentation, seed: tf.Tensor):
    """Applies GEOMETRY_CHANGES in their order; returns image and masks."""
    for change, _ in GEOMETRY_CHANGES:
        image, masks = change(image, masks, config, seed)
    return image, masks


def change_colours(image: tf.Tensor, config: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Applies COLOUR_CHANGES to a float32 [height, width, 3] photo in 0..255, in their order."""
    for change in COLOUR_CHANGES:
        image = change(image, config, seed)
    return image


def wants_paste(config: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Whether random_paste pastes anything (bool scalar)."""
    return uniform(seed, 4, 0.0, 1.0) < config.copy_paste_probability


def random_paste(image, masks, classes, read_other, config: Augmentation, seed: tf.Tensor):
    """Pastes random instances of another photo, or none, by the config's probability; see paste.

    Args:
        image, masks, classes: The photo.
        read_other: Reads the other photo's image, masks and classes, of the instances for which a
            function of their number says so (bool [num]); called only where something is pasted.
        config: Probability, share of instances, sizes.
        seed: int32 [2].
    """
    if not config.copy_paste_probability:
        return image, masks, classes

    def with_paste():
        def chosen(num):
            return uniform(seed, 7, 0.0, 1.0, [num]) < config.copy_paste_instances

        other = read_other(chosen)
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        other_size = tf.cast(tf.shape(other[0])[:2], tf.float32)
        relative = uniform(seed, 5, config.copy_paste_scale_min, config.copy_paste_scale_max)
        scale = relative * tf.reduce_max(size) / tf.reduce_max(other_size)
        # Anywhere between flush left and flush right, whichever is larger.
        offset = (size - scale * other_size) * uniform(seed, 6, 0.0, 1.0, [2])
        everything = tf.ones(tf.shape(other[2])[:1], tf.bool)
        return paste(image, masks, classes, other, scale, offset, everything)

    return tf.cond(wants_paste(config, seed), with_paste, lambda: (image, masks, classes))
