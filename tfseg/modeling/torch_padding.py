"""Makes a Model Garden ResNet-FPN compute what PyTorch's does with the same weights.

TensorFlow pads a convolution of stride 2 at the far edge, PyTorch at both: each such layer looks
one cell further, so that at level l everything lies 2^l - 1 pixels off. Detectron2's ResNet-50
strides in a block's first convolution, Model Garden's and torchvision's in the second.
"""

import functools

import tensorflow as tf
import tf_keras
from official.vision.modeling.layers import nn_blocks


def pad_symmetrically(model: tf_keras.Model) -> None:
    """Lets the layers of stride 2 in a backbone or pyramid pad as PyTorch does."""
    for layer in model._flatten_layers():
        if getattr(layer, "strides", None) != (2, 2):
            continue
        if isinstance(layer, tf_keras.layers.MaxPooling2D):
            padding = _explicit(layer.pool_size[0])
            layer.pool_function = functools.partial(_pool, explicit_padding=padding)
        elif isinstance(layer, tf_keras.layers.Conv2D) and layer.kernel_size[0] > 1:
            padding = _explicit(layer.kernel_size[0])
            layer.convolution_op = functools.partial(_convolve, layer.strides, padding)


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
        if isinstance(layer, nn_blocks.BottleneckBlock) and layer._conv2.strides == (2, 2):
            layer._conv1.strides, layer._conv2.strides = (2, 2), (1, 1)
