"""Model Garden's Mask R-CNN on images of any size, up to the boxes before non-maximum suppression.

The model itself wants images of the size it was built for.
"""

import contextlib
import functools

import tensorflow as tf
import tf_keras
from official.vision.modeling import decoders
from official.vision.ops import anchor

from tfseg.modeling import keras_compat, model_garden_compat
from tfseg.ops import nms, roi_align


def joined_level(model, max_level: int) -> int:
    """Returns the highest level of the pyramid that is joined with another one.

    In Model Garden's FPN it is the backbone's highest; those above are convolutions of the one
    below, which `box_outputs` has take odd sizes.
    """
    is_fpn = isinstance(model.decoder, decoders.FPN)
    if not is_fpn or model.decoder.get_config()["use_separable_conv"]:
        return max_level
    return min(max_level, max(int(level) for level in model.backbone.output_specs))


def box_outputs(model, images, scaled_size, padded_hw, num_proposals: int) -> dict:
    """Runs backbone, pyramid, region proposals and box head.

    Args:
        model: Model Garden's MaskRCNNModel.
        images: float32 [batch, height, width, 3], normalised; both sides whole strides of
            `joined_level`.
        scaled_size: float32 [batch, 2], the part that shows the image: no box reaches beyond it.
        padded_hw: The size that the model was built for, in whole strides of its highest level.
        num_proposals: The box head sees at most so many; fewer where the model has fewer.

    Returns:
        By name, among others: decoder_features, by level; decoded_boxes float32 [batch, n,
        num_classes or 1, 4] and decoded_box_scores float32 [batch, n, num_classes], without the
        background.
    """
    # Like the full call (maskrcnn_model.py, MaskRCNNModel.call), which runs the masks as well.
    with _run_on_any_size(model, num_proposals):
        anchors = _anchors(model, images, padded_hw)
        return model_garden_compat.box_outputs(model, images, scaled_size, anchors)


def _anchors(model, images, padded_hw) -> dict[str, tf.Tensor]:
    """Returns the anchors of the whole network input that lie in the images."""
    names = ("min_level", "max_level", "num_scales", "aspect_ratios", "anchor_size")
    model_config = model.get_config()
    config = {name: model_config[name] for name in names}
    batch_size, height, width, _ = tf.unstack(tf.shape(images))
    anchors = {}
    for level, boxes in anchor.Anchor(**config, image_size=padded_hw).multilevel_boxes.items():
        stride = 2 ** int(level)
        boxes = boxes[: -(-height // stride), : -(-width // stride)]
        anchors[level] = tf.tile(boxes[None], [batch_size, 1, 1, 1])
    return anchors


@contextlib.contextmanager
def _run_on_any_size(model, num_proposals: int):
    """Has the graph that is built inside take images of any size, and leave out what we do better.

    It proposes at most so many regions, the quick way, and returns boxes that are not suppressed.
    """
    config = model.roi_generator.get_config()

    def propose(raw_boxes, raw_scores, anchor_boxes, image_shape, training=None):
        return nms.propose(
            raw_boxes,
            raw_scores,
            anchor_boxes,
            image_shape,
            num_proposals=min(config["test_num_proposals"], num_proposals),
            pre_nms_top_k=config["test_pre_nms_top_k"],
            nms_iou=config["test_nms_iou_threshold"],
        )

    def crop(features, boxes, training=None):
        return roi_align.crop_features(features, boxes, **model.roi_aligner.get_config())

    even = [
        (layer, functools.partial(_convolve_even, layer.convolution_op))
        for layer in model.decoder.layers
        if type(layer) is tf_keras.layers.Conv2D and layer.strides == (2, 2)
    ]
    with (
        keras_compat.calls_replaced([(model.roi_generator, propose), (model.roi_aligner, crop)]),
        keras_compat.convolution_ops_replaced(even),
        keras_compat.any_input_shape([model.backbone, model.decoder]),
        _without_suppression(model),
    ):
        yield


@contextlib.contextmanager
def _without_suppression(model):
    """Has the model return its boxes as they are, before non-maximum suppression."""
    own = model.detection_generator
    model.detection_generator = type(own).from_config({**own.get_config(), "apply_nms": False})
    try:
        yield
    finally:
        model.detection_generator = own


def _convolve_even(convolution_op, inputs, kernel):
    """Convolves with stride 2 as in training, where both sides are even.

    TensorFlow pads an odd side at both ends instead of the far one, and so looks at other cells.
    """
    odd_hw = tf.shape(inputs)[1:3] % 2
    edges = tf.stack([tf.zeros_like(odd_hw), odd_hw], 1)
    even = tf.pad(inputs, tf.pad(edges, [[1, 1], [0, 0]]))
    return convolution_op(tf.ensure_shape(even, [None, None, None, inputs.shape[-1]]), kernel)
