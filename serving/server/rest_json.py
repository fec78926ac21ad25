"""TensorFlow Serving's REST bodies to and from its gRPC messages.

Format: https://www.tensorflow.org/tfx/serving/api_rest (row format `instances`, columnar `inputs`;
bytes as {"b64": "..."}).
"""

import base64
import binascii
import json
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving.protocol.tensors import array_from_tensor, set_tensor
from serving.servables.request_errors import RequestError, invalid_argument
from tfseg.io.photo_files import kind_of

_MAX_VALUES = 2_000_000
_BYTES_SUFFIX = "_bytes"  # outputs of such a name are written as base64


def request_from_json(
    body: bytes, signatures: Mapping[str, meta_graph_pb2.SignatureDef]
) -> tuple[predict_pb2.PredictRequest, bool]:
    """Reads a :predict body.

    Args:
        body: The json.
        signatures: Of the version that is asked.

    Returns:
        The request, its model_spec with the signature's name only; and whether it is in row format.

    Raises:
        RequestError: INVALID_ARGUMENT where it is not such a body.
    """
    kind = kind_of(body)
    if kind:
        raise invalid_argument(
            f"JSON Parse error: got {kind} in the body, expected json such as "
            '{"instances": [{"b64": "..."}]}'
        )
    # Before anything is unpacked: a value of three bytes is an object of sixty.
    if sum(body.count(mark) for mark in b",[{") > _MAX_VALUES:
        raise invalid_argument(
            f"JSON Value: more than {_MAX_VALUES:,} values; send large tensors over gRPC"
        )
    try:
        content = json.loads(body)
    except ValueError as error:
        raise invalid_argument(f"JSON Parse error: {error}") from error
    except RecursionError as error:
        raise invalid_argument("JSON Parse error: it is nested too deeply") from error
    if not isinstance(content, dict):
        raise invalid_argument("JSON Value: expected an object")
    if ("instances" in content) == ("inputs" in content):
        raise invalid_argument("JSON Value: expected exactly one of 'instances' and 'inputs'")
    request = predict_pb2.PredictRequest()
    name = content.get("signature_name", "serving_default")
    if not isinstance(name, str):
        raise invalid_argument("'signature_name' key must be a string value.")
    if name not in signatures:
        raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
    request.model_spec.signature_name = name
    infos = signatures[name].inputs
    by_row = "instances" in content
    read = _inputs_from_rows if by_row else _inputs_from_columns
    try:
        for alias, value in read(content["instances" if by_row else "inputs"], infos).items():
            set_tensor(request.inputs[alias], _array(alias, value, infos[alias]))
    except RecursionError as error:
        raise invalid_argument("JSON Value: it is nested too deeply") from error
    return request, by_row


def _inputs_from_columns(inputs, infos) -> dict:
    if len(infos) == 1 and not (isinstance(inputs, dict) and set(inputs) == set(infos)):
        [alias] = infos
        if isinstance(inputs, dict) and set(inputs) != {"b64"}:
            got = ", ".join(sorted(inputs)) or "none"
            raise invalid_argument(f"Missing named input: {alias} in 'inputs' object; it has {got}")
        return {alias: inputs}
    if not isinstance(inputs, dict):
        raise invalid_argument("'inputs' must be an object, for the signature has several inputs")
    _check_names(inputs, infos)
    return inputs


def _inputs_from_rows(rows, infos) -> dict:
    if not isinstance(rows, list) or not rows:
        raise invalid_argument("'instances' must be a list with at least one instance")
    if len(infos) == 1:
        [alias] = infos
        return {alias: [_only_input(row, alias, index) for index, row in enumerate(rows)]}
    columns: dict[str, list] = {alias: [] for alias in infos}
    for row in rows:
        if not isinstance(row, dict) or set(row) != set(infos):
            raise invalid_argument(f"each instance must be an object with {sorted(infos)}")
        for alias, value in row.items():
            columns[alias].append(value)
    return columns


def _only_input(row, alias: str, index: int):
    """The value of a signature's only input, which a row may name."""
    if not isinstance(row, dict) or set(row) == {"b64"}:
        return row
    if set(row) != {alias}:
        raise invalid_argument(
            f"Failed to process element: {index} of 'instances' list. JSON object: does not have "
            f"named input: {alias}; it has {', '.join(sorted(row)) or 'none'}"
        )
    return row[alias]


def _check_names(inputs: dict, infos) -> None:
    for alias in inputs:
        if alias not in infos:
            raise invalid_argument(f"Request has extra inputs: {alias}")


def _array(alias: str, value, info: meta_graph_pb2.TensorInfo) -> np.ndarray:
    """One input as an array of its signature's dtype."""
    if info.dtype == tf.string.as_datatype_enum:
        flat: list[bytes] = []
        shape = _read_texts(alias, value, flat)
        array = np.empty(len(flat), object)
        array[:] = flat
        return array.reshape(shape)
    dtype = tf.as_dtype(info.dtype).as_numpy_dtype
    try:
        array = np.array(value)
        kinds = "iuf" if dtype != np.bool_ else "biuf"
        if array.dtype.kind not in kinds and array.size:
            raise ValueError(f"got {array.dtype}")
        is_whole = array.dtype.kind != "f" or np.array_equal(array, np.rint(array))
        if not is_whole and not np.issubdtype(dtype, np.floating):
            raise ValueError("got fractions")
        if array.size and np.issubdtype(dtype, np.integer):
            limits = np.iinfo(dtype)
            if array.min() < limits.min or array.max() > limits.max:
                raise ValueError(f"a value is outside {limits.min}..{limits.max}")
        return array.astype(dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid_argument(
            f"input {alias}: expected numbers of type {np.dtype(dtype)}, every list of one "
            f"length ({error})"
        ) from error


def _read_texts(alias: str, value, flat: list[bytes]) -> tuple[int, ...]:
    """Appends the strings of a nested list in order; returns its shape."""
    if isinstance(value, str):
        flat.append(value.encode("utf-8", "surrogatepass"))
        return ()
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            flat.append(base64.b64decode(value["b64"], validate=True))
        except (binascii.Error, ValueError) as error:
            raise invalid_argument(f"Unable to base64 decode input {alias}: {error}") from error
        return ()
    if isinstance(value, list):
        shapes = {_read_texts(alias, item, flat) for item in value}
        if len(shapes) <= 1:
            return (len(value), *(shapes.pop() if shapes else ()))
    raise invalid_argument(
        f'input {alias}: expected a string, {{"b64": "..."}}, or lists of them of equal length'
    )


def json_from_response(response: predict_pb2.PredictResponse, by_row: bool) -> bytes:
    """Writes a :predict answer: {"predictions": [...]} by row, else {"outputs": ...}.

    Raises:
        RequestError: FAILED_PRECONDITION where an output has no first dimension to be split by.
    """
    arrays = {name: array_from_tensor(tensor) for name, tensor in response.outputs.items()}
    if not by_row:
        columns = {name: _plain(name, array) for name, array in arrays.items()}
        outputs = next(iter(columns.values())) if len(columns) == 1 else columns
        return json.dumps({"outputs": outputs}).encode()
    sizes = {array.shape[0] for array in arrays.values() if array.ndim}
    if len(sizes) != 1 or not all(array.ndim for array in arrays.values()):
        raise RequestError.from_code_number(
            9, "Tensors must have the same size in their first dimension; use 'inputs' instead"
        )
    rows = [
        {name: _plain(name, array[index, ...]) for name, array in arrays.items()}
        for index in range(sizes.pop())
    ]
    if len(arrays) == 1:
        rows = [next(iter(row.values())) for row in rows]
    return json.dumps({"predictions": rows}).encode()


def _plain(name: str, array: np.ndarray):
    """Numbers, bools and text as json has them."""
    if array.dtype != object:
        return array.tolist()
    if array.ndim:
        return [_plain(name, np.asarray(item, object)) for item in array]
    value = array.item()
    if name.endswith(_BYTES_SUFFIX):
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.decode("utf-8", "replace")
