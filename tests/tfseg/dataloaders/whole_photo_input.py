"""The training input as it is defined: whole photos, whole masks, one step after the other.

tfseg/dataloaders computes the same from less; tests and benchmarks compare it with this.
"""

import numpy as np
import tensorflow as tf
from official.vision.ops import preprocess_ops

from tfseg.configs.maskrcnn import padded_size
from tfseg.dataloaders import augmentation, maskrcnn_input, photo_records, train_targets
from tfseg.ops import sampling

_PIXEL_SCALE = 1 / (255 * np.float32(preprocess_ops.STDDEV_NORM))
_PIXEL_SHIFT = np.float32(preprocess_ops.MEAN_NORM) / np.float32(preprocess_ops.STDDEV_NORM)


def example_at(train_input: maskrcnn_input.TrainInput, position: tf.Tensor):
    """TrainInput.example_at, the plain way."""
    config = train_input.task_config.train_data.augmentation
    seed = tf.cast(tf.stack([position, train_input.seed]) % (2**31 - 1), tf.int32)
    example = train_input.order.example_at(position)
    image, masks, classes, source_id = decode(train_input.read(example))
    image, masks = augmentation.random_rotation(image, masks, config, seed)

    def read_other():
        other = tf.random.stateless_uniform(
            [], augmentation.sub_seed(seed, 8), 0, len(train_input.offsets), tf.int64
        )
        return decode(train_input.read(other))[:3]

    image, masks, classes = random_paste(image, masks, classes, read_other, config, seed)
    pixels, labels = make_targets(image, masks, classes, source_id, train_input.task_config, seed)
    return pixels, {**labels, "position": position}


def change_colours(image: tf.Tensor, config, seed: tf.Tensor) -> tf.Tensor:
    """Shifts brightness, contrast and saturation of a float32 [height, width, 3] photo."""
    if not (config.brightness or config.contrast or config.saturation):
        return image
    shift = 255.0 * augmentation.uniform(seed, 0, -config.brightness, config.brightness)
    contrast = 1.0 + augmentation.uniform(seed, 1, -config.contrast, config.contrast)
    saturation = 1.0 + augmentation.uniform(seed, 2, -config.saturation, config.saturation)
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


def paste(image, masks, classes, other, scale: tf.Tensor, offset_yx: tf.Tensor, chosen: tf.Tensor):
    """Pastes instances of another photo onto a photo; what they cover, they take away."""
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


def random_paste(image, masks, classes, read_other, config, seed: tf.Tensor):
    """Pastes random instances of another photo, or none, by the config's probability; see paste."""
    if not config.copy_paste_probability:
        return image, masks, classes

    def with_paste():
        other = read_other()
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        other_size = tf.cast(tf.shape(other[0])[:2], tf.float32)
        relative = augmentation.uniform(
            seed, 5, config.copy_paste_scale_min, config.copy_paste_scale_max
        )
        scale = relative * tf.reduce_max(size) / tf.reduce_max(other_size)
        # Anywhere between flush left and flush right, whichever is larger.
        offset = (size - scale * other_size) * augmentation.uniform(seed, 6, 0.0, 1.0, [2])
        draws = augmentation.uniform(seed, 7, 0.0, 1.0, tf.shape(other[2]))
        return paste(
            image, masks, classes, other, scale, offset, draws < config.copy_paste_instances
        )

    wanted = augmentation.uniform(seed, 4, 0.0, 1.0) < config.copy_paste_probability
    return tf.cond(wanted, with_paste, lambda: (image, masks, classes))


def visible_boxes(masks: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """The tight boxes of what a window shows of masks."""
    size = tf.shape(masks)[1:]
    first = tf.cast(tf.floor(window[:2]), tf.int32)
    last = tf.minimum(tf.cast(tf.math.ceil(window[2:]), tf.int32), size)
    shown = masks[:, first[0] : last[0], first[1] : last[1]] > 0
    edges = []
    for axis in (1, 2):
        lines = tf.reduce_any(shown, axis=3 - axis)
        numbers = tf.range(tf.shape(lines)[1]) + first[axis - 1]
        low = tf.reduce_min(tf.where(lines, numbers, tf.int32.max), axis=1)
        high = tf.reduce_max(tf.where(lines, numbers + 1, 0), axis=1)
        empty = high == 0
        low = tf.maximum(tf.cast(tf.where(empty, 0, low), tf.float32), window[axis - 1])
        high = tf.minimum(tf.cast(high, tf.float32), window[axis + 1])
        edges.append((tf.where(empty, 0.0, low), tf.where(empty, 0.0, high)))
    (ymin, ymax), (xmin, xmax) = edges
    return tf.stack([ymin, xmin, ymax, xmax], axis=1)


def make_targets(image, masks, classes, source_id, task_config, seed: tf.Tensor):
    """Scales, crops, flips and pads a photo, and makes what the losses compare with."""
    model, data = task_config.model, task_config.train_data
    parser, input_size = data.parser, model.input_size[:2]
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    desired = tf.constant(input_size, tf.float32)
    jitter = augmentation.uniform(seed, 10, parser.aug_scale_min, parser.aug_scale_max)
    scaled = tf.round(size * tf.reduce_min(tf.round(jitter * desired) / size))
    scaled = tf.maximum(scaled, 1.0)  # the short side of a very long photo
    scale = scaled / size
    spare = tf.maximum(scaled - desired, 0.0)
    offset = tf.floor(spare * augmentation.uniform(seed, 11, 0.0, 1.0, [2]))
    shown = tf.minimum(scaled - offset, desired)
    flipped = parser.aug_rand_hflip and augmentation.uniform(seed, 12, 0.0, 1.0) < 0.5

    window = tf.concat([offset / scale, (offset + shown) / scale], 0)
    boxes = visible_boxes(masks, window)  # in the photo's pixels
    sides = (boxes[:, 2:] - boxes[:, :2]) * scale
    kept = tf.reduce_all(sides >= 1.0, axis=1)
    boxes, classes = tf.boolean_mask(boxes, kept), tf.boolean_mask(classes, kept)
    crop_size = parser.mask_crop_size
    gt_masks = tf.image.crop_and_resize(
        tf.boolean_mask(masks, kept)[..., tf.newaxis],
        boxes / tf.tile(size, [2]),
        tf.range(tf.shape(boxes)[0]),
        [crop_size, crop_size],
    )[..., 0]
    boxes = boxes * tf.tile(scale, [2]) - tf.tile(offset, [2])

    pixels = _scale_and_crop(image, scale, offset, shown)
    pixels = change_colours(pixels, data.augmentation, seed)
    pixels = pixels * _PIXEL_SCALE - _PIXEL_SHIFT
    if flipped:
        pixels, gt_masks = tf.reverse(pixels, [1]), tf.reverse(gt_masks, [2])
        ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
        boxes = tf.stack([ymin, shown[1] - xmax, ymax, shown[1] - xmin], axis=1)
    pixels = tf.image.pad_to_bounding_box(pixels, 0, 0, *padded_size(model))
    labels = {
        "image_info": tf.stack([size, desired, scale, offset]),
        "source_id": source_id,
        "sampling_seed": augmentation.sub_seed(seed, 13),
        **_instance_labels(boxes, classes, gt_masks, parser.max_num_instances),
        **_rpn_labels(boxes, task_config, augmentation.sub_seed(seed, 14)),
    }
    return tf.cast(pixels, data.dtype), labels


def _scale_and_crop(image, scale, offset, shown) -> tf.Tensor:
    """Bilinear scaling of what is shown alone, as tf.image.resize would and a crop after it."""
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    # The edges are repeated, as tf.image.resize does, by a border of one pixel.
    bordered = tf.pad(image, [[1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    first = (offset + 0.5) / scale + 0.5
    last = (offset + shown - 0.5) / scale + 0.5
    window = tf.concat([first, last], 0) / tf.tile(size + 1.0, [2])
    return tf.image.crop_and_resize(
        bordered[tf.newaxis], window[tf.newaxis], [0], tf.cast(shown, tf.int32)
    )[0]


def _instance_labels(boxes, classes, gt_masks, max_num_instances: int) -> dict:
    def padded(tensor):
        return preprocess_ops.clip_or_pad_to_fixed_size(tensor, max_num_instances, -1)

    return {
        "gt_boxes": padded(boxes),
        "gt_outer_boxes": padded(boxes),
        "gt_classes": padded(classes),
        "gt_masks": padded(gt_masks),
    }


def _rpn_labels(boxes, task_config, seed) -> dict:
    model = task_config.model
    anchors, shapes = train_targets._flat_anchors(
        *(model.min_level, model.max_level, model.anchor.num_scales),
        *(tuple(model.anchor.aspect_ratios), model.anchor.anchor_size, tuple(padded_size(model))),
    )
    scores, moves = rpn_targets(anchors, boxes, task_config.train_data.parser, seed)
    counts = [int(np.prod(shape)) for _, shape in shapes]
    score_targets, box_targets = {}, {}
    parts = zip(shapes, tf.split(scores, counts), tf.split(moves, counts), strict=True)
    for (key, shape), level_scores, level_moves in parts:
        score_targets[key] = tf.reshape(level_scores, shape)
        box_targets[key] = tf.reshape(level_moves, [*shape[:2], 4 * shape[2]])
    return {"rpn_score_targets": score_targets, "rpn_box_targets": box_targets}


def rpn_targets(anchors: np.ndarray, boxes: tf.Tensor, parser_config, seed: tf.Tensor):
    """Labels anchors for the region proposal network, as Model Garden's RpnAnchorLabeler does."""
    num_anchors, num_boxes = len(anchors), tf.shape(boxes)[0]
    ious = _ious(boxes, anchors)
    best = tf.reduce_max(tf.pad(ious, [[0, 1], [0, 0]]), axis=0)  # padded: boxes may be none
    matches = tf.argmax(tf.pad(ious, [[0, 1], [0, 0]]), axis=0, output_type=tf.int32)
    # Every box has its best anchor, whatever its overlap; the first box wins.
    rows = tf.argmax(ious, axis=1, output_type=tf.int32)[:, tf.newaxis]
    forced = tf.tensor_scatter_nd_min(tf.fill([num_anchors], num_boxes), rows, tf.range(num_boxes))
    is_forced = forced < num_boxes
    positives = is_forced | (best >= parser_config.rpn_match_threshold)
    negatives = ~is_forced & (best < parser_config.rpn_unmatched_threshold)
    num_samples = min(parser_config.rpn_batch_size_per_im, num_anchors)
    chosen, wanted = sampling.balanced_sample(
        positives, negatives, num_samples, parser_config.rpn_fg_fraction, seed
    )
    chosen = tf.boolean_mask(chosen, wanted)
    labels = tf.where(tf.gather(positives, chosen), 1, 0)
    scores = tf.tensor_scatter_nd_update(tf.fill([num_anchors], -1), chosen[:, tf.newaxis], labels)
    indices = tf.where(positives)
    matches = tf.gather_nd(tf.where(is_forced, forced, matches), indices)
    moves = sampling._moves(tf.gather_nd(tf.constant(anchors), indices), tf.gather(boxes, matches))
    return scores, tf.scatter_nd(indices, moves, [num_anchors, 4])


def decode(serialized: tf.Tensor):
    """Decodes a tf.train.Example of a prepared data set; crowds are left out."""
    parsed = tf.io.parse_single_example(serialized, photo_records.FEATURES)
    image = tf.io.decode_image(parsed["image/encoded"], channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    classes, pngs = parsed["image/object/class/label"], parsed["image/object/mask"]
    crowds = parsed["image/object/is_crowd"]
    # The key is optional, and none is a crowd without it.
    single = tf.equal(tf.pad(crowds, [[0, tf.size(classes) - tf.size(crowds)]]), 0)
    classes, pngs = tf.boolean_mask(classes, single), tf.boolean_mask(pngs, single)
    height, width = tf.unstack(tf.shape(image)[:2])
    masks = tf.cond(
        tf.size(pngs) > 0,
        lambda: tf.map_fn(
            lambda png: tf.io.decode_png(png, channels=1)[..., 0],
            pngs,
            fn_output_signature=tf.TensorSpec([None, None], tf.uint8),
        ),
        lambda: tf.zeros([0, height, width], tf.uint8),
    )
    masks = tf.reshape(masks, [-1, height, width])
    source_id = tf.strings.to_number(parsed["image/source_id"], tf.int64)
    return image, masks, classes, source_id


def _ious(boxes: tf.Tensor, anchors: np.ndarray) -> tf.Tensor:
    """float32 [num_boxes, num_anchors]; anchors last, so that operations run along memory."""
    ymin, xmin, ymax, xmax = (
        tf.constant(edge)[tf.newaxis] for edge in np.ascontiguousarray(anchors.T)
    )
    box_ymin, box_xmin, box_ymax, box_xmax = tf.split(boxes, 4, axis=1)
    heights = tf.nn.relu(tf.minimum(ymax, box_ymax) - tf.maximum(ymin, box_ymin))
    widths = tf.nn.relu(tf.minimum(xmax, box_xmax) - tf.maximum(xmin, box_xmin))
    shared = heights * widths
    areas = tf.constant((anchors[:, 2] - anchors[:, 0]) * (anchors[:, 3] - anchors[:, 1]))
    box_areas = (box_ymax - box_ymin) * (box_xmax - box_xmin)
    return shared / (areas[tf.newaxis] + box_areas - shared)
