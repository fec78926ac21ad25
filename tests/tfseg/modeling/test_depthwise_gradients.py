import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tfseg.modeling.depthwise_gradients import use_quick_gradients


@pytest.fixture
def network():
    layers = tf_keras.layers
    return tf_keras.Sequential([
        layers.DepthwiseConv2D(5, padding="same", activation="relu6", bias_initializer="ones"),
        layers.DepthwiseConv2D(5, strides=2, padding="same", use_bias=False),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.DepthwiseConv2D(3, dilation_rate=2, padding="same"),
        layers.DepthwiseConv2D(3, padding="valid"),
        layers.DepthwiseConv2D(4, padding="same"),
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
    ])  # fmt: skip


def _loss_and_gradients(network, images):
    @tf.function
    def run():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(network(images)))
        return loss, tape.gradient(loss, network.trainable_variables)

    return run()


def test_a_network_computes_the_same_and_names_its_weights_the_same(network):
    images = tf.random.stateless_normal([2, 16, 12, 4], [1, 2])
    loss, gradients = _loss_and_gradients(network, images)
    names = [variable.name for variable in network.variables]

    assert use_quick_gradients(network) == 3
    quick_loss, quick_gradients = _loss_and_gradients(network, images)

    assert [variable.name for variable in network.variables] == names
    np.testing.assert_allclose(quick_loss, loss, rtol=1e-5)
    for quick, expected in zip(quick_gradients, gradients, strict=True):
        np.testing.assert_allclose(quick, expected, atol=1e-5 * np.abs(expected).max())


def test_the_gradient_of_a_large_filter_is_a_forward_convolution(network):
    images = tf.random.stateless_normal([2, 16, 12, 4], [1, 2])
    network(images)
    use_quick_gradients(network)

    def step(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(images))
        return tape.gradient(loss, network.trainable_variables)

    graph = tf.function(step).get_concrete_function(tf.TensorSpec(images.shape)).graph
    slow = [op for op in graph.get_operations() if op.type.endswith("BackpropFilter")]

    # Of the five layers without a large filter of their own: those of 3 and 4, and no other.
    assert len(slow) == 5
    assert all(tf.get_static_value(op.inputs[1])[0] < 5 for op in slow)
