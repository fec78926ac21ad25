"""Answers a PredictRequest from a loaded version, with TensorFlow Serving's checks and messages.

The order of the checks and their wording follow
tensorflow_serving/servables/tensorflow/predict_util.cc, so that clients cannot tell the two apart.
"""

from collections.abc import Iterable, Mapping

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving.protocol.tensors import array_from_tensor, set_tensor
from serving.servables.model_store import ServedVersion
from serving.servables.request_errors import RequestError, invalid_argument

DEFAULT_SIGNATURE = "serving_default"
# A guard for whatever model is served; those of tfseg.export have a lower one of their own.
MAX_IMAGES = 1024
_METHODS = tuple(f"tensorflow/serving/{kind}" for kind in ("predict", "classify", "regress"))


def predict(
    served: ServedVersion, request: predict_pb2.PredictRequest, timeout_s: float | None = None
) -> predict_pb2.PredictResponse:
    """Runs the request's signature and returns its outputs, or those of output_filter.

    Args:
        served: The version to run.
        request: Its model_spec's signature_name counts, its name is repeated in the answer.
        timeout_s: The graph is stopped after so long; None lets it finish.

    Raises:
        RequestError: FAILED_PRECONDITION for an unknown signature; INVALID_ARGUMENT for a missing,
            extra, unreadable or wrongly shaped input and for an unknown or repeated output_filter;
            else what the graph itself reports.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    if name not in served.signatures:
        raise RequestError(
            grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
        )
    signature = served.signatures[name]
    if signature.method_name not in _METHODS:
        raise RequestError(
            grpc.StatusCode.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{', '.join(_METHODS)}}}. "
            f"Was: {signature.method_name}",
        )
    feeds = _feeds_from_inputs(signature, request.inputs)
    aliases = _requested_outputs(signature, request.output_filter)
    values = served.run(feeds, [signature.outputs[alias].name for alias in aliases], timeout_s)

    response = predict_pb2.PredictResponse()
    response.model_spec.name = request.model_spec.name
    response.model_spec.version.value = served.version
    response.model_spec.signature_name = name
    for alias, value in zip(aliases, values, strict=True):
        try:
            set_tensor(response.outputs[alias], value)
        except ValueError as error:
            raise RequestError(grpc.StatusCode.UNIMPLEMENTED, f"output {alias}: {error}") from error
    return response


def _feeds_from_inputs(
    signature: meta_graph_pb2.SignatureDef, inputs: Mapping[str, tensor_pb2.TensorProto]
) -> dict[str, np.ndarray]:
    """Tensor name -> array for every input of the signature, its defaults filled in."""
    expected, sent = set(signature.inputs), set(inputs)
    missing = expected - sent - set(signature.defaults)
    if len(sent) != len(expected) and (missing or sent - expected):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(expected)} "
            f"len({_braced(sent)}) != len({_braced(expected)}). "
            f"Sent extra: {_braced(sent - expected)}. Missing but required: {_braced(missing)}."
        )
    feeds = {}
    for index, alias in enumerate(sorted(sent)):
        if alias not in expected:
            raise invalid_argument(
                f"input tensor alias not found in signature: {alias}. "
                f"Inputs expected to be in the set {_braced(expected)}."
            )
        try:
            value = array_from_tensor(inputs[alias])
        except ValueError as error:
            raise invalid_argument(f"tensor parsing error: {alias} ({error})") from error
        _check_input(index, alias, inputs[alias].dtype, value.shape, signature.inputs[alias])
        feeds[signature.inputs[alias].name] = value
    for alias in expected - sent:
        feeds[signature.inputs[alias].name] = tf.make_ndarray(signature.defaults[alias])
    return feeds


def _check_input(
    index: int,
    alias: str,
    dtype: int,
    shape: tuple[int, ...],
    expected: meta_graph_pb2.TensorInfo,
) -> None:
    """Refuses another dtype or shape than the signature's before the graph sees it."""
    if dtype != expected.dtype:
        raise invalid_argument(
            f"Expects arg[{index}] to be {_type_name(expected.dtype)} "
            f"but {_type_name(dtype)} is provided"
        )
    expected_shape = tf.TensorShape(expected.tensor_shape)
    if not expected_shape.is_compatible_with(shape):
        raise invalid_argument(
            f"input {alias} has shape {list(shape)}, but the signature expects {expected_shape}"
        )
    if shape and expected_shape.rank and expected_shape[0] is None and shape[0] > MAX_IMAGES:
        raise invalid_argument(
            f"input {alias} has {shape[0]} images; at most {MAX_IMAGES} are taken, send fewer"
        )


def _type_name(dtype: int) -> str:
    """TensorFlow's C++ name of a dtype, which says float where Python says float32."""
    name = tf.as_dtype(dtype).name
    return {"float32": "float", "float64": "double", "float16": "half"}.get(name, name)


def _requested_outputs(
    signature: meta_graph_pb2.SignatureDef, output_filter: Iterable[str]
) -> list[str]:
    """The output aliases to compute: those asked for, or all in alphabetical order."""
    aliases: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_braced(signature.outputs)}."
            )
        if alias in aliases:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        aliases.append(alias)
    return aliases or sorted(signature.outputs)


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
