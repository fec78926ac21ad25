"""Makes a Model Garden ResNet-FPN compute what PyTorch's does with the same weights.

TensorFlow pads a convolution of stride 2 at the far edge, PyTorch at both: each such layer looks
one cell further, so that at level l everything lies 2^l - 1 pixels off. Detectron2's ResNet-50
strides in a block's first convolution, Model Garden's and torchvision's in the second.
"""

import functools

import tensorflow as tf
import tf_keras
from official.vision.modeling.layers import nn_blocks

from tfseg.modeling import keras_compat, model_garden_compat


def pad_symmetrically(model: tf_keras.Model) -> None:
    """Lets the layers of stride 2 in a backbone or pyramid pad as PyTorch does."""
    for layer in keras_compat.layers_of(model):
        if getattr(layer, "strides", None) != (2, 2):
            continue
        if isinstance(layer, tf_keras.layers.MaxPooling2D):
            padding = _explicit(layer.pool_size[0])
            pool = functools.partial(_pool, explicit_padding=padding)
            keras_compat.replace_pool_function(layer, pool)
        elif isinstance(layer, tf_keras.layers.Conv2D) and layer.kernel_size[0] > 1:
            padding = _explicit(layer.kernel_size[0])
            convolve = functools.partial(_convolve, layer.strides, padding)
            keras_compat.replace_convolution_op(layer, convolve)


def _explicit(kernel_size: int) -> list[list[int]]:
    edge = [kernel_size // 2] * 2
    return [[0, 0], edge, edge, [0, 0]]


def _convolve(strides, padding, inputs, kernel):
    return tf.nn.conv2d(inputs, kernel, strides, padding)


def _pool(inputs, ksize, strides, explicit_padding, **_):  # the layer passes its own padding too
    return tf.nn.max_pool2d(inputs, ksize, strides, explicit_padding)


def stride_in_first_convolution(backbone: tf_keras.Model) -> None:
    """Moves the stride of each bottleneck block from its 3x3 to its first 1x1 convolution."""
    for layer in backbone.layers:
        if not isinstance(layer, nn_blocks.BottleneckBlock):
            continue
        first, second, _ = model_garden_compat.bottleneck_layers(layer).main
        if second.convolution.strides == (2, 2):
            keras_compat.replace_strides(first.convolution, (2, 2))
            keras_compat.replace_strides(second.convolution, (1, 1))
