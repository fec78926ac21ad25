"""What the attribute head learns from: true boxes, shifted a little, whose attributes are known."""

import tensorflow as tf

from tfseg.configs.maskrcnn import AttributeHead
from tfseg.modeling.attribute_head import with_photo


def attribute_logits(model, features, labels, config: AttributeHead) -> tf.Tensor:
    """Runs the attribute head of a Mask R-CNN on true boxes, shifted a little.

    Args:
        model: A Mask R-CNN with an attribute_head.
        features: By level, of the pyramid.
        labels: The input's; `images` float [batch, height, width, 3], what the network sees.
        config: Of the head.

    Returns:
        float32 [batch, n, num_attributes], of the instances that attribute_loss looks at.
    """
    boxes, _, _ = _annotated_instances(labels, config.num_rois)
    features = with_photo(features, labels["images"])
    crops = model.roi_aligner(features, _shifted(boxes, labels["sampling_seed"][0], config))
    logits = model.attribute_head(tf.reshape(crops, [-1, *crops.shape[2:]]))
    return tf.reshape(logits, [-1, tf.shape(boxes)[1], logits.shape[-1]])


def attribute_loss(head, logits, labels, config: AttributeHead) -> tf.Tensor:
    """Focal loss (1708.02002) of the attributes that somebody annotated and that are possible.

    Args:
        head: modeling.attribute_head.AttributeHead.
        logits: Of attribute_logits.
        labels: The input's; `gt_attributes` int8 [batch, max_num_instances, num_attributes], 1
            has it, 0 has not, -1 nobody said; `example_weight` float32 [batch], 1 where missing.
        config: Of the head.

    Returns:
        float32 scalar, a mean over the instances: the sum of what each attribute's costs.
    """
    _, classes, targets = _annotated_instances(labels, config.num_rois)
    counted = (targets >= 0) & head.possible(classes)
    truth = tf.cast(targets > 0, tf.float32)
    entropies = tf.nn.sigmoid_cross_entropy_with_logits(truth, logits)
    missed = tf.abs(truth - tf.sigmoid(logits))
    costs = tf.where(counted, missed**config.focal_gamma * entropies, 0.0)
    if "example_weight" in labels:
        costs *= labels["example_weight"][:, tf.newaxis, tf.newaxis]
    is_annotated = tf.reduce_any(targets >= 0, axis=2)
    # train_step divides a replica's loss by their number.
    context = tf.distribute.get_replica_context()
    num_annotated = tf.reduce_sum(tf.cast(is_annotated, tf.float32))
    num_annotated = context.all_reduce(tf.distribute.ReduceOp.MEAN, num_annotated)
    return tf.reduce_sum(costs) / tf.maximum(num_annotated, 0.1)


def _annotated_instances(labels, num_rois: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Boxes, classes and attributes of at most num_rois instances of each photo.

    Those with attributes come first; what is not one has -1 for every attribute.
    """
    attributes = tf.cast(labels["gt_attributes"], tf.int32)
    is_annotated = tf.reduce_any(attributes >= 0, axis=2)
    first = tf.argsort(tf.cast(is_annotated, tf.int32), direction="DESCENDING", stable=True)
    first = first[:, :num_rois]
    boxes, classes, attributes = (
        tf.gather(values, first, batch_dims=1)
        for values in (labels["gt_boxes"], labels["gt_classes"], attributes)
    )
    return tf.cast(boxes, tf.float32), tf.cast(classes, tf.int32), attributes


def _shifted(boxes: tf.Tensor, seed: tf.Tensor, config: AttributeHead) -> tf.Tensor:
    """Boxes with each edge moved at random, the padding anywhere."""
    sides = tf.tile(boxes[..., 2:] - boxes[..., :2], [1, 1, 2])
    draws = tf.random.stateless_uniform(
        tf.shape(boxes), seed + 15, -config.box_jitter, config.box_jitter
    )
    moved = boxes + draws * sides
    return tf.concat([moved[..., :2], tf.maximum(moved[..., 2:], moved[..., :2] + 1.0)], axis=-1)
