import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tfseg.ops import winograd


@pytest.mark.parametrize("shape", [(1, 8, 12, 5), (3, 7, 1, 2), (2, 13, 10, 3), (1, 1, 1, 1)])
def test_convolve_equals_tensorflows(shape):
    features = tf.random.stateless_normal(shape, [1, 2])
    kernel = tf.random.stateless_normal([3, 3, shape[-1], 4], [3, 4])
    expected = tf.nn.conv2d(features, kernel, 1, "SAME")

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, shape[-1]])])
    def convolve(features):
        return winograd.convolve(features, winograd.transform_kernel(kernel))

    result = convolve(features)

    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=2e-5 * np.abs(expected).max())


def test_is_quicker():
    def layer(num_channels=256, filters=256, **options):
        convolution = tf_keras.layers.Conv2D(
            filters, **{"kernel_size": 3, "padding": "same", **options}
        )
        convolution.build([None, 8, 8, num_channels])
        return convolution

    assert winograd.is_quicker(layer(), (64, 64))
    assert not winograd.is_quicker(layer(), (32, 32))
    assert not winograd.is_quicker(layer(num_channels=64), (64, 64))
    assert not winograd.is_quicker(layer(filters=64), (64, 64))
    for other in ({"kernel_size": 1}, {"strides": 2}, {"dilation_rate": 2}, {"padding": "valid"}):
        assert not winograd.is_quicker(layer(**other), (64, 64))


def test_choose_by_device(monkeypatch):
    def choose():
        return tf.function(lambda: winograd.choose_by_device(lambda: 1.0, lambda: 2.0))()

    with tf.device("CPU"):
        assert choose() == 1.0
        device_index = tf.raw_ops.DeviceIndex  # as on a GPU: the index behind the last
        monkeypatch.setattr(
            tf.raw_ops, "DeviceIndex", lambda device_names: device_index(device_names=["GPU"])
        )
        assert choose() == 2.0


def test_convolve_stays_float32_where_the_rest_becomes_bfloat16():
    features = tf.random.stateless_normal([1, 64, 64, 32], [1, 2])
    kernel = tf.random.stateless_normal([3, 3, 32, 32], [3, 4])
    expected = tf.nn.conv2d(features, kernel, 1, "SAME")
    transformed = winograd.transform_kernel(kernel)
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
    try:
        result = tf.function(winograd.convolve)(features, transformed)
    finally:
        tf.config.optimizer.set_experimental_options(
            {"auto_mixed_precision_onednn_bfloat16": False, **options}
        )

    np.testing.assert_allclose(result, expected, atol=2e-5 * np.abs(expected).max())
