"""Batch normalization folded into the convolutions before it, for a model that is trained no more.

In inference it scales each channel and adds an offset, which the convolution's weights can do as
well: the same results without going through the features three more times.
"""

import functools

import tensorflow as tf
import tf_keras

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
    if any(vars(layer).get("call") is _identity for layer in model._flatten_layers()):
        return 0
    uses = _watch_uses(model)
    folded = {}
    for convolution, users in uses.items():
        if all(isinstance(user, BATCH_NORMS) for user in users):
            folded.update(dict.fromkeys(users, convolution))
    for norm, convolution in folded.items():
        norm.call = functools.partial(_convolve, convolution, *_folded_weights(convolution, norm))
        norm.input_spec = None  # of the channels that it had
    for convolution in folded.values():
        convolution.call = _identity
    return len(folded)


def _watch_uses(model) -> dict:
    """Runs the model on a blank image; returns by convolution the layers that take its outputs."""
    outputs, uses = {}, {}

    def watched(layer, call, *inputs, **arguments):
        for value in tf.nest.flatten((inputs, arguments)):
            if id(value) in outputs:
                uses.setdefault(outputs[id(value)][1], []).append(layer)
        output = call(*inputs, **arguments)
        if _can_be_folded(layer):
            outputs[id(output)] = output, layer  # kept, so that its id stays its own
        return output

    layers = [layer for layer in model._flatten_layers() if layer is not model]
    own_calls = [vars(layer).get("call") for layer in layers]  # TensorFlow operations have one
    for layer in layers:
        layer.call = functools.partial(watched, layer, layer.call)
    try:
        size_hw = model.backbone.input.shape[1:3]
        shape = tf.constant([size_hw], tf.float32)
        model(tf.zeros([1, *size_hw, 3]), image_shape=shape, training=False)
    finally:
        for layer, own_call in zip(layers, own_calls, strict=True):
            del layer.call
            if own_call is not None:
                layer.call = own_call
    return uses


def _can_be_folded(layer) -> bool:
    return (
        type(layer) is tf_keras.layers.Conv2D
        and layer.groups == 1
        and layer.activation is tf_keras.activations.linear
    )


def _folded_weights(convolution, norm) -> tuple[tf.Variable, tf.Variable]:
    scale = tf.math.rsqrt(norm.moving_variance + norm.epsilon)
    scale = scale if norm.gamma is None else scale * norm.gamma
    offset = 0.0 if norm.beta is None else norm.beta
    bias = convolution.bias if convolution.use_bias else 0.0
    return (
        tf.Variable(convolution.kernel * scale, trainable=False),
        tf.Variable((bias - norm.moving_mean) * scale + offset, trainable=False),
    )


def _convolve(convolution, kernel, bias, inputs, **_):
    return tf.nn.bias_add(convolution.convolution_op(inputs, kernel), bias)


def _identity(inputs):
    return inputs
