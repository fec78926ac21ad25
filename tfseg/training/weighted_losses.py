"""Model Garden's losses of Mask R-CNN, with a weight for each example and without ignore regions.

official/vision/losses/maskrcnn_losses.py takes no weights. With weights of 1 and nothing ignored
the losses are equal to its own: the sums are divided by the same numbers, so that half the weight
is half the gradient.
"""

from collections.abc import Mapping

import tensorflow as tf
import tf_keras
from official.vision.losses import maskrcnn_losses
from official.vision.tasks import maskrcnn

from tfseg.configs.maskrcnn import FashionMaskRCNN
from tfseg.modeling.ignoring_samplers import UNKNOWN_PIXEL


def build_losses(
    outputs: Mapping, labels: Mapping, task_config: FashionMaskRCNN, aux_losses=None
) -> dict[str, tf.Tensor]:
    """Computes what MaskRCNNTask.build_losses does.

    Args:
        outputs: The model's in training, float32.
        labels: The input's; `example_weight` float32 [batch], 1 where it is missing.
        task_config: Of the training.
        aux_losses: Scalars that are added, as those of weight decay.

    Returns:
        By the names of MaskRCNNTask.build_losses, float32 scalars.
    """
    config = task_config.losses
    weights = labels.get("example_weight")
    if weights is None:
        weights = tf.ones([tf.shape(labels["gt_boxes"])[0]])
    parts = {
        **_rpn_losses(outputs, labels, weights, config),
        **_box_head_losses(outputs, weights, task_config),
        "mask_loss": tf.constant(0.0),
    }
    if task_config.model.include_mask:
        parts["mask_loss"] = _mask_loss(outputs, weights, task_config)
    model_loss = tf.add_n(
        [
            config.rpn_score_weight * parts["rpn_score_loss"],
            config.rpn_box_weight * parts["rpn_box_loss"],
            config.frcnn_class_weight * parts["frcnn_cls_loss"],
            config.frcnn_box_weight * parts["frcnn_box_loss"],
            config.mask_weight * parts["mask_loss"],
        ]
    )
    total = model_loss + tf.reduce_sum(aux_losses) if aux_losses else model_loss
    return {"total_loss": config.loss_weight * total, **parts, "model_loss": model_loss}


def _rpn_losses(outputs, labels, weights, config) -> dict[str, tf.Tensor]:
    num_samples = tf.shape(outputs["box_outputs"])[1]
    scale = tf.cast(tf.shape(weights)[0] * num_samples, tf.float32)
    score_loss, box_loss = tf.constant(0.0), tf.constant(0.0)
    for level, logits in outputs["rpn_scores"].items():
        targets = tf.cast(labels["rpn_score_targets"][level], tf.float32)
        entropies = tf.nn.sigmoid_cross_entropy_with_logits(tf.maximum(targets, 0.0), logits)
        sampled = tf.cast(targets >= 0.0, tf.float32)
        score_loss += tf.reduce_sum(entropies * sampled * _along(weights, entropies)) / scale
        moves = labels["rpn_box_targets"][level]
        by_anchor = tf.concat([tf.shape(moves)[:-1], [tf.shape(moves)[-1] // 4, 4]], 0)
        moves = tf.reshape(moves, by_anchor)
        found = tf.reshape(outputs["rpn_boxes"][level], by_anchor)
        matched = tf.reduce_any(tf.abs(moves) > 1e-6, axis=-1, keepdims=True)
        counted = tf.cast(matched, tf.float32) * tf.ones_like(moves)
        distances = _huber(found, moves, config.rpn_huber_loss_delta)
        sum_of_level = tf.reduce_sum(distances * counted * _along(weights, distances))
        box_loss += sum_of_level / (_mean_of_replicas(counted) + 0.01)
    return {"rpn_score_loss": score_loss, "rpn_box_loss": box_loss}


def _box_head_losses(outputs, weights, task_config) -> dict[str, tf.Tensor]:
    stages = task_config.model.roi_sampler.cascade_iou_thresholds or ()
    suffixes = ["", *(f"_{stage}" for stage in range(1, len(stages) + 1))]
    class_losses, box_losses = [], []
    for suffix in suffixes:
        targets = tf.cast(outputs[f"class_targets{suffix}"], tf.int32)
        class_losses.append(
            _class_loss(outputs[f"class_outputs{suffix}"], targets, weights, task_config.losses)
        )
        box_losses.append(
            _box_loss(
                outputs[f"box_outputs{suffix}"],
                targets,
                outputs[f"box_targets{suffix}"],
                weights,
                task_config,
            )
        )
    return {
        "frcnn_cls_loss": tf.add_n(class_losses) / len(suffixes),
        "frcnn_box_loss": tf.add_n(box_losses) / len(suffixes),
    }


def _class_loss(logits, targets, weights, config) -> tf.Tensor:
    num_classes = logits.shape[-1]
    class_weights = tf.constant(config.class_weights or [1.0] * num_classes, tf.float32)
    one_hot = tf.one_hot(tf.maximum(targets, 0), num_classes)
    known = tf.cast(targets >= 0, tf.float32) * _along(weights, targets)
    if config.frcnn_class_use_binary_cross_entropy:
        entropies = tf.nn.sigmoid_cross_entropy_with_logits(one_hot, logits) * class_weights
        entropies *= known[..., tf.newaxis]
    else:
        entropies = tf.nn.softmax_cross_entropy_with_logits(one_hot, logits)
        entropies *= tf.linalg.matvec(one_hot, class_weights) * known
    share = config.frcnn_class_loss_top_k_percent
    if share < 1.0:
        loss = maskrcnn_losses.FastrcnnClassLoss(top_k_percent=share)
        return loss.aggregate_loss_top_k(entropies)
    return tf.reduce_mean(entropies)


def _box_loss(moves, targets, target_moves, weights, task_config) -> tf.Tensor:
    if not task_config.model.detection_head.class_agnostic_bbox_pred:
        num_classes = moves.shape[-1] // 4
        by_class = tf.reshape(moves, [*tf.unstack(tf.shape(moves)[:2]), num_classes, 4])
        moves = tf.einsum("bnij,bni->bnj", by_class, tf.one_hot(targets, num_classes))
    is_instance = targets[..., tf.newaxis] > 0
    counted = tf.cast(is_instance, tf.float32) * tf.ones_like(moves)
    # An ignored RoI has no box to go to; Model Garden makes it infinitely small.
    target_moves = tf.where(is_instance, target_moves, 0.0)
    distances = _huber(moves, target_moves, task_config.losses.frcnn_huber_loss_delta)
    summed = tf.reduce_sum(distances * counted * _along(weights, distances))
    return summed / (_mean_of_replicas(counted) + 0.01)


def _mask_loss(outputs, weights, task_config) -> tf.Tensor:
    logits, targets = outputs["mask_outputs"], outputs["mask_targets"]
    classes = outputs["mask_class_targets"]
    if task_config.allowed_mask_class_ids is not None:
        classes = maskrcnn.zero_out_disallowed_class_ids(
            classes, task_config.allowed_mask_class_ids
        )
    known = (classes > 0)[..., tf.newaxis, tf.newaxis] & (targets != UNKNOWN_PIXEL)
    counted = tf.cast(known, tf.float32)
    entropies = tf.nn.sigmoid_cross_entropy_with_logits(tf.maximum(targets, 0.0), logits)
    summed = tf.reduce_sum(entropies * counted * _along(weights, entropies))
    return summed / (_mean_of_replicas(counted) + 0.01)


def _huber(found, wanted, delta: float) -> tf.Tensor:
    """Of each number: the loss is a mean over the last axis, here of one entry."""
    loss = tf_keras.losses.Huber(delta=delta, reduction=tf_keras.losses.Reduction.NONE)
    return loss(wanted[..., tf.newaxis], found[..., tf.newaxis])


def _along(weights: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """[batch] as [batch, 1, ...], to multiply a tensor with."""
    return tf.reshape(weights, [-1, *[1] * (tensor.shape.rank - 1)])


def _mean_of_replicas(counted: tf.Tensor) -> tf.Tensor:
    """The number of what is counted; train_step divides a replica's loss by their number."""
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.reduce_sum(counted))
