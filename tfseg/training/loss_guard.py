"""Notices the first step whose losses are not finite or explode, inside the training graph."""

import tensorflow as tf

LOSS_NAMES = (
    "total_loss",
    "rpn_score_loss",
    "rpn_box_loss",
    "frcnn_cls_loss",
    "frcnn_box_loss",
    "mask_loss",
)


class LossGuard(tf.Module):
    """Remembers the first bad step and its losses; made within the strategy's scope."""

    def __init__(self, limit: float):
        """Prepares the memory.

        Args:
            limit: The largest total loss that is taken for sound.
        """
        super().__init__()
        self._limit = limit
        # Every replica writes its own copy, and the first is read: all hold the same. Others would
        # have to leave the graph to be written, which XLA does not allow.
        options = {
            "trainable": False,
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
        }
        self._step = tf.Variable(-1, dtype=tf.int64, **options)
        self._losses = tf.Variable(tf.zeros([len(LOSS_NAMES)]), **options)

    def record(self, losses: dict[str, tf.Tensor], step: tf.Tensor) -> None:
        """Looks at a step's losses, in the graph and on every replica.

        Args:
            losses: float scalars, LOSS_NAMES among them; of this replica's part of the batch.
            step: int64 scalar, from 1.
        """
        values = tf.stack([tf.cast(losses[name], tf.float32) for name in LOSS_NAMES])
        replicas = tf.distribute.get_replica_context()
        if replicas.num_replicas_in_sync > 1:
            values = replicas.all_reduce(tf.distribute.ReduceOp.MEAN, values)
        bad = ~tf.reduce_all(tf.math.is_finite(values)) | (values[0] > self._limit)
        first = bad & (self._step < 0)
        self._losses.assign(tf.where(first, values, self._losses))
        self._step.assign(tf.where(first, step, self._step))

    def problem(self) -> tuple[int, dict[str, float]] | None:
        """The first bad step and its losses, or None where all were sound."""
        step = int(tf.convert_to_tensor(self._step))
        if step < 0:
            return None
        losses = tf.convert_to_tensor(self._losses).numpy().tolist()
        return step, dict(zip(LOSS_NAMES, losses, strict=True))
