"""What we change about Keras layers that exist already, in the only place that does so.

Keras documents how to subclass a layer. Model Garden builds the network, so that its layers are
there before we can: what one of them does is replaced on the object. Nothing promises that Keras
goes on reading these attributes; tests/tfseg/modeling/test_keras_compat.py sees each replacement
take effect.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import tensorflow as tf
import tf_keras

Layer: TypeAlias = tf_keras.layers.Layer


def layers_of(model: tf_keras.Model) -> list[Layer]:
    """The model and every layer in it, also those inside of layers and models.

    `model.layers` has the outermost only. This is the public way to what Keras's own
    _flatten_layers gives.
    """
    return [model, *(part for part in model.submodules if isinstance(part, tf_keras.layers.Layer))]


def replace_call(layer: Layer, function: Callable) -> None:
    """Has `layer(...)` return what `function` makes of the arguments of `layer.call`.

    No public way: a layer cannot be exchanged for another one within a model that is built, and the
    checkpoint names its weights after the layer. Layer.__call__ must look `call` up on the object
    each time; were it bound when the layer is made, folded normalizations would be computed twice
    and gradients be slow, both without an error.
    """
    layer.call = function


def replaced_call(layer: Layer) -> Callable | None:
    """What replace_call put there, or Keras itself for a TensorFlow operation; None for neither."""
    return vars(layer).get("call")


@contextlib.contextmanager
def calls_replaced(functions: Iterable[tuple[Layer, Callable]]) -> Iterator[None]:
    """Replaces calls inside the context; see replace_call."""
    with _replaced("call", functions):
        yield


def replace_convolution_op(layer: tf_keras.layers.Conv2D, function: Callable) -> None:
    """Has a convolution compute `function(inputs, kernel)`; bias and activation stay its own.

    Keras documents `convolution_op` for subclasses alone (see replace_call why that is not enough).
    Conv2D.call must go through it; did it not, padding would be TensorFlow's again and weights of
    PyTorch be applied to cells beside the right ones.
    """
    layer.convolution_op = function


@contextlib.contextmanager
def convolution_ops_replaced(functions: Iterable[tuple[Layer, Callable]]) -> Iterator[None]:
    """Replaces convolutions inside the context; see replace_convolution_op."""
    with _replaced("convolution_op", functions):
        yield


def replace_pool_function(layer: tf_keras.layers.MaxPooling2D, function: Callable) -> None:
    """Has a pooling layer compute `function(inputs, ksize, strides, padding, data_format)`.

    They are tf.nn.max_pool2d's. MaxPooling2D gives its function to a base class that is not
    documented, which keeps it in this attribute. Were that renamed, pooling would pad as TensorFlow
    does, and PyTorch's weights see cells beside the right ones.
    """
    layer.pool_function = function


def replace_strides(layer: tf_keras.layers.Conv2D, strides: tuple[int, int]) -> None:
    """Changes the strides of a convolution that is built.

    They are an argument of the constructor; the layer must read the attribute each time it is
    called. Otherwise Detectron2's weights would see a grid that is shifted within its blocks.
    """
    layer.strides = strides


def forget_input_spec(layer: Layer) -> None:
    """Lets a layer take inputs of other shapes than it was built for.

    `input_spec` is documented as what a subclass sets for itself. Were another check to take its
    place, the call would raise an error that names the shapes.
    """
    layer.input_spec = None


@contextlib.contextmanager
def any_input_shape(layers: Iterable[Layer]) -> Iterator[None]:
    """Lets layers and models take inputs of any shape inside the context; see forget_input_spec."""
    specs = [(layer, layer.input_spec) for layer in layers]
    for layer, _ in specs:
        forget_input_spec(layer)
    try:
        yield
    finally:
        for layer, spec in specs:
            layer.input_spec = spec


@contextlib.contextmanager
def _replaced(name: str, functions: Iterable[tuple[Layer, Callable]]) -> Iterator[None]:
    functions = list(functions)
    before = [(layer, vars(layer).get(name)) for layer, _ in functions]
    for layer, function in functions:
        setattr(layer, name, function)
    try:
        yield
    finally:
        for layer, own in before:
            delattr(layer, name)
            if own is not None:
                setattr(layer, name, own)


def synchronize(normalization: tf_keras.layers.BatchNormalization) -> None:
    """Has a batch normalization take its statistics over all replicas.

    Keras documents `synchronized` for the layer's making alone; what Model Garden has made is there
    already. Were the attributes not read at each call, replicas would go on by their own.
    """
    normalization.synchronized = True
    normalization.fused = False


def create_optimizer_variables(
    optimizer: tf_keras.optimizers.legacy.Optimizer, weights: list[tf.Variable]
) -> None:
    """Creates the variables that an optimizer keeps for each weight, and its own.

    No public way: a legacy optimizer, which Model Garden's are, creates them at its first step.
    Were this not what that step looks for, the step's function would be traced twice, and a
    training begin later.
    """
    optimizer._create_all_weights(weights)
