"""A photo and its masks -> the network's input and what the losses compare with.

Targets are those of official/vision/dataloaders/maskrcnn_input.py, except that boxes of cut
instances are tight around what is left of their masks.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf
from official.vision.ops import anchor, preprocess_ops

from tfseg.configs.maskrcnn import padded_size
from tfseg.dataloaders import augmentation
from tfseg.ops import sampling
from tfseg.ops.ignore_regions import IGNORED_CLASS

# Of 0..255: what preprocess_ops.normalize_image does of 0..1, in one step.
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


@dataclasses.dataclass(frozen=True)
class _View:
    """What the network is shown of a photo; sizes are [height, width], float32.

    Attributes:
        size: Of the photo, pixels.
        scale: Input pixels per pixel of the photo.
        offset: Of what is shown in the scaled photo, input pixels.
        shown: Its size there.
        flipped: Whether it is mirrored.
    """

    size: tf.Tensor
    scale: tf.Tensor
    offset: tf.Tensor
    shown: tf.Tensor
    flipped: tf.Tensor | bool

    def boxes(self, boxes: tf.Tensor) -> tf.Tensor:
        """float32 [num, 4] yxyx in the photo's pixels -> in the input's."""
        boxes = boxes * tf.tile(self.scale, [2]) - tf.tile(self.offset, [2])
        ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
        mirrored = tf.stack([ymin, self.shown[1] - xmax, ymax, self.shown[1] - xmin], axis=1)
        return tf.where(self.flipped, mirrored, boxes)

    def crops(self, masks: tf.Tensor, boxes: tf.Tensor, crop_size: int) -> tf.Tensor:
        """float32 [num, crop_size, crop_size]: masks within boxes, both as in the photo."""
        crops = tf.image.crop_and_resize(
            masks[..., tf.newaxis],
            boxes / tf.tile(self.size, [2]),
            tf.range(tf.shape(boxes)[0]),
            [crop_size, crop_size],
        )[..., 0]
        return tf.where(self.flipped, tf.reverse(crops, [2]), crops)


def make_targets(image, masks, classes, source_id, task_config, seed: tf.Tensor):
    """Scales, crops, flips and pads a photo, and makes what the losses compare with.

    Args:
        image: uint8 [height, width, 3].
        masks: uint8 [num, height, width] of 0 and 1.
        classes: int64 [num] from 1; IGNORED_CLASS for ignore regions.
        source_id: int64 scalar.
        task_config: configs.maskrcnn.FashionMaskRCNN.
        seed: int32 [2].

    Returns:
        The network's input, float32 or bfloat16 [height, width, 3], and a dict of labels. Where
        the data set has ignore regions, `ignored_boxes` (float32 [max_num_ignored, 4], -1 where
        there are fewer) and `gt_unknown` (as gt_masks: which pixels of an instance's box may be of
        something unsure) are among them.
    """
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
    boxes, classes, masks = (tf.boolean_mask(one, kept) for one in (boxes, classes, masks))

    view = _View(size, scale, offset, shown, flipped)
    ignored, regions = {}, None
    if data.max_num_ignored:
        of_regions = classes == IGNORED_CLASS
        regions = view.boxes(tf.boolean_mask(boxes, of_regions))
        unsure = tf.reduce_any(tf.boolean_mask(masks, of_regions) > 0, axis=0)
        boxes, classes, masks = (
            tf.boolean_mask(one, ~of_regions) for one in (boxes, classes, masks)
        )
        unknown = tf.cast(unsure & (masks == 0), tf.uint8)
        unknown = view.crops(unknown, boxes, parser.mask_crop_size)
        ignored = _ignored_labels(regions, unknown, data)
    gt_masks = view.crops(masks, boxes, parser.mask_crop_size)
    boxes = view.boxes(boxes)

    pixels = _scale_and_crop(image, scale, offset, shown)
    pixels = augmentation.change_colours(pixels, data.augmentation, seed)
    pixels = pixels * _PIXEL_SCALE - _PIXEL_SHIFT
    if flipped:
        pixels = tf.reverse(pixels, [1])
    pixels = tf.image.pad_to_bounding_box(pixels, 0, 0, *padded_size(model))
    labels = {
        "image_info": tf.stack([size, desired, scale, offset]),
        "source_id": source_id,
        "sampling_seed": augmentation.sub_seed(seed, 13),
        **ignored,
        **_instance_labels(boxes, classes, gt_masks, parser.max_num_instances),
        **_rpn_labels(boxes, task_config, augmentation.sub_seed(seed, 14), regions),
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
def _flat_anchors(*anchor_config) -> tuple[np.ndarray, tuple[tuple[str, tuple[int, ...]], ...]]:
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
    parser = task_config.train_data.parser
    scores, moves = sampling.rpn_targets(anchors, boxes, parser, seed, regions)
    counts = [int(np.prod(shape)) for _, shape in shapes]
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
        gt_masks: float32 [..., crop_size, crop_size], from the parser; what moves in from beyond
            the box is 0, as nothing of an instance lies outside its box.

    Returns:
        The moved masks, of the same shape and type.
    """
    no_padding = [[0, 0]] * (gt_masks.shape.rank - 2)
    padded = tf.pad(gt_masks, [*no_padding, [1, 0], [1, 0]])
    rows = (padded[..., 1:, :] + padded[..., :-1, :]) / 2
    return (rows[..., 1:] + rows[..., :-1]) / 2
