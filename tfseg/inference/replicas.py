"""A model on all of a machine's devices: each finds garments in its part of a batch."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf


def num_local_replicas(strategy: tf.distribute.Strategy) -> int:
    """How many devices of this machine find garments at once: 1 but for MirroredStrategy.

    Where several workers train, the chief judges alone: the others wait for none of its devices.
    """
    is_mirrored = isinstance(strategy, tf.distribute.MirroredStrategy)
    return strategy.num_replicas_in_sync if is_mirrored else 1


def detect_on_replicas(
    detect: Callable[[tf.Tensor], dict[str, tf.Tensor]], strategy: tf.distribute.Strategy
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Spreads ServingModule.detect over a strategy's devices.

    Args:
        detect: From encoded photos, string [batch]; its model was built in the strategy's scope.
        strategy: Of the training.

    Returns:
        The same function of the same photos, its answers in their order. The number of detections
        K, which each part has its own of, is the largest of them; what is added is zeros.
    """
    num_parts = num_local_replicas(strategy)
    if num_parts == 1:
        return detect

    def detect_part(part: tf.Tensor) -> dict[str, tf.Tensor]:
        return detect(part)  # a tf.function itself would be given both parts at once

    # Within a graph the devices work at the same time; called one by one they would take turns.
    @tf.function
    def run(parts):
        return strategy.experimental_local_results(strategy.run(detect_part, args=(parts,)))

    def spread(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        photos = np.array_split(image_bytes.numpy(), num_parts)
        parts = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(photos[context.replica_id_in_sync_group], tf.string)
        )
        answers = run(parts)
        return {name: _joined([answer[name] for answer in answers]) for name in answers[0]}

    return spread


def _joined(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Concatenates along the batch; further dimensions are padded to the largest."""
    shape = np.max([part.shape[1:].as_list() for part in parts], axis=0).tolist()
    padded = []
    for part in parts:
        missing = [[0, most - size] for most, size in zip(shape, part.shape[1:], strict=True)]
        empty = "" if part.dtype == tf.string else tf.zeros([], part.dtype)
        padded.append(tf.pad(part, [[0, 0], *missing], constant_values=empty))
    return tf.concat(padded, axis=0)
