"""Batch normalization folded into the convolutions before it, for a model that is trained no more.

In inference it scales each channel and adds an offset, which the convolution's weights can do as
well: the same results without going through the features three more times.
"""

import functools

import tensorflow as tf
import tf_keras

from tfseg.modeling import keras_compat
from tfseg.ops import winograd

# Model Garden's region proposal head has the second, which is no subclass of the first.
BATCH_NORMS = (
    tf_keras.layers.BatchNormalization,
    tf_keras.layers.experimental.SyncBatchNormalization,
)


def fold_batch_norm(model) -> int:
    """Lets each convolution that batch normalization follows do both at once.

    A convolution that is followed by several (that of the region proposals has one for each level)
    gets weights for each. The model cannot be trained afterwards.

    Args:
        model: Model Garden's MaskRCNNModel; changed.

    Returns:
        How many normalizations were folded; 0 where all have been already.
    """
    layers = keras_compat.layers_of(model)
    if any(keras_compat.replaced_call(layer) is _identity for layer in layers):
        return 0
    folded = {
        norm: (convolution, size_hw)
        for convolution, users in _watch_uses(model).items()
        if all(isinstance(user, BATCH_NORMS) for user, _ in users)
        for norm, size_hw in users
    }
    for norm, (convolution, size_hw) in folded.items():
        keras_compat.replace_call(norm, _FoldedConvolution(convolution, norm, size_hw))
        keras_compat.forget_input_spec(norm)  # of the channels that it had
    for convolution, _ in folded.values():
        keras_compat.replace_call(convolution, _identity)
    return len(folded)


def _watch_uses(model) -> dict:
    """Runs the model on a blank image.

    Returns:
        By convolution the layers that take its outputs, each with the height and width of those.
    """
    outputs: dict[int, tuple[tf.Tensor, tf_keras.layers.Layer]] = {}
    uses: dict[tf_keras.layers.Layer, list[tuple[tf_keras.layers.Layer, tuple]]] = {}

    def watched(layer, call, *inputs, **arguments):
        for value in tf.nest.flatten((inputs, arguments)):
            if id(value) in outputs:
                uses.setdefault(outputs[id(value)][1], []).append((layer, value.shape[1:3]))
        output = call(*inputs, **arguments)
        if _can_be_folded(layer):
            outputs[id(output)] = output, layer  # kept, so that its id stays its own
        return output

    watching = [
        (layer, functools.partial(watched, layer, layer.call))
        for layer in keras_compat.layers_of(model)
        if layer is not model
    ]
    with keras_compat.calls_replaced(watching):
        size_hw = model.backbone.input.shape[1:3]
        shape = tf.constant([size_hw], tf.float32)
        model(tf.zeros([1, *size_hw, 3]), image_shape=shape, training=False)
    return uses


def _can_be_folded(layer) -> bool:
    return (
        type(layer) is tf_keras.layers.Conv2D
        and layer.groups == 1
        and layer.activation is tf_keras.activations.linear
    )


class _FoldedConvolution:
    """In place of a normalization's call: given the convolution's inputs, does both."""

    def __init__(self, convolution, norm, size_hw):
        scale = tf.math.rsqrt(norm.moving_variance + norm.epsilon)
        scale = scale if norm.gamma is None else scale * norm.gamma
        offset = 0.0 if norm.beta is None else norm.beta
        bias = convolution.bias if convolution.use_bias else 0.0
        kernel = convolution.kernel * scale
        self._convolution = convolution
        self._kernel = tf.Variable(kernel, trainable=False)
        self._bias = tf.Variable((bias - norm.moving_mean) * scale + offset, trainable=False)
        self._winograd_kernel = None
        if winograd.is_quicker(convolution, size_hw):
            self._winograd_kernel = tf.Variable(winograd.transform_kernel(kernel), trainable=False)

    def __call__(self, inputs, **_):
        def convolve():
            return self._convolution.convolution_op(inputs, self._kernel)

        def convolve_quickly():
            return winograd.convolve(inputs, self._winograd_kernel)

        has_both = self._winograd_kernel is not None
        outputs = winograd.choose_by_device(convolve_quickly, convolve) if has_both else convolve()
        return tf.nn.bias_add(outputs, self._bias)


def _identity(inputs):
    return inputs
