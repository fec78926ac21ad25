"""The exported graph: photos in, detections in original-image pixels out.

Evaluation runs this same module, so that what is measured is what is served.
"""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from tfseg.inference import maskrcnn_inference, preprocessing
from tfseg.modeling import batch_norm_folding, variable_size
from tfseg.ops import mask_rle
from tfseg.structures.thresholds import DEFAULT_ATTRIBUTE_THRESHOLD

DEFAULT_SCORE_THRESHOLD = 0.05
DEFAULT_NUM_PROPOSALS = 300
DEFAULT_MAX_PIXELS = 100_000_000
DEFAULT_MAX_IMAGES = 64

# The signature that answers the scores of all attributes; of models that know attributes.
ATTRIBUTE_SCORES_SIGNATURE = "with_attribute_scores"


class ServingModule(tf.Module):
    """Detects garments in photos.

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
    Where the model has an attribute head, or colours are named, also
        attributes: string [batch, K], a line "name score" for each attribute that the garment is
            said to have, best first, such as "long sleeve 0.93"; "" is padding.
        attribute_scores: uint8 [batch, K, num_attributes], probability times 255; 0 is padding, or
            what the category cannot have.
    K is the largest num_detections of the batch, so that it can be 0. "Original" means after the
    image was turned upright by its EXIF orientation.

    The other functions return the same, but:
    `detect_above(image_bytes, score_threshold)` takes float32 [batch], each image's threshold for
        every category in place of those built in; a negative one or NaN leaves those built in.
    `detect_pixels(images)` takes uint8 [batch, height, width, channels], already decoded and
        upright: grey, grey and alpha, RGB or RGB and alpha.
    `detect_crops(image_bytes)` has in place of mask_rle
        mask_crops: uint8 [batch, K, rows, columns], the mask's probability times 255 in cells that
            divide the box evenly; 0 is padding.
    Every input has the batch as its first dimension, so that a server may merge requests.
    `signatures` are these functions by their name in the exported model.

    Attributes:
        category_names: Names by class id - 1.
        attribute_names: In the order of attribute_scores; () where there are none.
        attribute_thresholds: Of attribute_names, from which score on one is said.
        signatures: What an export answers, by name. attribute_scores are left out but in
            ATTRIBUTE_SCORES_SIGNATURE, which only a model that knows attributes has.
        input_size_hw: The box that an image is fitted into.
        score_thresholds: By class id - 1.
        nms_iou, num_proposals, max_pixels, max_images: As given.
    """

    def __init__(
        self,
        model: tf_keras.Model,
        input_size_hw: tuple[int, int],
        max_level: int,
        category_names: tuple[str, ...],
        score_threshold: float | Sequence[float] = DEFAULT_SCORE_THRESHOLD,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        nms_iou: float | None = None,
        num_proposals: int = DEFAULT_NUM_PROPOSALS,
        max_images: int = DEFAULT_MAX_IMAGES,
        size_step: int = 0,
        attribute_thresholds: Sequence[float] = (),
        name_colours: bool = False,
    ):
        """Wraps a model; its weights are used as they are at each call.

        Args:
            model: Model Garden's MaskRCNNModel with a mask head.
            input_size_hw: Height and width an image is fitted into before padding.
            max_level: The feature pyramid's highest level.
            category_names: Names by class id - 1.
            score_threshold: Lower scores are left out; one for all, or by class id - 1. The model's
                detection generator has a threshold of its own before non-maximum suppression, and
                the largest K.
            max_pixels: Larger images are refused before they are decoded.
            nms_iou: A second non-maximum suppression after the model's own, within each category,
                drops boxes whose IoU with a better one is above it; None for no second one.
            num_proposals: The box head sees at most so many; the model's own number where that is
                lower.
            max_images: A call with more fails with INVALID_ARGUMENT before one is looked at.
            size_step: As preprocessing.input_layout's.
            attribute_thresholds: From which score on a garment is said to have an attribute, one
                for each; 0.5 unless given.
            name_colours: Say each garment's colours, by the photo's pixels within its mask.

        Raises:
            ValueError: The model has no mask head, or a value is out of range.
        """
        super().__init__()
        if model.mask_head is None:
            raise ValueError("the model has no mask head; set task.model.include_mask to true.")
        self.category_names = tuple(category_names)
        self.attribute_names = maskrcnn_inference.attribute_names(model, name_colours)
        default = [DEFAULT_ATTRIBUTE_THRESHOLD] * len(self.attribute_names)
        self.attribute_thresholds = said_from = tuple(map(float, attribute_thresholds or default))
        self.input_size_hw = int(input_size_hw[0]), int(input_size_hw[1])
        self.score_thresholds = _thresholds_by_class(score_threshold, self.category_names)
        if num_proposals < 1:
            raise ValueError(f"num_proposals: got {num_proposals}, expected at least 1.")
        self.nms_iou, self.num_proposals = nms_iou, num_proposals
        self.max_pixels, self.max_images = max_pixels, max_images
        self._name_colours = name_colours
        layout = preprocessing.input_layout(
            self.input_size_hw, max_level, variable_size.joined_level(model, max_level), size_step
        )
        self._define_signatures(
            model, layout, list(zip(self.attribute_names, said_from, strict=True))
        )

    def _define_signatures(
        self,
        model: tf_keras.Model,
        layout: preprocessing.InputLayout,
        attributes: Sequence[tuple[str, float]],
    ) -> None:
        """Sets detect and its like; attributes are (name, the score from which it is said)."""
        bytes_spec = tf.TensorSpec([None], tf.string, name="image_bytes")
        threshold_spec = tf.TensorSpec([None], tf.float32, name="score_threshold")
        pixels_spec = tf.TensorSpec([None] * 4, tf.uint8, name="images")
        class_names = ("", *self.category_names)

        # One body for every signature, so that the exported graph holds the network once.
        @tf.function(autograph=False)
        def find_garments(*inputs_and_thresholds):
            return maskrcnn_inference.find_garments(
                model,
                *inputs_and_thresholds,
                nms_iou=self.nms_iou,
                num_proposals=self.num_proposals,
                name_colours=self._name_colours,
            )

        def answer(inputs, own_threshold=None, as_crops=False):
            thresholds = _row_thresholds(inputs, self.score_thresholds, own_threshold)
            found = find_garments(
                inputs.images,
                inputs.scaled_size_hw,
                inputs.used_size_hw,
                inputs.image_size_hw,
                thresholds,
            )
            return _answer_by_image(inputs, found, class_names, attributes, as_crops)

        def from_bytes(image_bytes):
            image_bytes = preprocessing.limited(image_bytes, self.max_images)
            return preprocessing.inputs_from_bytes(image_bytes, layout, self.max_pixels)

        def detect(image_bytes):
            return answer(from_bytes(image_bytes))

        def detect_above(image_bytes, score_threshold):
            inputs = from_bytes(image_bytes)
            return answer(inputs, tf.broadcast_to(score_threshold, tf.shape(image_bytes)))

        def detect_pixels(images):
            images = preprocessing.limited(images, self.max_images)
            return answer(preprocessing.inputs_from_pixels(images, layout, self.max_pixels))

        def detect_crops(image_bytes):
            return answer(from_bytes(image_bytes), as_crops=True)

        def graph_function(function, *specs):
            return tf.function(function, input_signature=specs, autograph=False)

        self.detect = graph_function(detect, bytes_spec)
        self.detect_above = graph_function(detect_above, bytes_spec, threshold_spec)
        self.detect_pixels = graph_function(detect_pixels, pixels_spec)
        self.detect_crops = graph_function(detect_crops, bytes_spec)

        def served(function, *specs):
            """Without attribute_scores: the names say what most ask for, in fewer bytes."""
            if not attributes:
                return function

            def answer_names(*inputs):
                return {k: v for k, v in function(*inputs).items() if k != "attribute_scores"}

            return graph_function(answer_names, *specs)

        self.signatures = {
            "serving_default": served(self.detect, bytes_spec),
            "with_score_threshold": served(self.detect_above, bytes_spec, threshold_spec),
            "image_tensor": served(self.detect_pixels, pixels_spec),
            "mask_crops": served(self.detect_crops, bytes_spec),
        }
        if attributes:
            self.signatures[ATTRIBUTE_SCORES_SIGNATURE] = self.detect_above


def module_from_trained(
    trained,
    score_threshold: float | Sequence[float] = DEFAULT_SCORE_THRESHOLD,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    nms_iou: float | None = None,
    num_proposals: int = DEFAULT_NUM_PROPOSALS,
    max_images: int = DEFAULT_MAX_IMAGES,
    size_step: int = 0,
    attribute_thresholds: Sequence[float] = (),
) -> ServingModule:
    """Returns the ServingModule of a trained_model.TrainedModel, which cannot be trained on."""
    batch_norm_folding.fold_batch_norm(trained.model)
    model_params = trained.params.task.model
    return ServingModule(
        trained.model,
        input_size_hw=tuple(model_params.input_size[:2]),
        max_level=model_params.max_level,
        category_names=trained.category_names,
        score_threshold=score_threshold,
        max_pixels=max_pixels,
        nms_iou=nms_iou,
        num_proposals=num_proposals,
        max_images=max_images,
        size_step=size_step,
        attribute_thresholds=attribute_thresholds,
        name_colours=trained.params.task.name_colours,
    )


def _thresholds_by_class(score_threshold, category_names: tuple[str, ...]) -> tuple[float, ...]:
    one_for_all = isinstance(score_threshold, int | float)
    thresholds = [score_threshold] * len(category_names) if one_for_all else score_threshold
    thresholds = tuple(float(threshold) for threshold in thresholds)
    if len(thresholds) != len(category_names):
        raise ValueError(
            f"score_threshold: got {len(thresholds)} numbers, expected one, or one for each of "
            f"{len(category_names)} categories."
        )
    for threshold in thresholds:
        if not 0 <= threshold <= 1:
            raise ValueError(f"score_threshold: got {threshold}, expected 0 to 1.")
    return thresholds


def _row_thresholds(inputs, thresholds: tuple[float, ...], own_threshold) -> tf.Tensor:
    """Returns float32 [num_rows, num_classes + 1], the least score by class id.

    It is above 1 for the blank image, so that nothing is found there.
    """
    by_class = tf.constant([[1.0, *thresholds]])
    if own_threshold is not None:
        # The blank image has the index behind the last.
        own = tf.gather(tf.concat([own_threshold, [-1.0]], 0), inputs.image_index)[:, None]
        by_class = tf.where(own >= 0, own, by_class)
    return tf.where(inputs.is_blank[:, None], 2.0, by_class)


def _answer_by_image(
    inputs, found, class_names, attributes: Sequence[tuple[str, float]], as_crops: bool
) -> dict[str, tf.Tensor]:
    """Lays the answer out by image of the batch, blank where it was not decoded."""
    with tf.device("cpu:0"):
        ok = tf.equal(inputs.error, "")
        found = _with_masks(found, inputs.image_size_hw, as_crops)
        kept = tf.gather(found["kept"], inputs.row) & ok[:, None]
        num_detections = tf.reduce_sum(tf.cast(kept, tf.int32), axis=1)
        # The reduction over no image at all gives int32's lowest value.
        kept = kept[:, : tf.maximum(tf.reduce_max(num_detections), 0)]

        def by_image(values, padding):
            values = tf.gather(values, inputs.row)[:, : tf.shape(kept)[1]]
            where = tf.reshape(kept, [*tf.unstack(tf.shape(kept)), *[1] * (values.shape.rank - 2)])
            return tf.where(where, values, padding)

        class_ids = by_image(found["class_ids"], 0)
        answer = {
            "ok": ok,
            "error": inputs.error,
            "num_detections": num_detections,
            "boxes_yxyx": by_image(found["boxes_yxyx"], 0.0),
            "class_ids": class_ids,
            "class_names": tf.gather(tf.constant(class_names), class_ids),
            "scores": by_image(found["scores"], 0.0),
            "image_size_hw": tf.where(ok[:, None], tf.gather(inputs.image_size_hw, inputs.row), 0),
        }
        if "attribute_scores" in found:
            scores = by_image(found["attribute_scores"], tf.constant(0, tf.uint8))
            answer["attribute_scores"] = scores
            answer["attributes"] = _attribute_texts(scores, attributes)
        if as_crops:
            answer["mask_crops"] = by_image(found["masks"], tf.constant(0, tf.uint8))
        else:
            answer["mask_rle"] = by_image(found["masks"], "")
        return answer


def _attribute_texts(scores: tf.Tensor, attributes: Sequence[tuple[str, float]]) -> tf.Tensor:
    """uint8 [batch, K, num_attributes] -> string [batch, K]; attributes as (name, threshold)."""
    shape = tf.shape(scores)[:2]
    names, thresholds = zip(*attributes, strict=True)
    values = tf.cast(tf.reshape(scores, [-1, len(names)]), tf.float32) / 255.0
    least = tf.constant(thresholds, tf.float32)
    best = tf.argsort(values, direction="DESCENDING", stable=True)
    values = tf.gather(values, best, batch_dims=1)
    lines = tf.strings.join(
        [tf.gather(tf.constant(names), best), tf.strings.as_string(values, precision=2)], " "
    )
    said = tf.ragged.boolean_mask(lines, values >= tf.gather(least, best))
    return tf.reshape(tf.strings.reduce_join(said, axis=-1, separator="\n"), shape)


def _with_masks(found, image_size_hw, as_crops: bool) -> dict[str, tf.Tensor]:
    """Replaces "mask_probs" by "masks" [num_rows, n, ...]; who has no pixel is kept no more.

    What is kept comes first, in its order.
    """
    found = dict(found)
    kept, probs = found["kept"], found.pop("mask_probs")
    if "attribute_scores" in found:
        found["attribute_scores"] = _by_row(found["attribute_scores"], kept)
    if as_crops:
        masks = tf.cast(tf.round(255 * probs), tf.uint8)
        has_pixels = tf.reduce_max(probs, axis=[1, 2]) >= 0.5
    else:
        kept_at = tf.where(kept)
        run_lengths = mask_rle.run_lengths_of_box_masks(
            probs,
            tf.gather_nd(found["boxes_yxyx"], kept_at),
            tf.gather(image_size_hw, kept_at[:, 0]),
        )
        masks = mask_rle.encode_run_lengths(run_lengths)
        has_pixels = run_lengths.row_lengths() > 1
    found["masks"] = _by_row(masks, kept)
    found["kept"] = _by_row(has_pixels, kept)
    order = tf.argsort(tf.cast(found["kept"], tf.int32), direction="DESCENDING", stable=True)
    return {name: tf.gather(values, order, batch_dims=1) for name, values in found.items()}


def _by_row(values, kept) -> tf.Tensor:
    """Lays [num_kept, ...] out as [num_rows, n, ...]; what is not kept gets zeros or ""."""
    position = tf.cumsum(tf.cast(tf.reshape(kept, [-1]), tf.int32), exclusive=True)
    position = tf.where(kept, tf.reshape(position, tf.shape(kept)), tf.shape(values)[0])
    padding = tf.zeros([1, *values.shape[1:]], values.dtype)
    return tf.gather(tf.concat([values, padding], 0), position)
