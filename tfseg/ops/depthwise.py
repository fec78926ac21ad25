"""Depthwise convolutions whose gradients are quick on a CPU.

TensorFlow's gradient of a depthwise convolution's filter reaches 1 to 7 GFLOP/s of a core where its
forward convolution reaches 50. That gradient is a depthwise convolution itself: photos and channels
together are the channels, and the gradients of the outputs are the filter.
"""

import tensorflow as tf

# Smaller filters' gradients, and inputs' of strided convolutions, are quicker as they are.
_MIN_FILTER_SIZE = 5


def depthwise_conv2d(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """tf.nn.depthwise_conv2d, padded SAME, with gradients that are quick on a CPU.

    Args:
        inputs: float [batch, height, width, channels]; all but the batch are known.
        kernel: The same dtype, [size, size, channels, 1], size odd.
        stride: Along height and width.

    Returns:
        The same dtype, [batch, ceil(height / stride), ceil(width / stride), channels].
    """

    @tf.custom_gradient
    def convolve(inputs, kernel):
        strides = [1, stride, stride, 1]

        def gradients(upstream):
            if stride == 1:  # a convolution with the filter turned around
                turned = tf.reverse(kernel, [0, 1])
                of_inputs = tf.nn.depthwise_conv2d(upstream, turned, strides, "SAME")
            else:
                of_inputs = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                    input_sizes=tf.shape(inputs),
                    filter=kernel,
                    out_backprop=upstream,
                    strides=strides,
                    padding="SAME",
                )
            if kernel.shape[0] < _MIN_FILTER_SIZE:
                of_kernel = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                    input=inputs,
                    filter_sizes=kernel.shape,
                    out_backprop=upstream,
                    strides=strides,
                    padding="SAME",
                )
            else:
                of_kernel = _filter_gradient(inputs, upstream, kernel.shape[0], stride)
            return of_inputs, of_kernel

        return tf.nn.depthwise_conv2d(inputs, kernel, strides, "SAME"), gradients

    return convolve(inputs, kernel)


def _filter_gradient(inputs, upstream, size: int, stride: int) -> tf.Tensor:
    """Gradient [size, size, channels, 1] of the filter: the inputs convolved with `upstream`.

    A stride of the convolution is a dilation of this one.
    """
    channels = inputs.shape[3]
    out_hw = upstream.shape[1:3]
    paddings, seen = [[0, 0]], []
    for length, out_length in zip(inputs.shape[1:3], out_hw, strict=True):
        seen.append((out_length - 1) * stride + size)
        missing = max(seen[-1] - length, 0)
        paddings.append([missing // 2, missing - missing // 2])
    padded = tf.pad(inputs, [*paddings, [0, 0]])[:, : seen[0], : seen[1]]
    photos_as_channels = tf.reshape(tf.transpose(padded, [1, 2, 0, 3]), [1, *seen, -1])
    as_filter = tf.reshape(
        tf.transpose(upstream, [1, 2, 0, 3]), [*out_hw, tf.shape(photos_as_channels)[3], 1]
    )
    by_photo = tf.nn.depthwise_conv2d(
        photos_as_channels, as_filter, [1, 1, 1, 1], "VALID", dilations=[stride, stride]
    )
    by_photo = tf.reshape(by_photo, [size, size, -1, channels])
    return tf.reduce_sum(by_photo, axis=2)[..., tf.newaxis]
