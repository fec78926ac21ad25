import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving.protocol import tf_serving_pb2 as ours
from serving.protocol.tensors import array_from_tensor, set_tensor

DTYPES = ["f4", "f8", "i4", "u1", "i2", "i1", "i8", "?", "u2", "f2", "u4", "u8"]


def _strings(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@pytest.mark.parametrize("message", [ours.TensorProto, tensor_pb2.TensorProto])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tensor_round_trip_through_tensorflow(message, dtype):
    array = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    tensor = message()

    set_tensor(tensor, array)

    read = tf.make_ndarray(tensor_pb2.TensorProto.FromString(tensor.SerializeToString()))
    assert read.dtype == array.dtype and read.tolist() == array.tolist()
    back = array_from_tensor(tensor)
    assert back.dtype == array.dtype and back.tolist() == array.tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_array_from_tensor_reads_value_fields(dtype):
    field = {"f4": "float_val", "f8": "double_val", "i8": "int64_val", "?": "bool_val"}
    field |= {"f2": "half_val", "u4": "uint32_val", "u8": "uint64_val"}
    tensor = ours.TensorProto(dtype=tf.as_dtype(np.dtype(dtype)).as_datatype_enum)
    tensor.tensor_shape.dim.add().size = 3
    values = [0, 0x3C00, 0x4000] if dtype == "f2" else [0, 1, 1]
    getattr(tensor, field.get(dtype, "int_val")).extend(values)

    assert array_from_tensor(tensor).tolist() == ([0, 1, 2] if dtype == "f2" else [0, 1, 1])


def test_array_from_tensor_repeats_the_last_value():
    tensor = ours.TensorProto(dtype=ours.DT_FLOAT, float_val=[0.5, 0.25])
    tensor.tensor_shape.dim.add().size = 4

    assert array_from_tensor(tensor).tolist() == [0.5, 0.25, 0.25, 0.25]


def test_array_from_tensor_without_values_is_zero():
    tensor = ours.TensorProto(dtype=ours.DT_INT32)
    tensor.tensor_shape.dim.add().size = 2

    assert array_from_tensor(tensor).tolist() == [0, 0]


def test_array_from_tensor_wraps_large_values_as_tensorflow_does():
    tensor = tensor_pb2.TensorProto(dtype=4, int_val=[300])
    tensor.tensor_shape.dim.add().size = 1

    assert array_from_tensor(tensor).tolist() == [44]


def test_set_tensor_of_strings_keeps_the_shape():
    tensor = ours.TensorProto()

    set_tensor(tensor, _strings(b"a", b"", b"c", b"d").reshape(2, 2))

    assert tensor.string_val == [b"a", b"", b"c", b"d"]
    assert array_from_tensor(tensor).tolist() == [[b"a", b""], [b"c", b"d"]]


def test_set_tensor_of_no_strings():
    tensor = ours.TensorProto()

    set_tensor(tensor, np.empty((0,), dtype=object))

    assert array_from_tensor(tensor).shape == (0,)


@pytest.mark.parametrize(
    ("fields", "sizes", "message"),
    [
        ({"dtype": 14}, [1], "dtype number 14 is not supported"),
        ({"dtype": 1}, [-1], r"shape \[-1\] is not fully defined"),
        ({"dtype": 1, "float_val": [1, 2, 3]}, [2], r"\[2\] holds 2 values, but 3 were sent"),
        ({"dtype": 1, "tensor_content": b"12345"}, [1], "5 bytes, not a multiple of 4"),
        ({"dtype": 1, "tensor_content": b"12345678"}, [3], "holds 3 values, but 2 were sent"),
        ({"dtype": 7, "string_val": [b"a"]}, [1 << 24], "16777216 values, but 1 were sent"),
        ({"dtype": 7}, [2], "holds 2 values, but 0 were sent"),
        ({"dtype": 1, "float_val": [1]}, [10**12], "asks for 999999999999 repeated values"),
    ],
)
def test_array_from_tensor_refuses(fields, sizes, message):
    tensor = tensor_pb2.TensorProto(**fields)
    for size in sizes:
        tensor.tensor_shape.dim.add().size = size

    with pytest.raises(ValueError, match=message):
        array_from_tensor(tensor)


def test_set_tensor_refuses_an_unknown_dtype():
    with pytest.raises(ValueError, match="dtype bfloat16 cannot be sent"):
        set_tensor(ours.TensorProto(), np.zeros(2, ml_dtypes.bfloat16))
