"""One update from a batch that does not fit into a device's memory: its parts one after another.

The losses divide by counts of the whole batch (boxes, masks), which are known only when all parts
have been through the model. So each part goes through twice: first for its outputs, of which the
losses of the whole batch and their gradients are computed, then for the gradients of the weights
(gradient caching, 2101.06983, section 3). That costs a forward pass more; how long it takes has not
been measured.

Batch normalization that learns sees a part at a time, and takes each part twice into its moving
statistics. What the model draws must follow from the labels alone, as ours does.
"""

import tensorflow as tf
import tf_keras

from tfseg.training import tensorflow_compat

# Large, and no loss looks at them.
_NOT_KEPT = ("backbone_features", "decoder_features")


def train_step(task, inputs, model, optimizer, metrics, num_parts: int) -> dict[str, tf.Tensor]:
    """Does one step as official.vision.tasks.maskrcnn.MaskRCNNTask.train_step, part by part.

    Args:
        task: Has forward(images, labels, model) and build_losses.
        inputs: Images, [batch, height, width, 3], and labels; all of them by image.
        model: Mask R-CNN.
        optimizer: With a loss scale or without.
        metrics: Means of the losses, by their names.
        num_parts: Divides the batch.

    Returns:
        The total loss, by the task's name of it.
    """
    images, labels = inputs
    parts = list(zip(tf.split(images, num_parts), _split(labels, num_parts), strict=True))
    scales = isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer)
    outputs: list[dict] = []
    for part_images, part_labels in parts:
        done = tf.nest.flatten(outputs[-1:])
        outputs.append(_outputs(task, part_images, part_labels, model, done))
    whole = tf.nest.map_structure(lambda *values: tf.concat(values, 0), *outputs)
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        tape.watch(tf.nest.flatten(whole))
        losses = task.build_losses(outputs=whole, labels=labels, aux_losses=model.losses)
        loss = losses["total_loss"] / tf.distribute.get_strategy().num_replicas_in_sync
        if scales:
            loss = optimizer.get_scaled_loss(loss)
    # The weights' own: of regularization.
    of_outputs, gradients = tape.gradient(loss, [tf.nest.flatten(whole), weights])
    of_parts = zip(*(_split_or_none(one, num_parts) for one in of_outputs), strict=True)
    done = [loss]
    for (part_images, part_labels), of_part in zip(parts, of_parts, strict=True):
        with tf.GradientTape() as tape:
            values = _outputs(task, part_images, part_labels, model, done)
            pairs = zip(tf.nest.flatten(values), of_part, strict=True)
            learning = [(value, of_value) for value, of_value in pairs if of_value is not None]
        targets, of_targets = map(list, zip(*learning, strict=True))
        more = tape.gradient(targets, weights, output_gradients=of_targets)
        gradients = [_sum(one, other) for one, other in zip(gradients, more, strict=True)]
        done = [one for one in gradients if one is not None]
    if scales:
        gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(list(zip(gradients, weights, strict=True)))
    for metric in metrics or ():
        metric.update_state(losses[metric.name])
    return {task.loss: losses["total_loss"]}


def _outputs(task, images, labels, model, done: list[tf.Tensor]) -> dict:
    """A part's outputs in float32, computed when `done` is there: memory holds one part."""
    outputs = task.forward(tensorflow_compat.after(images, done), labels, model)
    kept = {name: value for name, value in outputs.items() if name not in _NOT_KEPT}
    return tf.nest.map_structure(lambda value: tf.cast(value, tf.float32), kept)


def _split(labels: dict, num_parts: int) -> list[dict]:
    splits = [tf.split(one, num_parts) for one in tf.nest.flatten(labels)]
    return [tf.nest.pack_sequence_as(labels, list(one)) for one in zip(*splits, strict=True)]


def _split_or_none(gradient: tf.Tensor | None, num_parts: int) -> list:
    return [None] * num_parts if gradient is None else tf.split(gradient, num_parts)


def _sum(one: tf.Tensor | None, other: tf.Tensor | None) -> tf.Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
