"""TFRecord shards -> batches a Mask R-CNN trains on.

Faster than Model Garden's stock input, and without hidden state: what a position of the training
gets depends on the seed and the position alone (example_order), whatever the number of threads,
replicas and workers. Targets are those of official/vision/dataloaders/maskrcnn_input.py, except
that boxes of cut instances are tight around what is left of their masks.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf
from official.vision.ops import anchor, preprocess_ops

from tfseg import augmentation, example_order, sampling

_FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/source_id": tf.io.FixedLenFeature([], tf.string),
    "image/object/class/label": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
    "image/object/is_crowd": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
    "image/object/mask": tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64),
}

# Of 0..255: what preprocess_ops.normalize_image does of 0..1, in one step.
_PIXEL_SCALE = 1 / (255 * np.float32(preprocess_ops.STDDEV_NORM))
_PIXEL_SHIFT = np.float32(preprocess_ops.MEAN_NORM) / np.float32(preprocess_ops.STDDEV_NORM)


@dataclasses.dataclass(frozen=True)
class TrainInput:
    """The training input of one data set.

    Attributes:
        task_config: task.FashionMaskRCNN.
        seed: Of the order and of every draw.
        paths: TFRecord shards.
        shards: int64 [num_examples], each example's shard.
        offsets: int64 [num_examples], its byte offset there.
        order: Which example stands at which position.
    """

    task_config: object
    seed: int
    paths: list[str]
    shards: np.ndarray
    offsets: np.ndarray
    order: example_order.ExampleOrder

    def read(self, example: tf.Tensor) -> tf.Tensor:
        """Reads the serialized tf.train.Example of an index (int64 scalar)."""
        path = tf.gather(tf.constant(self.paths), tf.gather(tf.constant(self.shards), example))
        offset = tf.gather(tf.constant(self.offsets), example)
        # TFRecordDataset cannot start at an offset, the op below it can; it checks the crc.
        records = tf.raw_ops.TFRecordDatasetV2(
            filenames=path, compression_type="", buffer_size=0, byte_offsets=offset
        )
        spec = tf.TensorSpec([], tf.string)
        return tf.data.experimental.from_variant(records, spec).take(1).get_single_element()

    def example_at(self, position: tf.Tensor):
        """Makes the image and labels for one position of the training, not batched."""
        config = self.task_config.train_data.augmentation
        seed = tf.cast(tf.stack([position, self.seed]) % (2**31 - 1), tf.int32)
        example = self.order.example_at(position)
        image, masks, classes, source_id = decode(self.read(example))
        image, masks = augmentation.random_rotation(image, masks, config, seed)

        def read_other():
            other = tf.random.stateless_uniform(
                [], augmentation.sub_seed(seed, 8), 0, len(self.offsets), tf.int64
            )
            return decode(self.read(other))[:3]

        image, masks, classes = augmentation.random_paste(
            image, masks, classes, read_other, config, seed
        )
        pixels, labels = make_targets(image, masks, classes, source_id, self.task_config, seed)
        return pixels, {**labels, "position": position}

    def image_ids(self, positions) -> list[int]:
        """The image ids at positions (ints) of the training."""
        feature = {"image/source_id": _FEATURES["image/source_id"]}
        examples = [self.order.example_at(tf.constant(p, tf.int64)) for p in positions]
        parsed = [tf.io.parse_single_example(self.read(one), feature) for one in examples]
        return [int(one["image/source_id"].numpy()) for one in parsed]

    def dataset(self, start: int = 0, num_pipelines: int = 1, pipeline: int = 0, replicas: int = 1):
        """Batches from a position on, without end.

        Args:
            start: Position of the first example, a multiple of the global batch size.
            num_pipelines: Input pipelines (workers) that share a global batch.
            pipeline: Which of them this one is.
            replicas: Replicas of this pipeline; each gets the next of its batches.
        """
        data = self.task_config.train_data
        positions = example_order.pipeline_positions(
            start, data.global_batch_size, num_pipelines, pipeline
        )
        examples = positions.map(
            self.example_at, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        batch = data.global_batch_size // num_pipelines // replicas
        return examples.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def read_categories(paths: list[str], first: int = -1) -> list[np.ndarray]:
    """Reads the categories of the first examples of TFRecord shards, or of all, in their order."""
    feature = {"image/object/class/label": _FEATURES["image/object/class/label"]}
    records = tf.data.TFRecordDataset(paths).take(first)
    parsed = records.map(
        lambda record: tf.io.parse_single_example(record, feature)["image/object/class/label"],
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return list(parsed.as_numpy_iterator())


def decode(serialized: tf.Tensor):
    """Decodes a tf.train.Example of a prepared data set; crowds are left out.

    Returns:
        image uint8 [height, width, 3], masks uint8 [num, height, width] of 0 and 1,
        classes int64 [num] from 1, source_id int64 scalar.
    """
    parsed = tf.io.parse_single_example(serialized, _FEATURES)
    image = tf.io.decode_image(parsed["image/encoded"], channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    classes, pngs = parsed["image/object/class/label"], parsed["image/object/mask"]
    crowds = parsed["image/object/is_crowd"]
    single = tf.where(tf.equal(tf.shape(crowds), tf.shape(classes)), tf.equal(crowds, 0), True)
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


def make_targets(image, masks, classes, source_id, task_config, seed: tf.Tensor):
    """Scales, crops, flips and pads a photo, and makes what the losses compare with.

    Args:
        image: uint8 [height, width, 3].
        masks: uint8 [num, height, width] of 0 and 1.
        classes: int64 [num] from 1.
        source_id: int64 scalar.
        task_config: task.FashionMaskRCNN.
        seed: int32 [2].

    Returns:
        The network's input, float32 or bfloat16 [height, width, 3], and a dict of labels.
    """
    model, data = task_config.model, task_config.train_data
    parser, input_size = data.parser, model.input_size[:2]
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    desired = tf.constant(input_size, tf.float32)
    jitter = augmentation._uniform(seed, 10, parser.aug_scale_min, parser.aug_scale_max)
    scaled = tf.round(size * tf.reduce_min(tf.round(jitter * desired) / size))
    scale = scaled / size
    spare = tf.maximum(scaled - desired, 0.0)
    offset = tf.floor(spare * augmentation._uniform(seed, 11, 0.0, 1.0, [2]))
    shown = tf.minimum(scaled - offset, desired)
    flipped = parser.aug_rand_hflip and augmentation._uniform(seed, 12, 0.0, 1.0) < 0.5

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
    pixels = augmentation.change_colours(pixels, data.augmentation, seed)
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


def padded_size(model_config) -> list[int]:
    """[height, width] of the network's input: input_size, rounded up to the largest stride."""
    stride = 2**model_config.max_level
    return preprocess_ops.compute_padded_size(model_config.input_size[:2], stride)


def _instance_labels(boxes, classes, gt_masks, max_num_instances: int) -> dict:
    def padded(tensor):
        return preprocess_ops.clip_or_pad_to_fixed_size(tensor, max_num_instances, -1)

    return {
        "gt_boxes": padded(boxes),
        "gt_outer_boxes": padded(boxes),
        "gt_classes": padded(classes),
        "gt_masks": padded(gt_masks),
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
    return np.float32(flat), tuple(shapes)


def _rpn_labels(boxes, task_config, seed) -> dict:
    model = task_config.model
    anchors, shapes = _flat_anchors(
        *(model.min_level, model.max_level, model.anchor.num_scales),
        *(tuple(model.anchor.aspect_ratios), model.anchor.anchor_size, tuple(padded_size(model))),
    )
    scores, moves = sampling.rpn_targets(anchors, boxes, task_config.train_data.parser, seed)
    counts = [int(np.prod(shape)) for _, shape in shapes]
    score_targets, box_targets = {}, {}
    parts = zip(shapes, tf.split(scores, counts), tf.split(moves, counts), strict=True)
    for (key, shape), level_scores, level_moves in parts:
        score_targets[key] = tf.reshape(level_scores, shape)
        box_targets[key] = tf.reshape(level_moves, [*shape[:2], 4 * shape[2]])
    return {"rpn_score_targets": score_targets, "rpn_box_targets": box_targets}
