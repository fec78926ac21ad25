"""What we use of Model Garden beyond its documentation, in the only place that does so.

Attributes with an underscore, and names of layers and weights that nothing promises to keep. Each
has its reason beside it; tests/tfseg/modeling/test_model_garden_compat.py looks for each in the
release that is installed, so that another release fails there first.
"""

from typing import NamedTuple, TypeAlias

import tensorflow as tf
import tf_keras
from official.vision.modeling.layers import box_sampler, nn_blocks, roi_sampler

Layer: TypeAlias = tf_keras.layers.Layer

# Of the names of weights, by the entries that they have for a class. There is no public way to ask
# a weight whether its last axis counts classes. Under another name the outputs of a training that
# starts from other weights would begin at random.
OUTPUT_LAYERS = {"detection-scores": 1, "detection-boxes": 4, "mask-logits": 1}

# The class predictor's bias in a checkpoint: its length is the number of classes. Read without
# building a model, so that the error can say what differs; under another name it is not checked.
CLASS_BIAS_KEY = "detection_head/0/_classifier/bias/.ATTRIBUTES/VARIABLE_VALUE"


def get_box_sampler(layer: roi_sampler.ROISampler) -> box_sampler.BoxSampler:
    """The layer that draws proposals for a ROISampler, which makes it itself."""
    return layer._sampler


def replace_box_sampler(layer: roi_sampler.ROISampler, sampler: box_sampler.BoxSampler) -> None:
    """Has a ROISampler draw by another layer.

    Its constructor takes none. If `call` no longer read this attribute, proposals would be drawn
    without our seeds, and a resumed training would differ from an uninterrupted one.
    """
    layer._sampler = sampler


def box_outputs(model, images, image_shape, anchor_boxes) -> dict:
    """Runs backbone, pyramid, region proposals and box head of a MaskRCNNModel, not in training.

    `model(...)` goes on to the masks of all boxes, most of them in vain. Its other outputs are
    documented nowhere either.

    Args:
        model: MaskRCNNModel.
        images: float32 [batch, height, width, 3].
        image_shape: float32 [batch, 2], what boxes are clipped to.
        anchor_boxes: By level, float32 [batch, rows, columns, anchors * 4].

    Returns:
        By name; decoder_features by level, and what the detection generator gives.
    """
    outputs, _ = model._call_box_outputs(images, image_shape, anchor_boxes, training=False)
    return outputs


class ConvNorm(NamedTuple):
    """A convolution and the batch normalization behind it."""

    convolution: Layer
    norm: Layer


class BottleneckLayers(NamedTuple):
    """Of a ResNet block.

    Attributes:
        main: Its 1x1, 3x3 and 1x1 convolutions.
        shortcut: The projection beside them; None where the input is added as it is.
    """

    main: tuple[ConvNorm, ConvNorm, ConvNorm]
    shortcut: ConvNorm | None


def bottleneck_layers(block: nn_blocks.BottleneckBlock) -> BottleneckLayers:
    """The layers of a ResNet block, which are numbered anew in each process and so have no name."""
    main = (
        ConvNorm(block._conv1, block._norm1),
        ConvNorm(block._conv2, block._norm2),
        ConvNorm(block._conv3, block._norm3),
    )
    projects = block.get_config()["use_projection"]
    return BottleneckLayers(main, ConvNorm(block._shortcut, block._norm0) if projects else None)


class InvertedBottleneckLayers(NamedTuple):
    """Of a block of EfficientNet or MobileNet; no expansion where its ratio is 1."""

    expansion: ConvNorm | None
    depthwise: ConvNorm
    projection: ConvNorm


def inverted_bottleneck_layers(
    block: nn_blocks.InvertedBottleneckBlock,
) -> InvertedBottleneckLayers:
    """The layers of an EfficientNet block; see bottleneck_layers."""
    expands = block.get_config()["expand_ratio"] > 1
    return InvertedBottleneckLayers(
        ConvNorm(block._conv0, block._norm0) if expands else None,
        ConvNorm(block._conv1, block._norm1),
        ConvNorm(block._conv2, block._norm2),
    )


class PyramidLayers(NamedTuple):
    """Of one level of an FPN.

    Attributes:
        lateral: The 1x1 convolution of the backbone's features; None above the backbone.
        output: The 3x3 convolution; above the backbone that of stride 2 from the level below.
        norm: Batch normalization of the level.
    """

    lateral: Layer | None
    output: Layer
    norm: Layer


def pyramid_layers(decoder, level: int, is_coarser: bool = False) -> PyramidLayers:
    """The layers of a level of an FPN; their names are not documented.

    Args:
        decoder: decoders.FPN.
        level: Of the pyramid.
        is_coarser: Whether it is above the backbone's levels.

    Raises:
        ValueError: It has no such layer.
    """
    norm = decoder.get_layer(f"norm_{level}")
    if is_coarser:
        return PyramidLayers(None, decoder.get_layer(f"coarser_{level}"), norm)
    lateral = decoder.get_layer(f"lateral_{level}")
    return PyramidLayers(lateral, decoder.get_layer(f"post_hoc_{level}"), norm)


class RegionHeadLayers(NamedTuple):
    """Of an RPNHead: convolutions shared by the levels, and for each level its normalizations."""

    convolutions: list[Layer]
    norms: list[list[Layer]]
    scores: Layer
    boxes: Layer


def region_head_layers(head) -> RegionHeadLayers:
    """The layers of an RPNHead, which hands out outputs only."""
    return RegionHeadLayers(head._convs, head._norms, head._classifier, head._box_regressor)


class BoxHeadLayers(NamedTuple):
    """Of a DetectionHead: fully connected layers, their normalizations, and its outputs."""

    fcs: list[Layer]
    norms: list[Layer]
    classes: Layer
    boxes: Layer


def box_head_layers(head) -> BoxHeadLayers:
    """The layers of a DetectionHead, which hands out outputs only."""
    return BoxHeadLayers(head._fcs, head._fc_norms, head._classifier, head._box_regressor)


class MaskHeadLayers(NamedTuple):
    """Of a MaskHead: convolutions with normalizations, the upsampling with its own, the output."""

    convolutions: list[Layer]
    norms: list[Layer]
    upsampling: ConvNorm
    masks: Layer


def mask_head_layers(head) -> MaskHeadLayers:
    """The layers of a MaskHead, which hands out outputs only."""
    upsampling = ConvNorm(head._deconv, head._deconv_bn)
    return MaskHeadLayers(head._convs, head._conv_norms, upsampling, head._mask_regressor)


def class_bias_shape(variables: list[tuple[str, list[int]]]) -> list[int] | None:
    """The shape of the class predictor's bias among a checkpoint's (tf.train.list_variables).

    Returns:
        [number of classes], background included; None where the checkpoint has no such variable.
    """
    return dict(variables).get(CLASS_BIAS_KEY)


def entries_per_class(variable: tf.Variable) -> int:
    """How many entries a class has in the last axis of a weight of this name; 0 for other weights.

    One whose outputs are the same for all classes has the name, but another width.
    """
    return next((n for part, n in OUTPUT_LAYERS.items() if part in variable.name), 0)
