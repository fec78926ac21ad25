"""TFRecord shards -> batches a Mask R-CNN trains on.

Faster than Model Garden's stock input, and without hidden state: what a position of the training
gets depends on the seed and the position alone (example_order), whatever the number of threads,
replicas and workers.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tfseg.configs.maskrcnn import FashionMaskRCNN
from tfseg.dataloaders import augmentation, example_order, train_targets
from tfseg.ops.ignore_regions import IGNORED_CLASS

_FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/source_id": tf.io.FixedLenFeature([], tf.string),
    "image/object/class/label": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
    "image/object/is_crowd": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
    "image/object/mask": tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64),
}


@dataclasses.dataclass(frozen=True)
class TrainInput:
    """The training input of one data set.

    Attributes:
        task_config: Of the training.
        seed: Of the order and of every draw.
        paths: TFRecord shards.
        shards: int64 [num_examples], each example's shard.
        offsets: int64 [num_examples], its byte offset there.
        order: Which example stands at which position.
    """

    task_config: FashionMaskRCNN
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
        keeps_crowds = self.task_config.train_data.max_num_ignored > 0
        image, masks, classes, source_id = decode(self.read(example), keeps_crowds)
        image, masks = augmentation.random_rotation(image, masks, config, seed)

        def read_other():
            other = tf.random.stateless_uniform(
                [], augmentation.sub_seed(seed, 8), 0, len(self.offsets), tf.int64
            )
            return decode(self.read(other), keeps_crowds)[:3]

        image, masks, classes = augmentation.random_paste(
            image, masks, classes, read_other, config, seed
        )
        pixels, labels = train_targets.make_targets(
            image, masks, classes, source_id, self.task_config, seed
        )
        loss_weights = self.task_config.train_data.path_loss_weights
        if loss_weights:
            shard = tf.gather(tf.constant(self.shards), example)
            labels["example_weight"] = tf.gather(tf.constant(loss_weights, tf.float32), shard)
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


def decode(serialized: tf.Tensor, keeps_crowds: bool = False):
    """Decodes a tf.train.Example of a prepared data set.

    Args:
        serialized: string scalar.
        keeps_crowds: Whether crowds are there, with IGNORED_CLASS for a class; else they are left
            out.

    Returns:
        image uint8 [height, width, 3], masks uint8 [num, height, width] of 0 and 1,
        classes int64 [num] from 1, source_id int64 scalar.
    """
    parsed = tf.io.parse_single_example(serialized, _FEATURES)
    image = tf.io.decode_image(parsed["image/encoded"], channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    classes, pngs = parsed["image/object/class/label"], parsed["image/object/mask"]
    crowds = parsed["image/object/is_crowd"]
    # The key is optional, and none is a crowd without it.
    single = tf.equal(tf.pad(crowds, [[0, tf.size(classes) - tf.size(crowds)]]), 0)
    if keeps_crowds:
        classes = tf.where(single, classes, IGNORED_CLASS)
    else:
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
