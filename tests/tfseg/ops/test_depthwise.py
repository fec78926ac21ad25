import numpy as np
import pytest
import tensorflow as tf

from tfseg.ops import depthwise


def _outputs_and_gradients(convolve, inputs, kernel, upstream):
    with tf.GradientTape() as tape:
        tape.watch((inputs, kernel))
        outputs = convolve(inputs, kernel)
    return outputs, *tape.gradient(outputs, (inputs, kernel), upstream)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("shape", [(2, 12, 10, 3), (3, 13, 9, 8), (1, 4, 3, 2), (2, 1, 6, 5)])
def test_outputs_and_gradients_are_tensorflows(shape, size, stride):
    inputs = tf.random.stateless_normal(shape, [1, 2])
    kernel = tf.random.stateless_normal([size, size, shape[-1], 1], [3, 4])
    strides = [1, stride, stride, 1]
    theirs = tf.nn.depthwise_conv2d(inputs, kernel, strides, "SAME")
    upstream = tf.random.stateless_normal(theirs.shape, [5, 6])

    @tf.function(input_signature=[tf.TensorSpec([None, *shape[1:]]), tf.TensorSpec(kernel.shape)])
    def ours(inputs, kernel):  # the number of photos is not known, as in a training
        return depthwise.depthwise_conv2d(inputs, kernel, stride)

    results = _outputs_and_gradients(ours, inputs, kernel, upstream)
    expected = _outputs_and_gradients(
        lambda x, k: tf.nn.depthwise_conv2d(x, k, strides, "SAME"), inputs, kernel, upstream
    )

    for result, truth in zip(results, expected, strict=True):
        assert result.shape == truth.shape
        np.testing.assert_allclose(result, truth, atol=1e-5 * np.abs(truth).max())
