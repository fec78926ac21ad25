"""A photo and its masks -> the network's input and what the losses compare with.

Targets are those of official/vision/dataloaders/maskrcnn_input.py, except that boxes of cut
instances are tight around what is left of their masks.
"""

import functools

import numpy as np
import tensorflow as tf
from official.vision.ops import anchor, preprocess_ops

from tfseg.configs.maskrcnn import padded_size
from tfseg.dataloaders import augmentation, photo_view
from tfseg.ops import resampling, sampling
from tfseg.ops.ignore_regions import IGNORED_CLASS

_PIXEL_SCALE = 1 / (255 * np.float32(preprocess_ops.STDDEV_NORM))
_PIXEL_SHIFT = np.float32(preprocess_ops.MEAN_NORM) / np.float32(preprocess_ops.STDDEV_NORM)


def visible_boxes(masks: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """The tight boxes of what a window shows of masks.

    Args:
        masks: uint8 [num, height, width] of 0 and 1.
        window: float32 [4], (ymin, xmin, ymax, xmax) in pixels.

    Returns:
        float32 [num, 4] yxyx in pixels, half-open, within the window; zeros where it shows none.
    """
    size = tf.shape(masks)[1:]
    first = tf.cast(tf.floor(window[:2]), tf.int32)
    last = tf.minimum(tf.cast(tf.math.ceil(window[2:]), tf.int32), size)
    shown = masks[:, first[0] : last[0], first[1] : last[1]]
    lines_of = (resampling.rows_with_ones(shown), resampling.column_counts(shown) > 0)
    edges = []
    for axis, lines in enumerate(lines_of):
        numbers = tf.range(tf.shape(lines)[1]) + first[axis]
        low = tf.reduce_min(tf.where(lines, numbers, tf.int32.max), axis=1)
        high = tf.reduce_max(tf.where(lines, numbers + 1, 0), axis=1)
        empty = high == 0
        low = tf.maximum(tf.cast(tf.where(empty, 0, low), tf.float32), window[axis])
        high = tf.minimum(tf.cast(high, tf.float32), window[axis + 2])
        edges.append((tf.where(empty, 0.0, low), tf.where(empty, 0.0, high)))
    (ymin, ymax), (xmin, xmax) = edges
    return tf.stack([ymin, xmin, ymax, xmax], axis=1)


def make_targets(image, masks, classes, source_id, task_config, seed: tf.Tensor, frame=None):
    """Scales, crops, flips and pads a photo, and makes what the losses compare with.

    Args:
        image: uint8 [height, width, 3].
        masks: uint8 [num, height, width] of 0 and 1.
        classes: int64 [num] from 1, IGNORED_CLASS for ignore regions; with attributes
            [num, 1 + num_attributes], photo_records.with_attributes'.
        source_id: int64 scalar.
        task_config: configs.maskrcnn.FashionMaskRCNN.
        seed: int32 [2].
        frame: photo_view.Frame where image and masks are the parts that the view shows.

    Returns:
        The network's input, float32 or bfloat16 [height, width, 3], and a dict of labels. Where
        the data set has ignore regions, `ignored_boxes` (float32 [max_num_ignored, 4], -1 where
        there are fewer) and `gt_unknown` (as gt_masks: which pixels of an instance's box may be of
        something unsure) are among them; with attributes `gt_attributes` (int8
        [max_num_instances, num_attributes]; 1 has it, 0 has not, -1 nobody said).
    """
    model, data = task_config.model, task_config.train_data
    parser = data.parser
    frame = frame or photo_view.whole(image)
    view = photo_view.choose_view(frame.size_hw, task_config, seed)
    size, scale = tf.cast(frame.size_hw, tf.float32), view.scale
    origin = tf.tile(tf.cast(frame.mask_origin, tf.float32), [2])

    boxes = visible_boxes(masks, view.window - origin)
    is_seen = tf.reduce_any(boxes > 0.0, axis=1, keepdims=True)
    boxes = tf.where(is_seen, boxes + origin, boxes)  # in the photo's pixels
    sides = (boxes[:, 2:] - boxes[:, :2]) * scale
    kept = tf.reduce_all(sides >= 1.0, axis=1)
    boxes, classes, masks = (tf.boolean_mask(one, kept) for one in (boxes, classes, masks))

    ignored, regions = {}, None
    if data.max_num_ignored:
        of_regions = _class_column(classes) == IGNORED_CLASS
        regions = _in_input(tf.boolean_mask(boxes, of_regions), view)
        unsure = tf.reduce_any(tf.boolean_mask(masks, of_regions) > 0, axis=0)
        boxes, classes, masks = (
            tf.boolean_mask(one, ~of_regions) for one in (boxes, classes, masks)
        )
        unknown = tf.cast(unsure & (masks == 0), tf.uint8)
        unknown = _mask_crops(unknown, boxes, frame, view, parser.mask_crop_size)
        ignored = _ignored_labels(regions, unknown, data)
    gt_masks = _mask_crops(masks, boxes, frame, view, parser.mask_crop_size)
    boxes = _in_input(boxes, view)

    pixels = _shown_pixels(image, view, frame)
    pixels = augmentation.change_colours(pixels, data.augmentation, seed)
    pixels = _normalised(pixels, data.dtype)
    pixels = tf.image.pad_to_bounding_box(pixels, 0, 0, *padded_size(model))
    desired = tf.constant(model.input_size[:2], tf.float32)
    labels = {
        "image_info": tf.stack([size, desired, scale, view.offset]),
        "source_id": source_id,
        "sampling_seed": augmentation.sub_seed(seed, 13),
        **ignored,
        **_instance_labels(boxes, classes, gt_masks, parser.max_num_instances),
        **_rpn_labels(boxes, task_config, augmentation.sub_seed(seed, 14), regions),
    }
    return pixels, labels


def _class_column(classes: tf.Tensor) -> tf.Tensor:
    return classes[:, 0] if classes.shape.rank == 2 else classes


def _in_input(boxes: tf.Tensor, view: photo_view.View) -> tf.Tensor:
    """float32 [num, 4] yxyx in the photo's pixels -> in the input's."""
    boxes = boxes * tf.tile(view.scale, [2]) - tf.tile(view.offset, [2])
    if view.flipped is False:
        return boxes
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
    mirrored = tf.stack([ymin, view.shown[1] - xmax, ymax, view.shown[1] - xmin], axis=1)
    return tf.where(view.flipped, mirrored, boxes)


def _mask_crops(
    masks, boxes, frame: photo_view.Frame, view: photo_view.View, crop_size: int
) -> tf.Tensor:
    """What masks show in boxes of the whole photo, flipped where the view is.

    Returns:
        float32 [num boxes, crop_size, crop_size].
    """
    size = tf.cast(frame.size_hw, tf.float32)
    origin = tf.tile(tf.cast(frame.mask_origin, tf.float32), [2])
    # tf.image.crop_and_resize counts from the first pixel's centre to the last one's.
    inner = boxes / tf.tile(size, [2]) * tf.tile(size - 1.0, [2]) - origin
    most = tf.maximum(tf.cast(tf.shape(masks)[1:] - 1, tf.float32), 1.0)
    crops = tf.image.crop_and_resize(
        masks[..., tf.newaxis],
        inner / tf.tile(most, [2]),
        tf.range(tf.shape(boxes)[0]),
        [crop_size, crop_size],
    )[..., 0]
    if view.flipped is False:
        return crops
    return tf.where(view.flipped, tf.reverse(crops, [2]), crops)


def _shown_pixels(image, view: photo_view.View, frame: photo_view.Frame) -> tf.Tensor:
    """Bilinear scaling of what is shown alone, as tf.image.resize would and a crop after it.

    Returns:
        float32 [*view.shown, 3], 0..255, flipped where the view is.
    """
    reduction = tf.cast(frame.reduction, tf.float32)
    origin = tf.cast(frame.image_origin, tf.float32)
    ends = tf.stack([view.offset + 0.5, view.offset + view.shown - 0.5])
    first, last = tf.unstack(ends / view.scale / reduction - 0.5 - origin)
    shown = tf.cast(view.shown, tf.int32)
    return resampling.sample_evenly(image, first, last, shown, view.flipped)


def _normalised(pixels, dtype: str) -> tf.Tensor:
    """What preprocess_ops.normalize_image does of 0..1, of 0..255 in one step."""
    height, width, _ = tf.unstack(tf.shape(pixels))
    # By rows: TensorFlow's arithmetic with a vector of three is several times slower.
    rows = tf.reshape(pixels, [height, 3 * width])
    rows = rows * tf.tile(_PIXEL_SCALE, [width]) - tf.tile(_PIXEL_SHIFT, [width])
    return tf.reshape(tf.cast(rows, dtype), [height, width, 3])


def _instance_labels(boxes, classes, gt_masks, max_num_instances: int) -> dict:
    def padded(tensor):
        return preprocess_ops.clip_or_pad_to_fixed_size(tensor, max_num_instances, -1)

    attributes = {}
    if classes.shape.rank == 2:
        attributes["gt_attributes"] = tf.cast(padded(classes[:, 1:]), tf.int8)
    return {
        "gt_boxes": padded(boxes),
        "gt_outer_boxes": padded(boxes),
        "gt_classes": padded(_class_column(classes)),
        **attributes,
        # By far the largest label: half as much to copy, to batch and to send to a GPU.
        "gt_masks": padded(tf.cast(gt_masks, tf.float16)),
    }


def _ignored_labels(regions, unknown, data) -> dict:
    padded = preprocess_ops.clip_or_pad_to_fixed_size
    return {
        "ignored_boxes": padded(regions, data.max_num_ignored, -1),
        "gt_unknown": padded(unknown, data.parser.max_num_instances, 0),
    }


def anchor_boxes(model_config) -> dict[str, tf.Tensor]:
    """The anchors of every level: float32 [height, width, anchors * 4], yxyx in input pixels."""
    generator = anchor.build_anchor_generator(
        min_level=model_config.min_level,
        max_level=model_config.max_level,
        num_scales=model_config.anchor.num_scales,
        aspect_ratios=model_config.anchor.aspect_ratios,
        anchor_size=model_config.anchor.anchor_size,
    )
    return generator(image_size=tuple(padded_size(model_config)))


@functools.lru_cache(maxsize=4)
def _flat_anchors(
    *anchor_config,
) -> tuple[np.ndarray, tuple[tuple[str, tuple[int, int, int]], ...]]:
    """float32 [num_anchors, 4] and the shape [height, width, anchors] of each level."""
    min_level, max_level, num_scales, aspect_ratios, anchor_size, size_hw = anchor_config
    with tf.init_scope():
        generator = anchor.build_anchor_generator(
            min_level, max_level, num_scales, list(aspect_ratios), anchor_size
        )
        levels = {key: boxes.numpy() for key, boxes in generator(image_size=size_hw).items()}
    flat = np.concatenate([boxes.reshape(-1, 4) for boxes in levels.values()])
    shapes = [(key, (*boxes.shape[:2], boxes.shape[2] // 4)) for key, boxes in levels.items()]
    return np.asarray(flat, np.float32), tuple(shapes)


def _rpn_labels(boxes, task_config, seed, regions) -> dict:
    model = task_config.model
    anchors, shapes = _flat_anchors(
        *(model.min_level, model.max_level, model.anchor.num_scales),
        *(tuple(model.anchor.aspect_ratios), model.anchor.anchor_size, tuple(padded_size(model))),
    )
    grids = [shape for _, shape in shapes]
    parser = task_config.train_data.parser
    scores, moves = sampling.rpn_targets(anchors, grids, boxes, parser, seed, regions)
    counts = [int(np.prod(shape)) for shape in grids]
    score_targets, box_targets = {}, {}
    parts = zip(shapes, tf.split(scores, counts), tf.split(moves, counts), strict=True)
    for (key, shape), level_scores, level_moves in parts:
        score_targets[key] = tf.reshape(level_scores, shape)
        box_targets[key] = tf.reshape(level_moves, [*shape[:2], 4 * shape[2]])
    return {"rpn_score_targets": score_targets, "rpn_box_targets": box_targets}


def centre_gt_masks(gt_masks: tf.Tensor) -> tf.Tensor:
    """Moves ground-truth masks so that Model Garden's mask targets come out unbiased.

    For target i, the mask sampler takes the mask at (i + 0.5) * crop_size / target_size
    (spatial_transform_ops.crop_mask_in_target_box with sample_offset=0.5), counted from the first
    cell's centre where it should be counted from that cell's edge: its targets lie half a cell too
    far up and left. Moving the masks down and right by as much undoes it.

    Args:
        gt_masks: float16 or float32 [..., crop_size, crop_size], from the parser; what moves in
            from beyond the box is 0, as nothing of an instance lies outside its box.

    Returns:
        The moved masks, float32 of the same shape.
    """
    gt_masks = tf.cast(gt_masks, tf.float32)
    no_padding = [[0, 0]] * (gt_masks.shape.rank - 2)
    padded = tf.pad(gt_masks, [*no_padding, [1, 0], [1, 0]])
    rows = (padded[..., 1:, :] + padded[..., :-1, :]) / 2
    return (rows[..., 1:] + rows[..., :-1]) / 2
