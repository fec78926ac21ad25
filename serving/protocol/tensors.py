"""numpy arrays to and from TensorProto messages, TensorFlow's own or ours: same field names."""

import math
from typing import Any

import numpy as np

# DataType number (tensorflow/core/framework/types.proto) -> little-endian dtype, value field.
_WIRE_TYPES = {
    1: ("<f4", "float_val"),
    2: ("<f8", "double_val"),
    3: ("<i4", "int_val"),
    4: ("u1", "int_val"),
    5: ("<i2", "int_val"),
    6: ("i1", "int_val"),
    7: ("O", "string_val"),
    9: ("<i8", "int64_val"),
    10: ("?", "bool_val"),
    17: ("<u2", "int_val"),
    19: ("<f2", "half_val"),
    22: ("<u4", "uint32_val"),
    23: ("<u8", "uint64_val"),
}
_FIELD_TYPES = {
    "float_val": "f4",
    "double_val": "f8",
    "int_val": "i4",
    "int64_val": "i8",
    "bool_val": "?",
    "uint32_val": "u4",
    "uint64_val": "u8",
}
_TYPE_NUMBERS = {np.dtype(dtype): number for number, (dtype, _) in _WIRE_TYPES.items()}

# A message of 20 bytes can ask for one value repeated to any shape; more than this is refused, and
# of strings any: no client repeats photos.
MAX_REPEATED_VALUES = 1 << 24


def array_from_tensor(tensor: Any) -> np.ndarray:
    """Reads a TensorProto, whichever of its two forms the sender chose.

    Args:
        tensor: A TensorProto of tensorflow.core.framework or of serving.tf_serving_pb2. Values are
            in tensor_content or in the *_val field; where numbers are fewer than the shape asks for
            the last one repeats (tensorflow/core/framework/tensor.proto).

    Returns:
        Array of the tensor's dtype and shape; strings as dtype object holding bytes. May be
        read-only.

    Raises:
        ValueError: A dtype not served here, a shape that is not fully known, or more or fewer
            values than the shape holds.
    """
    if tensor.dtype not in _WIRE_TYPES:
        raise ValueError(f"tensor dtype number {tensor.dtype} is not supported")
    dtype, field = _WIRE_TYPES[tensor.dtype]
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError(f"tensor shape {list(shape)} is not fully defined")
    num_values = math.prod(shape)
    if tensor.tensor_content and dtype != "O":
        flat = np.frombuffer(tensor.tensor_content, dtype=_whole_items(tensor, dtype))
    else:
        flat = _array_of_values(tensor, field, dtype, num_values)
    if flat.size != num_values:
        raise ValueError(
            f"tensor shape {list(shape)} holds {num_values} values, but {flat.size} were sent"
        )
    return flat.reshape(shape)


def _whole_items(tensor: Any, dtype: str) -> np.dtype:
    """The dtype, once it is known to divide tensor_content evenly."""
    item = np.dtype(dtype)
    if len(tensor.tensor_content) % item.itemsize:
        raise ValueError(
            f"tensor_content has {len(tensor.tensor_content)} bytes, not a multiple of "
            f"{item.itemsize} for dtype {item}"
        )
    return item


def _array_of_values(tensor: Any, field: str, dtype: str, num_values: int) -> np.ndarray:
    """Flat array of a *_val field, the last number (or zero) repeated up to num_values."""
    values = getattr(tensor, field)
    if dtype == "O":
        flat = np.empty(len(values), dtype=object)
        flat[:] = values
        return flat
    num_missing = num_values - len(values)
    if num_missing > MAX_REPEATED_VALUES:
        raise ValueError(f"tensor asks for {num_missing} repeated values; send them all instead")
    if field == "half_val":
        flat = np.array(values, dtype="<u2").view("<f2")
    else:  # a value too large for the dtype wraps around, as in TensorFlow
        flat = np.array(values, dtype=_FIELD_TYPES[field]).astype(dtype, copy=False)
    if num_missing <= 0:
        return flat
    last = flat[-1] if flat.size else 0
    filler = np.full(num_missing, last, dtype=flat.dtype)
    return np.concatenate([flat, filler])


def set_tensor(tensor: Any, array: np.ndarray) -> None:
    """Fills an empty TensorProto; numbers go to tensor_content, strings to string_val.

    Args:
        tensor: An empty TensorProto, as in array_from_tensor.
        array: Numbers, bools, or dtype object holding bytes; any shape.

    Raises:
        ValueError: A dtype not served here.
    """
    array = np.asarray(array)
    number = _TYPE_NUMBERS.get(array.dtype.newbyteorder("<"))
    if number is None:
        raise ValueError(f"arrays of dtype {array.dtype} cannot be sent; strings need dtype object")
    tensor.dtype = number
    for size in array.shape:
        tensor.tensor_shape.dim.add().size = size
    if number == 7:
        tensor.string_val.extend(array.ravel().tolist())
    else:
        tensor.tensor_content = array.astype(_WIRE_TYPES[number][0], copy=False).tobytes()
