"""Optimizers as recipes describe them."""

import pytest
import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg
from official.modeling import optimization

from tfseg.checkpoint import optimizers


def make(average_decay, dtype):
    described = {
        "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9}},
        "learning_rate": {"type": "constant", "constant": {"learning_rate": 0.1}},
    }
    if average_decay:
        described["ema"] = {"average_decay": average_decay}
    model = tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,))])
    optimizer = optimizers.build_optimizer(
        optimization.OptimizationConfig(described), cfg.RuntimeConfig(mixed_precision_dtype=dtype)
    )
    if average_decay:
        optimizers.averages_of(optimizer).shadow_copy(model)
    return model, optimizer


def first_step(model, optimizer):
    """Steps once in a graph; returns how often it was traced."""
    traces = []

    @tf.function
    def step():
        traces.append(1)
        gradients = [tf.ones_like(weight) for weight in model.trainable_variables]
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    step()
    return len(traces)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("average_decay", [None, 0.5])
def test_a_step_is_traced_once_where_the_variables_are_there(average_decay, dtype):
    model, optimizer = make(average_decay, dtype)
    assert first_step(model, optimizer) == 2

    model, optimizer = make(average_decay, dtype)
    optimizers.create_variables(optimizer, model.trainable_variables)
    before = [weight.numpy() for weight in model.trainable_variables]
    assert first_step(model, optimizer) == 1
    assert int(optimizer.iterations) == 1
    for weight, old in zip(model.trainable_variables, before, strict=True):
        assert weight.numpy() == pytest.approx(old - 0.1)
