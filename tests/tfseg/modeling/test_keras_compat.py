"""That the installed Keras still does what keras_compat relies on."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tfseg.modeling import keras_compat

layers = tf_keras.layers
IMAGE = tf.random.stateless_normal([1, 6, 6, 2], [1, 2])


class Nested(layers.Layer):
    """A layer that holds others as Model Garden's heads do."""

    def __init__(self):
        super().__init__()
        self._first = layers.Dense(3)
        self._by_level = [[layers.Dense(3)], [layers.BatchNormalization()]]

    def call(self, inputs):
        return self._by_level[1][0](self._by_level[0][0](self._first(inputs)))


def functional(*parts) -> tf_keras.Model:
    inputs = output = layers.Input(IMAGE.shape[1:])
    for part in parts:
        output = part(output)
    return tf_keras.Model(inputs, output)


def run(model, image=IMAGE):
    """Eagerly, and in a graph made anew."""
    eager, graph = model(image), tf.function(lambda one: model(one))(image)
    np.testing.assert_allclose(eager, graph, atol=1e-6)
    return eager


def test_layers_of_finds_what_lies_within_layers():
    inner = tf_keras.Sequential([layers.Conv2D(4, 1)])
    model = functional(layers.Conv2D(3, 1), Nested(), inner)
    types = sorted(type(one).__name__ for one in keras_compat.layers_of(model))

    within = ["BatchNormalization", "Conv2D", "Conv2D", "Dense", "Dense"]
    assert types == [*within, "Functional", "InputLayer", "InputLayer", "Nested", "Sequential"]


def test_a_replaced_call_is_called_where_the_layers_own_was():
    layer = layers.Conv2D(2, 1)
    model = functional(layer, layers.ReLU())
    before = run(model)
    assert keras_compat.replaced_call(layer) is None

    def call(inputs):
        return 3.0 * inputs

    keras_compat.replace_call(layer, call)

    assert keras_compat.replaced_call(layer) is call
    np.testing.assert_allclose(run(model), np.maximum(3 * IMAGE, 0), atol=1e-6)
    assert np.abs(run(model) - before).max() > 0.1


def test_calls_are_replaced_inside_the_context_alone():
    plain, replaced = layers.Conv2D(2, 1), layers.Conv2D(2, 1)
    model = functional(plain, replaced)
    keras_compat.replace_call(replaced, lambda inputs: 2.0 * inputs)
    before = run(model)

    with keras_compat.calls_replaced([(plain, lambda x: x + 1), (replaced, lambda x: 5 * x)]):
        np.testing.assert_allclose(run(model), 5 * (IMAGE + 1), atol=1e-5)

    np.testing.assert_array_equal(run(model), before)
    assert "call" not in vars(plain)


def test_an_operation_of_tensorflow_gets_its_own_call_back():
    inputs = layers.Input(IMAGE.shape[1:])
    model = tf_keras.Model(inputs, tf.nn.relu(inputs))
    operation = model.layers[-1]

    with keras_compat.calls_replaced([(operation, lambda x, **_: -x)]):
        np.testing.assert_array_equal(run(model), -IMAGE)

    np.testing.assert_array_equal(run(model), np.maximum(IMAGE, 0))


def test_a_replaced_convolution_keeps_bias_and_activation():
    layer = layers.Conv2D(2, 3, padding="same", activation="relu", bias_initializer="ones")
    model = functional(layer)
    before = run(model)
    assert list(inspect.signature(layer.convolution_op).parameters) == ["inputs", "kernel"]

    with keras_compat.convolution_ops_replaced([(layer, lambda inputs, kernel: 2 * inputs)]):
        np.testing.assert_allclose(run(model), np.maximum(2 * IMAGE + 1, 0), atol=1e-6)
    np.testing.assert_array_equal(run(model), before)

    keras_compat.replace_convolution_op(layer, lambda inputs, kernel: -inputs)
    np.testing.assert_allclose(run(model), np.maximum(1 - IMAGE, 0), atol=1e-6)


def test_a_replaced_pool_function_is_used():
    layer = layers.MaxPooling2D(3, 2, padding="same")
    model = functional(layer)
    assert run(model).shape == (1, 3, 3, 2)
    asked = {}

    def pool(inputs, ksize, strides, padding, data_format):
        asked.update(ksize=ksize, strides=strides, padding=padding, data_format=data_format)
        return inputs[:, :1]

    keras_compat.replace_pool_function(layer, pool)

    np.testing.assert_array_equal(run(model), IMAGE[:, :1])
    assert asked == {
        "ksize": (1, 3, 3, 1),
        "strides": (1, 2, 2, 1),
        "padding": "SAME",
        "data_format": "NHWC",
    }


def test_strides_can_be_changed_after_the_layer_is_built():
    layer = layers.Conv2D(2, 1)
    whole = layer(IMAGE)

    keras_compat.replace_strides(layer, (2, 2))

    np.testing.assert_allclose(layer(IMAGE), whole[:, ::2, ::2], atol=1e-6)


def test_any_input_shape_lets_a_model_take_another_size():
    model = functional(layers.Conv2D(2, 1))
    other = tf.ones([1, 4, 8, 2])
    with pytest.raises(ValueError, match="incompatible with the layer"):
        model(other)

    with keras_compat.any_input_shape([model]):
        assert model(other).shape == (1, 4, 8, 2)

    with pytest.raises(ValueError, match="incompatible with the layer"):
        model(other)


def test_a_layer_forgets_its_number_of_channels():
    layer = layers.BatchNormalization()
    layer(IMAGE)
    keras_compat.replace_call(layer, lambda inputs, **_: inputs)
    with pytest.raises(ValueError, match="incompatible with the layer"):
        layer(tf.ones([1, 6, 6, 5]))

    keras_compat.forget_input_spec(layer)

    assert layer(tf.ones([1, 6, 6, 5])).shape == (1, 6, 6, 5)
