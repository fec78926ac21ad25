"""Runs the network on decoded images, in graph: boxes first, masks for what is kept only."""

import contextlib

import tensorflow as tf

from tfseg import proposals


def find_garments(
    model, images, scaled_size_hw, image_size_hw, row_thresholds, nms_iou, num_proposals
) -> dict[str, tf.Tensor]:
    """Runs the model on decoded images; its masks on the kept detections only.

    Args:
        model: Model Garden's MaskRCNNModel with a mask head.
        images: float32 [num_rows, padded height, padded width, 3], normalised.
        scaled_size_hw: int32 [num_rows, 2], the part of the network input that shows the image.
        image_size_hw: int32 [num_rows, 2], original pixels, upright.
        row_thresholds: float32 [num_rows, num_classes + 1], the least score by class id.
        nms_iou: IoU of a second non-maximum suppression within each category; None for none.
        num_proposals: The box head sees at most so many.

    Returns:
        By name: boxes_yxyx float32 [num_rows, n, 4] (original-image pixels), class_ids int32
        [num_rows, n], scores float32 [num_rows, n], kept bool [num_rows, n], the kept ones first;
        mask_probs float32 [num_kept, rows, columns], 0..1, in the order of the batch. n is the
        largest number of kept ones, but at least 1.
    """
    # The part that shows the image, so that no box reaches into the padding.
    scaled_size = tf.cast(scaled_size_hw, tf.float32)
    # Like the full call (maskrcnn_model.py, MaskRCNNModel.call), which runs both branches.
    with _own_proposals(model.roi_generator, num_proposals):
        outputs, _ = model._call_box_outputs(images, scaled_size, training=False)
    boxes = tf.cast(outputs["detection_boxes"], tf.float32)
    scores = tf.cast(outputs["detection_scores"], tf.float32)
    class_ids = tf.cast(outputs["detection_classes"], tf.int32)
    has_area = (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])
    valid = tf.sequence_mask(outputs["num_detections"], tf.shape(scores)[1])
    kept = valid & has_area & (scores >= tf.gather(row_thresholds, class_ids, batch_dims=1))
    boxes_yxyx = _original_boxes(boxes, scaled_size, tf.cast(image_size_hw, tf.float32))
    if nms_iou is not None:
        kept = _suppress(boxes_yxyx, class_ids, kept, nms_iou)
    most = tf.reduce_max(tf.reduce_sum(tf.cast(kept, tf.int32), axis=1))
    order = tf.argsort(tf.cast(~kept, tf.int32), axis=1, stable=True)[:, : tf.maximum(most, 1)]
    boxes, boxes_yxyx, class_ids, scores, kept = (
        tf.gather(values, order, batch_dims=1)
        for values in (boxes, boxes_yxyx, class_ids, scores, kept)
    )
    return {
        "boxes_yxyx": boxes_yxyx,
        "class_ids": class_ids,
        "scores": scores,
        "kept": kept,
        "mask_probs": _mask_probs(model, outputs["decoder_features"], boxes, class_ids, kept),
    }


def _original_boxes(boxes, scaled_size, image_size) -> tf.Tensor:
    """Maps network-input pixels to original-image pixels, inside the image."""
    boxes_yxyx = boxes / tf.tile(scaled_size / image_size, [1, 2])[:, None]
    return tf.clip_by_value(boxes_yxyx, 0.0, tf.tile(image_size, [1, 2])[:, None])


def _suppress(boxes_yxyx, class_ids, kept, nms_iou: float) -> tf.Tensor:
    """Greedy non-maximum suppression within each category, over boxes in descending score.

    Equals thresholds.nms, but for all rows at once.
    """
    low = tf.maximum(boxes_yxyx[:, :, None, :2], boxes_yxyx[:, None, :, :2])
    high = tf.minimum(boxes_yxyx[:, :, None, 2:], boxes_yxyx[:, None, :, 2:])
    intersection = tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)
    area = tf.reduce_prod(boxes_yxyx[..., 2:] - boxes_yxyx[..., :2], axis=-1)
    union = area[:, :, None] + area[:, None, :] - intersection
    overlaps = tf.math.divide_no_nan(intersection, union) > nms_iou
    overlaps &= class_ids[:, :, None] == class_ids[:, None, :]
    positions = tf.range(tf.shape(kept)[1])

    def drop_overlapped(index, kept):
        worse = overlaps[:, index] & (positions > index)[None]
        return index + 1, kept & ~(kept[:, index, None] & worse)

    return tf.while_loop(lambda index, _: index < tf.size(positions), drop_overlapped, (0, kept))[1]


def _mask_probs(model, features, boxes, class_ids, kept) -> tf.Tensor:
    """Runs the mask head on the kept detections only.

    Returns:
        float32 [num_kept, rows, columns], 0..1, in the order of the batch.
    """
    kept_at = tf.where(kept)
    num_kept = tf.shape(kept_at)[0]
    # At least one: oneDNN's convolutions return a wrong shape for none (TensorFlow 2.20).
    run_at = tf.pad(kept_at, [[0, 1], [0, 0]])[: tf.maximum(num_kept, 1)]
    roi_features = tf.gather_nd(model.mask_roi_aligner(features, boxes), run_at)
    # One instance a row, because the mask head wants their number to be static.
    logits = model.mask_head([roi_features[:, None], tf.gather_nd(class_ids, run_at)[:, None]])
    return tf.sigmoid(tf.cast(logits[:num_kept, 0], tf.float32))


@contextlib.contextmanager
def _own_proposals(roi_generator, num_proposals: int):
    """Has the graph that is built inside propose at most so many regions, the quick way."""
    config = roi_generator.get_config()
    num_proposals = min(config["test_num_proposals"], num_proposals)

    def call(raw_boxes, raw_scores, anchor_boxes, image_shape, training=None):
        return proposals.propose(
            raw_boxes,
            raw_scores,
            anchor_boxes,
            image_shape,
            num_proposals=num_proposals,
            pre_nms_top_k=config["test_pre_nms_top_k"],
            nms_iou=config["test_nms_iou_threshold"],
        )

    roi_generator.call = call
    try:
        yield
    finally:
        del roi_generator.call
