"""The order in which a training meets its examples: a function of the seed and the position alone.

Position 0 is the first example of the first step, and so on without end. Whoever knows the global
step knows the examples to come: a resumed training needs no state of the input, and any number of
workers share the same global batches.
"""

import os
import struct
from pathlib import Path

import numpy as np
import tensorflow as tf

# TFRecord: length uint64, crc of the length uint32, data, crc of the data uint32.
_HEADER_BYTES, _FOOTER_BYTES = 12, 4


def index_records(paths: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Finds where the records of TFRecord shards start, without reading their data.

    Args:
        paths: Uncompressed shards on a local disk.

    Returns:
        int64 [num_records] the record's shard, and int64 [num_records] its byte offset there.

    Raises:
        ValueError: A shard is missing or does not end where its last record does.
    """
    shards, offsets = [], []
    for shard, path in enumerate(paths):
        try:
            size = Path(path).stat().st_size
            with Path(path).open("rb", buffering=0) as file:
                offset = 0
                while offset < size:
                    shards.append(shard)
                    offsets.append(offset)
                    header = os.pread(file.fileno(), 8, offset)
                    length = struct.unpack("<Q", header)[0] if len(header) == 8 else size
                    offset += _HEADER_BYTES + length + _FOOTER_BYTES
        except OSError as error:
            raise ValueError(f"{path}: cannot read the shard ({error.strerror}).") from None
        if offset != size:
            raise ValueError(
                f"{path}: damaged: the record at byte {offsets[-1]} ends at byte {offset}, the "
                f"file at byte {size}; build the data set again with --overwrite."
            )
    return np.array(shards, np.int64), np.array(offsets, np.int64)


def repeat_factors(
    categories: list[np.ndarray], num_categories: int, threshold: float
) -> np.ndarray:
    """How often each example comes in an epoch, so that rare categories are seen more often.

    LVIS (1908.03195, section 6): r(c) = max(1, sqrt(threshold / f(c))), where f(c) is the share of
    images with category c; an image's factor is its rarest category's.

    Args:
        categories: For each example the categories in it, 1-based, repetitions allowed.
        num_categories: The largest possible category.
        threshold: Categories in a smaller share of the images than this are repeated.

    Returns:
        float64 [num_examples], at least 1.
    """
    counts = np.zeros(num_categories + 1)
    for present in categories:
        counts[np.unique(present)] += 1
    shares = np.maximum(counts, 1) / len(categories)
    factors = np.maximum(1.0, np.sqrt(threshold / shares))
    return np.array([factors[present].max() if len(present) else 1.0 for present in categories])


class ExampleOrder:
    """Shuffles the examples anew in every epoch.

    Attributes:
        epoch_length: Examples in an epoch, repetitions counted.
    """

    def __init__(self, repeats: np.ndarray, seed: int):
        """Prepares the order.

        Args:
            repeats: float [num_examples], how often each comes in an epoch on average; fractions
                fall to other epochs, so that every epoch is equally long.
            seed: Another seed, another order.
        """
        self.epoch_length = max(1, round(float(repeats.sum())))
        ends = np.cumsum(repeats, dtype=np.float64)
        self._ends = ends * (self.epoch_length / ends[-1])
        self._num_examples = len(repeats)
        self._seed = seed

    def example_at(self, position: tf.Tensor) -> tf.Tensor:
        """Returns the index (int64 scalar) of the example at a position (int64 scalar)."""
        epoch = position // self.epoch_length
        epoch_seed = tf.stack([tf.constant(self._seed, tf.int64), epoch])
        place = tf.random.experimental.index_shuffle(
            position % self.epoch_length, epoch_seed, tf.constant(self.epoch_length - 1, tf.int64)
        )
        # Systematic sampling: of factor 1.4, one epoch gets one, another two.
        phase = tf.random.stateless_uniform([], epoch_seed, dtype=tf.float64)
        point = (tf.cast(place, tf.float64) + phase)[tf.newaxis]
        example = tf.searchsorted(tf.constant(self._ends), point, side="right")[0]
        return tf.cast(tf.minimum(example, self._num_examples - 1), tf.int64)


def pipeline_positions(
    start: int, global_batch_size: int, num_pipelines: int, pipeline: int, batch: int = 0
) -> tf.data.Dataset:
    """The positions that one of several input pipelines reads: its rows of every global batch.

    Args:
        start: Position to begin with, a multiple of global_batch_size.
        global_batch_size: A multiple of num_pipelines.
        num_pipelines: How many share the work.
        pipeline: Which of them, from 0.
        batch: Positions that stay together where the source is shared out; a divisor of the
            pipeline's rows of a global batch, by default all of them.

    Returns:
        An endless data set of int64 scalars.
    """
    rows = global_batch_size // num_pipelines
    first = start // num_pipelines
    batch = batch or rows
    # A range of batches at the source: tf.data service hands it out element by element.
    batches = tf.data.Dataset.range(first // batch, np.iinfo(np.int64).max // batch)
    counter = batches.flat_map(lambda b: tf.data.Dataset.range(b * batch, (b + 1) * batch))
    return counter.map(lambda n: n // rows * global_batch_size + pipeline * rows + n % rows)
