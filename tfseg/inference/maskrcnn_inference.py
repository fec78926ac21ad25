"""Runs the network on decoded images, in graph: boxes first, masks for what is kept only."""

import tensorflow as tf
from official.vision.ops import preprocess_ops

from tfseg.inference import colour_naming
from tfseg.modeling import variable_size
from tfseg.modeling.attribute_head import AttributeHead, head_of, with_photo
from tfseg.ops import nms, roi_align
from tfseg.structures.colour_terms import COLOUR_NAMES

# Photos that are run together have at most so many pixels, as the network sees them: one more takes
# no time less, but 100 MB at 512 x 512.
MAX_PIXELS_AT_ONCE = 8 * 512 * 512


def attribute_names(model, name_colours: bool) -> tuple[str, ...]:
    """The attributes that find_garments scores, in its order.

    Args:
        model: Model Garden's MaskRCNNModel, perhaps with an attribute_head.
        name_colours: Whether colours are named by the photo's pixels; in place of those that the
            head knows by the same names.
    """
    head = head_of(model)
    learnt = [] if head is None else [head.attribute_names[i] for i in _learnt(head, name_colours)]
    return (*learnt, *(COLOUR_NAMES if name_colours else ()))


def _learnt(head: AttributeHead, name_colours: bool) -> list[int]:
    """Which outputs of the attribute head are answered."""
    names = enumerate(head.attribute_names)
    return [i for i, name in names if not (name_colours and name in COLOUR_NAMES)]


def find_garments(
    model,
    images,
    scaled_size_hw,
    used_size_hw,
    image_size_hw,
    row_thresholds,
    *,
    nms_iou,
    num_proposals,
    name_colours,
) -> dict[str, tf.Tensor]:
    """Runs the model on decoded images; its masks on the kept detections only.

    Images of one used size are run together, some at a time, and the padding beyond it not at all:
    an answer does not depend on the other images.

    Args:
        model: Model Garden's MaskRCNNModel with a mask head.
        images: float32 [num_rows, padded height, padded width, 3], normalised.
        scaled_size_hw: int32 [num_rows, 2], the part of the network input that shows the image.
        used_size_hw: int32 [num_rows, 2], the same in whole strides of the backbone's top; rows
            that are equal in it are adjacent.
        image_size_hw: int32 [num_rows, 2], original pixels, upright.
        row_thresholds: float32 [num_rows, num_classes + 1], the least score by class id.
        nms_iou: IoU of a second non-maximum suppression within each category; None for none.
        num_proposals: The box head sees at most so many.
        name_colours: As attribute_names'.

    Returns:
        By name: boxes_yxyx float32 [num_rows, n, 4] (original-image pixels), class_ids int32
        [num_rows, n], scores float32 [num_rows, n], kept bool [num_rows, n], the kept ones first;
        mask_probs float32 [num_kept, rows, columns], 0..1, in the order of the batch, and where
        there are attribute_names attribute_scores uint8 [num_kept, num_attributes], 0..255. n is
        the largest number of kept ones, but at least 1.
    """
    padded_hw = images.shape[1:3]

    def find(bounds):
        rows = slice(bounds[0], bounds[1])
        height, width = tf.unstack(used_size_hw[bounds[0]])
        return _find_of_one_size(
            model,
            tf.ensure_shape(images[rows, :height, :width], [None, None, None, 3]),
            padded_hw,
            tf.cast(scaled_size_hw[rows], tf.float32),
            tf.cast(image_size_hw[rows], tf.float32),
            row_thresholds[rows],
            nms_iou,
            num_proposals,
            name_colours,
        )

    bounds = _bounds_of_runs(used_size_hw)
    # Ragged, because groups differ in their number of rows.
    most = model.detection_generator.get_config()["max_num_detections"]
    cells = model.mask_roi_aligner.get_config()["crop_size"]
    cells *= model.mask_head.get_config()["upsample_factor"]
    signature = {
        "boxes_yxyx": tf.RaggedTensorSpec([None, most, 4], tf.float32, ragged_rank=0),
        "class_ids": tf.RaggedTensorSpec([None, most], tf.int32, ragged_rank=0),
        "scores": tf.RaggedTensorSpec([None, most], tf.float32, ragged_rank=0),
        "kept": tf.RaggedTensorSpec([None, most], tf.bool, ragged_rank=0),
        "mask_probs": tf.RaggedTensorSpec([None, cells, cells], tf.float32, ragged_rank=0),
    }
    by_kept = {"mask_probs"}
    num = len(attribute_names(model, name_colours))
    if num:
        signature["attribute_scores"] = tf.RaggedTensorSpec([None, num], tf.uint8, ragged_rank=0)
        by_kept.add("attribute_scores")
    found = tf.map_fn(find, bounds, fn_output_signature=signature, parallel_iterations=1)
    found = {name: values.values for name, values in found.items()}
    most = tf.reduce_max(tf.reduce_sum(tf.cast(found["kept"], tf.int32), axis=1))
    return {
        name: values if name in by_kept else values[:, : tf.maximum(most, 1)]
        for name, values in found.items()
    }


def _bounds_of_runs(used_size_hw) -> tf.Tensor:
    """Returns int32 [num_runs, 2], the first row of each run and the one behind its last."""
    num_rows = tf.shape(used_size_hw)[0]
    rows = tf.range(num_rows)
    differs = tf.reduce_any(used_size_hw[1:] != used_size_hw[:-1], axis=1)
    is_first = tf.concat([[True], differs], 0)
    first_of_size = tf.gather(
        tf.boolean_mask(rows, is_first), tf.cumsum(tf.cast(is_first, tf.int32)) - 1
    )
    most = tf.maximum(MAX_PIXELS_AT_ONCE // tf.reduce_prod(used_size_hw, axis=1), 1)
    first = tf.boolean_mask(rows, (rows - first_of_size) % most == 0)
    return tf.stack([first, tf.concat([first[1:], [num_rows]], 0)], 1)


def _find_of_one_size(
    model,
    images,
    padded_hw,
    scaled_size,
    image_size,
    row_thresholds,
    nms_iou,
    num_proposals,
    name_colours,
) -> dict[str, tf.Tensor]:
    """find_garments of images without padding; n is the model's largest number of detections."""
    outputs = variable_size.box_outputs(model, images, scaled_size, padded_hw, num_proposals)
    config = model.detection_generator.get_config()
    boxes, scores, class_ids = nms.best_of_classes(
        outputs["decoded_boxes"],
        outputs["decoded_box_scores"],
        num_detections=config["max_num_detections"],
        pre_nms_top_k=config["pre_nms_top_k"],
        nms_iou=config["nms_iou_threshold"],
        score_threshold=config["pre_nms_score_threshold"],
    )
    kept = (class_ids > 0) & (scores >= tf.gather(row_thresholds, class_ids, batch_dims=1))
    boxes_yxyx = _original_boxes(boxes, scaled_size, image_size)
    if nms_iou is not None:
        kept = _suppress(boxes_yxyx, class_ids, kept, nms_iou)
    order = tf.argsort(tf.cast(~kept, tf.int32), axis=1, stable=True)
    boxes, boxes_yxyx, class_ids, scores, kept = (
        tf.gather(values, order, batch_dims=1)
        for values in (boxes, boxes_yxyx, class_ids, scores, kept)
    )
    features = outputs["decoder_features"]
    mask_probs = _mask_probs(model, features, boxes, class_ids, kept)
    found = {
        "boxes_yxyx": boxes_yxyx,
        "class_ids": class_ids,
        "scores": scores,
        "kept": kept,
        "mask_probs": mask_probs,
    }
    scores = []
    head = head_of(model)
    if head is not None:
        features = with_photo(features, images)
        learnt = _attribute_scores(model, features, boxes, class_ids, kept)
        scores.append(tf.gather(learnt, _learnt(head, name_colours), axis=1))
    if name_colours:
        scores.append(_colour_scores(model, images, boxes, kept, mask_probs))
    if scores:
        found["attribute_scores"] = tf.cast(tf.round(255.0 * tf.concat(scores, 1)), tf.uint8)
    return found


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
    suppresses = tf.math.divide_no_nan(intersection, union) > nms_iou
    suppresses &= class_ids[:, :, None] == class_ids[:, None, :]
    positions = tf.range(tf.shape(kept)[1])
    suppresses &= positions[:, None] < positions  # [:, i, j]: i drops j, if it is kept itself

    # Each round settles at least the best one that is not settled yet; mostly two rounds do it all.
    def drop_suppressed(kept_before, _):
        dropped = tf.reduce_any(suppresses & kept_before[:, :, None], axis=1)
        kept_now = kept & ~dropped
        return kept_now, tf.reduce_any(kept_now != kept_before)

    return tf.while_loop(lambda _, is_changed: is_changed, drop_suppressed, (kept, True))[0]


def _attribute_scores(model, features, boxes, class_ids, kept) -> tf.Tensor:
    """Runs the attribute head on the kept detections only.

    Returns:
        float32 [num_kept, num_attributes], 0..1, in the order of the batch; 0 where the category
        cannot have the attribute.
    """
    kept_at = tf.where(kept)
    crops = _crops_of_kept(features, boxes, kept, kept_at, model.roi_aligner.get_config())
    scores = tf.sigmoid(model.attribute_head(crops))
    possible = model.attribute_head.possible(tf.gather_nd(class_ids, kept_at))
    return tf.where(possible, scores, 0.0)


def _colour_scores(model, images, boxes, kept, mask_probs) -> tf.Tensor:
    """colour_naming.colour_scores of the kept detections, in the order of the batch."""
    aligner = {**model.mask_roi_aligner.get_config(), "crop_size": mask_probs.shape[1]}
    photo = {"0": tf.cast(images, tf.float32)}  # a pyramid of one level
    crops = _crops_of_kept(photo, boxes, kept, tf.where(kept), aligner)
    rgb = crops * preprocess_ops.STDDEV_RGB + preprocess_ops.MEAN_RGB
    return colour_naming.colour_scores(rgb, mask_probs)


def _crops_of_kept(features, boxes, kept, at, aligner) -> tf.Tensor:
    """float32 [num, rows, columns, channels]: crops of the detections at [num, 2], kept ones."""
    most = tf.reduce_max(tf.reduce_sum(tf.cast(kept, tf.int32), axis=1))
    boxes = boxes[:, : tf.maximum(most, 1)]  # the kept ones are the first
    crops = roi_align.crop_features(features, boxes, **aligner)
    return tf.gather_nd(crops, at)


def _mask_probs(model, features, boxes, class_ids, kept) -> tf.Tensor:
    """Runs the mask head on the kept detections only.

    Returns:
        float32 [num_kept, rows, columns], 0..1, in the order of the batch.
    """
    kept_at = tf.where(kept)
    num_kept = tf.shape(kept_at)[0]
    # At least one: oneDNN's convolutions return a wrong shape for none (TensorFlow 2.20).
    run_at = tf.pad(kept_at, [[0, 1], [0, 0]])[: tf.maximum(num_kept, 1)]
    crops = _crops_of_kept(features, boxes, kept, run_at, model.mask_roi_aligner.get_config())
    # One instance a row, because the mask head wants their number to be static.
    logits = model.mask_head([crops[:, None], tf.gather_nd(class_ids, run_at)[:, None]])
    return tf.sigmoid(tf.cast(logits[:num_kept, 0], tf.float32))
