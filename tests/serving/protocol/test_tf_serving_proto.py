"""Our small proto against TensorFlow Serving's own messages."""

import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from serving.protocol import tf_serving_pb2 as ours

PAIRS = [
    (ours.TensorProto, tensor_pb2.TensorProto),
    (ours.PredictRequest, predict_pb2.PredictRequest),
    (ours.PredictResponse, predict_pb2.PredictResponse),
    (ours.GetModelStatusRequest, get_model_status_pb2.GetModelStatusRequest),
    (ours.GetModelStatusResponse, get_model_status_pb2.GetModelStatusResponse),
]
ENUM, INT32 = 14, 5  # the same varint on the wire


def _fields(descriptor, only=None):
    """{(path, ...): (number, type, repeated)} of all fields, nested messages included."""
    fields = {}
    for field in descriptor.fields:
        if only is not None and not any(path[0] == field.name for path in only):
            continue
        kind = INT32 if field.type == ENUM else field.type
        fields[(field.name,)] = (field.number, kind, field.is_repeated)
        if field.message_type is not None:
            inner = only and {path[1:] for path in only if path[0] == field.name and path[1:]}
            for path, value in _fields(field.message_type, inner).items():
                fields[(field.name, *path)] = value
    return fields


@pytest.mark.parametrize(("small", "full"), PAIRS, ids=lambda message: message.__module__)
def test_proto_fields_have_the_same_numbers_and_types(small, full):
    fields = _fields(small.DESCRIPTOR)

    assert fields == _fields(full.DESCRIPTOR, only=set(fields))


def test_proto_data_type_numbers_are_tensorflows():
    for name, number in ours.DataType.items():
        assert types_pb2.DataType.Value(name) == number


def test_proto_request_written_by_us_is_read_by_tensorflow_serving():
    request = ours.PredictRequest(output_filter=["scores"])
    request.model_spec.name = "fashion"
    request.model_spec.version.value = 0
    request.model_spec.signature_name = "serving_default"
    request.inputs["image_bytes"].dtype = ours.DT_STRING
    request.inputs["image_bytes"].tensor_shape.dim.add().size = 2
    request.inputs["image_bytes"].string_val.extend([b"a", b"\xff\x00"])

    read = predict_pb2.PredictRequest.FromString(request.SerializeToString())

    assert read.model_spec.name == "fashion"
    assert read.model_spec.HasField("version") and read.model_spec.version.value == 0
    assert read.output_filter == ["scores"]
    assert tf.make_ndarray(read.inputs["image_bytes"]).tolist() == [b"a", b"\xff\x00"]


def test_proto_response_written_by_tensorflow_serving_is_read_by_us():
    response = predict_pb2.PredictResponse()
    response.model_spec.version.value = 7
    response.outputs["scores"].CopyFrom(tf.make_tensor_proto([[0.5, 0.25]]))

    read = ours.PredictResponse.FromString(response.SerializeToString())

    assert read.model_spec.version.value == 7
    assert read.outputs["scores"].dtype == ours.DT_FLOAT
    assert [dim.size for dim in read.outputs["scores"].tensor_shape.dim] == [1, 2]
    assert read.SerializeToString(deterministic=True) == response.SerializeToString(
        deterministic=True
    )
