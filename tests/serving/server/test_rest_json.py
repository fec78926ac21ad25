import base64
import json
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving.servables.request_errors import RequestError
from serving.server.rest_json import json_from_response, request_from_json


def _signature(**dtypes):
    signature = meta_graph_pb2.SignatureDef()
    for name, dtype in dtypes.items():
        signature.inputs[name].dtype = tf.as_dtype(dtype).as_datatype_enum
    return signature


SIGNATURES = {
    "serving_default": _signature(image_bytes="string"),
    "with_score_threshold": _signature(image_bytes="string", score_threshold="float32"),
    "image_tensor": _signature(images="uint8"),
}
IMAGE = b"\xff\xd8 any bytes \x00"
B64 = {"b64": base64.b64encode(IMAGE).decode()}


def _inputs(body):
    request, by_row = request_from_json(json.dumps(body).encode(), SIGNATURES)
    return {name: tf.make_ndarray(t).tolist() for name, t in request.inputs.items()}, by_row


@pytest.mark.parametrize(
    ("body", "inputs", "by_row"),
    [
        ({"instances": [B64, "text"]}, {"image_bytes": [IMAGE, b"text"]}, True),
        ({"instances": [{"image_bytes": B64}]}, {"image_bytes": [IMAGE]}, True),
        ({"inputs": [B64]}, {"image_bytes": [IMAGE]}, False),
        ({"inputs": {"image_bytes": [B64]}}, {"image_bytes": [IMAGE]}, False),
        ({"inputs": []}, {"image_bytes": []}, False),
        (
            {
                "signature_name": "with_score_threshold",
                "instances": [{"image_bytes": B64, "score_threshold": 0.5}],
            },
            {"image_bytes": [IMAGE], "score_threshold": [0.5]},
            True,
        ),
        (
            {
                "signature_name": "with_score_threshold",
                "inputs": {"image_bytes": [B64], "score_threshold": [1]},
            },
            {"image_bytes": [IMAGE], "score_threshold": [1.0]},
            False,
        ),
        (
            {"signature_name": "image_tensor", "instances": [[[[1, 2, 255]]]]},
            {"images": [[[[1, 2, 255]]]]},
            True,
        ),
    ],
)
def test_request_from_json(body, inputs, by_row):
    assert _inputs(body) == (inputs, by_row)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\xff\x00", "JSON Parse error"),
        (b"[" * 100_000, "JSON Parse error"),
        (b"[]", "expected an object"),
        (b"{}", "exactly one of 'instances' and 'inputs'"),
        (b'{"instances": [], "inputs": []}', "exactly one of"),
        (b'{"instances": []}', "at least one instance"),
        (b'{"instances": 3}', "must be a list"),
        (b'{"instances": [{"b64": "%%%"}]}', "Unable to base64 decode input image_bytes"),
        (b'{"instances": [{"b64": 3}]}', "expected a string"),
        (b'{"instances": [["a"], "b"]}', "lists of them of equal length"),
        (b'{"instances": ["a"], "signature_name": "x"}', '"x" not found'),
        (b'{"instances": ["a"], "signature_name": "\\ud800"}', r'"\\ud800" not found'),
        (b'{"instances": [{"\\ud800": 1}]}', r"it has \\ud800"),
        (b'{"instances": ["a"], "signature_name": [1]}', "must be a string value"),
        (b'{"inputs": {"image_bytes": 3}}', "expected a string"),
        (b'{"signature_name": "with_score_threshold", "inputs": [1]}', "must be an object"),
        (
            b'{"signature_name": "with_score_threshold", "inputs": {"more": [1]}}',
            "Request has extra inputs: more",
        ),
        (b'{"signature_name": "image_tensor", "instances": [[[[256]]]]}', "outside 0..255"),
        (b'{"signature_name": "image_tensor", "instances": [[[[1.5]]]]}', "got fractions"),
        (b'{"signature_name": "image_tensor", "instances": [[[[true]]]]}', "got bool"),
        (b'{"signature_name": "image_tensor", "instances": [[[["a"]]]]}', "expected numbers"),
        (b'{"signature_name": "image_tensor", "instances": [[1], [1, 2]]}', "expected numbers"),
    ],
)
def test_request_from_json_refuses(body, message):
    with pytest.raises(RequestError, match=message) as caught:
        request_from_json(body, SIGNATURES)
    assert caught.value.code.name == "INVALID_ARGUMENT"


def _response(**arrays):
    response = predict_pb2.PredictResponse()
    for name, array in arrays.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
    return response


def test_json_from_response_by_row_and_by_column():
    response = _response(
        scores=np.array([[0.5], [0.25]], np.float32),
        ok=np.array([True, False]),
        names=np.array([[b"dress"], ["scarf/tïe".encode()]], object),
        photo_bytes=np.array([b"\xff", b""], object),
    )

    assert json.loads(json_from_response(response, by_row=True)) == {
        "predictions": [
            {"scores": [0.5], "ok": True, "names": ["dress"], "photo_bytes": {"b64": "/w=="}},
            {"scores": [0.25], "ok": False, "names": ["scarf/tïe"], "photo_bytes": {"b64": ""}},
        ]
    }
    assert json.loads(json_from_response(response, by_row=False))["outputs"]["names"] == [
        ["dress"],
        ["scarf/tïe"],
    ]


def test_json_from_response_one_output_is_bare():
    response = _response(ok=np.array([True, False]))

    assert json_from_response(response, by_row=True) == b'{"predictions": [true, false]}'
    assert json_from_response(response, by_row=False) == b'{"outputs": [true, false]}'


def test_json_from_response_rows_of_unequal_number():
    response = _response(a=np.zeros(2), b=np.zeros(3))

    with pytest.raises(RequestError, match="same size in their first dimension"):
        json_from_response(response, by_row=True)


@pytest.mark.parametrize("value", [b"{}", b"[]", b"1", b'""'])
def test_a_body_of_very_many_values_is_refused_before_it_is_unpacked(value):
    body = b'{"instances": [' + b",".join([value] * 2_100_000) + b"]}"
    tracemalloc.start()
    with pytest.raises(RequestError, match="more than 2,000,000 values; send .* over gRPC"):
        request_from_json(body, SIGNATURES)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**20


def test_deeply_nested_lists_are_refused():
    body = b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}"

    with pytest.raises(RequestError, match="nested too deeply|maximum supported dim"):
        request_from_json(body, SIGNATURES)
