"""TFRecord shards -> batches a Mask R-CNN trains on.

Faster than Model Garden's stock input, and without hidden state: what a position of the training
gets depends on the seed and the position alone (example_order), whatever the number of threads,
replicas and workers.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from tfseg.configs.maskrcnn import FashionMaskRCNN
from tfseg.dataloaders import (
    augmentation,
    example_order,
    photo_records,
    photo_view,
    remote_input,
    train_targets,
)


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
        seed = tf.cast(tf.stack([position, self.seed]) % (2**31 - 1), tf.int32)
        example = self.order.example_at(position)
        record = self._record(example)
        image, masks, classes, frame = self._photo(record, seed)
        image = tf.ensure_shape(image, [None, None, 3])
        masks = tf.ensure_shape(masks, [None, None, None])
        pixels, labels = train_targets.make_targets(
            image, masks, classes, record.source_id, self.task_config, seed, frame
        )
        loss_weights = self.task_config.train_data.path_loss_weights
        if loss_weights:
            shard = tf.gather(tf.constant(self.shards), example)
            labels["example_weight"] = tf.gather(tf.constant(loss_weights, tf.float32), shard)
        return pixels, {**labels, "position": position}

    def _record(self, example: tf.Tensor) -> photo_records.Record:
        config = self.task_config
        attribute_ids = config.attribute_ids if config.attribute_head.enabled else ()
        keeps_crowds = config.train_data.max_num_ignored > 0
        return photo_records.parse(self.read(example), keeps_crowds, attribute_ids)

    def _photo(self, record: photo_records.Record, seed: tf.Tensor):
        """Decodes a photo, turned and with others' garments, or only what will be seen of it."""
        config = self.task_config.train_data.augmentation

        def whole():
            image, masks = photo_records.decode(record)
            image, masks = augmentation.change_geometry(image, masks, config, seed)
            pasted = augmentation.random_paste(
                image, masks, record.classes, functools.partial(self._other, seed), config, seed
            )
            return *pasted, photo_view.whole(image)

        def seen():
            size_hw = photo_records.jpeg_size_hw(record)
            view = photo_view.choose_view(size_hw, self.task_config, seed)
            image, masks, left, frame = photo_records.decode_view(record, view, size_hw)
            return image, masks, left.classes, frame

        if augmentation.changes_geometry(config):
            return whole()
        needs_all = ~photo_records.is_jpeg(record) | augmentation.wants_paste(config, seed)
        return tf.cond(needs_all, whole, seen)

    def _other(self, seed: tf.Tensor, chosen):
        """Another photo's image, masks and classes, for random_paste."""
        other = tf.random.stateless_uniform(
            [], augmentation.sub_seed(seed, 8), 0, len(self.offsets), tf.int64
        )
        record = self._record(other)
        record = record.select(chosen(tf.shape(record.classes)[0]))
        return *photo_records.decode(record), record.classes

    def image_ids(self, positions) -> list[int]:
        """The image ids at positions (ints) of the training."""
        feature = {"image/source_id": photo_records.FEATURES["image/source_id"]}
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

        Where the config names a tf.data service, its workers make the batches: the same ones, each
        once, in the order they become ready.
        """
        data = self.task_config.train_data
        batch = data.global_batch_size // num_pipelines // replicas
        positions = example_order.pipeline_positions(
            start, data.global_batch_size, num_pipelines, pipeline, batch
        )
        examples = positions.map(  # nothing in it wants AutoGraph, which takes seconds
            tf.autograph.experimental.do_not_convert(self.example_at),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        batches = examples.batch(batch, drop_remainder=True)
        if data.enable_tf_data_service:
            batches = remote_input.from_service(batches, data.tf_data_service_address)
        # Said, since it cannot be seen: a cluster's workers make batches of dynamic size where one
        # of them might come to an end before the others.
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        return batches.apply(endless).prefetch(tf.data.AUTOTUNE)


def read_categories(paths: list[str], first: int = -1) -> list[np.ndarray]:
    """Reads the categories of the first examples of TFRecord shards, or of all, in their order."""
    feature = {"image/object/class/label": photo_records.FEATURES["image/object/class/label"]}
    records = tf.data.TFRecordDataset(paths).take(first)
    parsed = records.map(
        lambda record: tf.io.parse_single_example(record, feature)["image/object/class/label"],
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return list(parsed.as_numpy_iterator())
