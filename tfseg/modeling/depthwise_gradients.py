"""A network's depthwise convolutions, with gradients that are quick on a CPU."""

import functools

import tensorflow as tf
import tf_keras

from tfseg.modeling import keras_compat
from tfseg.ops import depthwise


def use_quick_gradients(model: tf_keras.Model) -> int:
    """Lets a model's depthwise convolutions compute their gradients this way.

    Outputs and weights stay as they are; convolutions that are not of depth_multiplier 1, dilated
    or padded other than SAME are left alone.

    Returns:
        How many layers were changed; those that had been already count, too.
    """
    changed = 0
    for layer in keras_compat.layers_of(model):
        if isinstance(layer, tf_keras.layers.DepthwiseConv2D) and _is_plain(layer):
            keras_compat.replace_call(layer, functools.partial(_call, layer))
            changed += 1
    return changed


def _is_plain(layer) -> bool:
    return (
        layer.depth_multiplier == 1
        and layer.padding == "same"
        and layer.data_format == "channels_last"
        and layer.strides[0] == layer.strides[1]
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.kernel_size[0] == layer.kernel_size[1]
        and layer.kernel_size[0] % 2 == 1
    )


def _call(layer, inputs):
    outputs = depthwise.depthwise_conv2d(inputs, layer.depthwise_kernel, layer.strides[0])
    outputs = tf.nn.bias_add(outputs, layer.bias) if layer.use_bias else outputs
    return outputs if layer.activation is None else layer.activation(outputs)
