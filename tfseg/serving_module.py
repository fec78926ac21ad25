"""The exported graph: image bytes in, detections in original-image pixels out.

Evaluation runs this same module, so that what is measured is what is served.
"""

import tensorflow as tf
import tf_keras

from tfseg import image_inputs, rle_ops

DEFAULT_SCORE_THRESHOLD = 0.05
DEFAULT_MAX_PIXELS = 100_000_000


class ServingModule(tf.Module):
    """Detects garments in encoded images.

    `detect(image_bytes)` takes string [batch], each the bytes of a JPEG, PNG, BMP, GIF (its first
    frame) or WebP file, of any sizes, and also an empty batch. An image that cannot be decoded
    harms no other. It returns a dict:
        ok: bool [batch], whether the image could be decoded.
        error: string [batch], why not; "" where it could.
        num_detections: int32 [batch].
        boxes_yxyx: float32 [batch, K, 4], (ymin, xmin, ymax, xmax), original-image pixels, inside
            the image.
        class_ids: int32 [batch, K], from 1; 0 is padding.
        class_names: string [batch, K]; "" is padding.
        scores: float32 [batch, K], 0..1, descending; 0 is padding.
        mask_rle: string [batch, K], the `counts` of COCO's compressed RLE at the original image's
            full size; "" is padding.
        image_size_hw: int32 [batch, 2], original height and width, upright; 0 where not ok.
    K is the largest num_detections of the batch, so that it can be 0. "Original" means after the
    image was turned upright by its EXIF orientation.

    Attributes:
        category_names: Names by class id - 1.
        input_size_hw: The box that an image is fitted into.
    """

    def __init__(
        self,
        model: tf_keras.Model,
        input_size_hw: tuple[int, int],
        max_level: int,
        category_names: tuple[str, ...],
        score_threshold: float = DEFAULT_SCORE_THRESHOLD,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ):
        """Wraps a model; its weights are used as they are at each call.

        Args:
            model: Model Garden's MaskRCNNModel with a mask head.
            input_size_hw: Height and width an image is fitted into before padding.
            max_level: The feature pyramid's highest level.
            category_names: Names by class id - 1.
            score_threshold: Lower scores are left out. The model's detection generator has a
                threshold of its own before non-maximum suppression, and the largest K.
            max_pixels: Larger images are refused before they are decoded.

        Raises:
            ValueError: The model has no mask head, or a value is out of range.
        """
        super().__init__()
        if model.mask_head is None:
            raise ValueError("the model has no mask head; set task.model.include_mask to true.")
        if not 0 <= score_threshold <= 1:
            raise ValueError(f"score_threshold: got {score_threshold}, expected 0 to 1.")
        self.category_names = tuple(category_names)
        self.input_size_hw = tuple(int(side) for side in input_size_hw)

        def detect(image_bytes):
            return _detect(
                model,
                image_inputs.network_inputs(image_bytes, self.input_size_hw, max_level, max_pixels),
                tf.constant(["", *self.category_names]),
                score_threshold,
            )

        image_spec = tf.TensorSpec([None], tf.string, name="image_bytes")
        self.detect = tf.function(detect, input_signature=[image_spec], autograph=False)


def module_from_trained(
    trained, score_threshold: float = DEFAULT_SCORE_THRESHOLD, max_pixels: int = DEFAULT_MAX_PIXELS
) -> ServingModule:
    """Returns the ServingModule of an experiment.TrainedModel."""
    model_params = trained.params.task.model
    return ServingModule(
        trained.model,
        input_size_hw=tuple(model_params.input_size[:2]),
        max_level=model_params.max_level,
        category_names=trained.category_names,
        score_threshold=score_threshold,
        max_pixels=max_pixels,
    )


def _detect(model, inputs: image_inputs.NetworkInputs, class_names, score_threshold):
    """Runs the model on the decoded images and lays the answer out by image of the batch."""
    features, boxes, class_ids, scores, kept = _detect_boxes(model, inputs, score_threshold)
    mask_probs = _mask_probs(model, features, boxes, class_ids, kept)
    with tf.device("cpu:0"):
        scaled_size = tf.cast(inputs.scaled_size_hw, tf.float32)
        image_size = tf.cast(inputs.image_size_hw, tf.float32)
        boxes_yxyx = boxes / tf.tile(scaled_size / image_size, [1, 2])[:, None]
        boxes_yxyx = tf.clip_by_value(boxes_yxyx, 0.0, tf.tile(image_size, [1, 2])[:, None])
        mask_rle = _mask_rle(mask_probs, boxes_yxyx, inputs.image_size_hw, kept)

        # Rows by decoded image -> rows by image of the batch, blank where it was not decoded.
        ok = tf.equal(inputs.error, "")
        kept = tf.gather(kept, inputs.row) & ok[:, None]
        num_detections = tf.reduce_sum(tf.cast(kept, tf.int32), axis=1)
        # The reduction over no image at all gives int32's lowest value.
        kept = kept[:, : tf.maximum(tf.reduce_max(num_detections), 0)]

        def by_image(values, padding):
            values = tf.gather(values, inputs.row)[:, : tf.shape(kept)[1]]
            return tf.where(kept if values.shape.rank == 2 else kept[..., None], values, padding)

        class_ids = by_image(class_ids, 0)
        return {
            "ok": ok,
            "error": inputs.error,
            "num_detections": num_detections,
            "boxes_yxyx": by_image(boxes_yxyx, 0.0),
            "class_ids": class_ids,
            "class_names": tf.gather(class_names, class_ids),
            "scores": by_image(scores, 0.0),
            "mask_rle": by_image(mask_rle, ""),
            "image_size_hw": tf.where(ok[:, None], tf.gather(inputs.image_size_hw, inputs.row), 0),
        }


def _detect_boxes(model, inputs: image_inputs.NetworkInputs, score_threshold: float):
    """Runs all but the mask head.

    Returns:
        The feature pyramid; boxes float32 [num_rows, n, 4] (network-input pixels), class ids int32
        [num_rows, n], scores float32 [num_rows, n] and whether they are kept, bool [num_rows, n];
        the kept ones come first. n is the largest number of kept ones, but at least 1.
    """
    # The part that shows the image, so that no box reaches into the padding.
    image_shape = tf.cast(inputs.scaled_size_hw, tf.float32)
    # Like the full call (maskrcnn_model.py, MaskRCNNModel.call), which runs both branches.
    outputs, _ = model._call_box_outputs(inputs.images, image_shape, training=False)
    boxes = tf.cast(outputs["detection_boxes"], tf.float32)
    scores = tf.cast(outputs["detection_scores"], tf.float32)
    class_ids = tf.cast(outputs["detection_classes"], tf.int32)
    has_area = (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])
    valid = tf.sequence_mask(outputs["num_detections"], tf.shape(scores)[1])
    kept = valid & has_area & (scores >= score_threshold) & ~inputs.is_blank[:, None]
    most = tf.reduce_max(tf.reduce_sum(tf.cast(kept, tf.int32), axis=1))
    order = tf.argsort(tf.cast(~kept, tf.int32), axis=1, stable=True)[:, : tf.maximum(most, 1)]
    boxes, class_ids, scores, kept = (
        tf.gather(values, order, batch_dims=1) for values in (boxes, class_ids, scores, kept)
    )
    return outputs["decoder_features"], boxes, class_ids, scores, kept


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


def _mask_rle(mask_probs, boxes_yxyx, image_size_hw, kept) -> tf.Tensor:
    """Returns string [num_rows, n], the RLE of the kept detections' masks, "" for the others."""
    kept_at = tf.where(kept)
    rles = rle_ops.rle_from_box_masks(
        mask_probs, tf.gather_nd(boxes_yxyx, kept_at), tf.gather(image_size_hw, kept_at[:, 0])
    )
    position = tf.cumsum(tf.cast(tf.reshape(kept, [-1]), tf.int32), exclusive=True)
    position = tf.where(kept, tf.reshape(position, tf.shape(kept)), tf.size(rles))
    return tf.gather(tf.concat([rles, [""]], 0), position)
