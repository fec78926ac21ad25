"""The embedded server as a process of its own, asked with tensorflow-serving-api's own stubs."""

import re
import shutil
import signal
import socket

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving.server_process import start_server

pytestmark = pytest.mark.slow

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.fixture
def channel(server_address):
    with grpc.insecure_channel(server_address, options=UNLIMITED) as channel:
        yield channel


@pytest.fixture
def predict(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    return lambda request: stub.Predict(request, timeout=30)


def _request(images=(b"no image",), model="fashion", **fields):
    request = predict_pb2.PredictRequest(**fields)
    request.model_spec.name = model
    tensor = tf.make_tensor_proto(list(images), dtype=tf.string, shape=[len(images)])
    request.inputs["image_bytes"].CopyFrom(tensor)
    return request


def _status(call, request):
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value.code().name, caught.value.details()


def test_predict_finds_the_blocks(predict, png_of_blocks):
    images = [
        png_of_blocks(20, 33, red=(3, 5, 9, 20), blue=(10, 7, 12, 8)),
        b"no image",
        png_of_blocks(7, 5, blue=(1, 0, 7, 5)),
    ]

    response = predict(_request(images))

    outputs = {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
    assert response.model_spec.name == "fashion"
    assert response.model_spec.version.value == 3
    assert response.model_spec.signature_name == "serving_default"
    assert sorted(outputs) == [
        "boxes_yxyx",
        "class_ids",
        "class_names",
        "error",
        "image_size_hw",
        "mask_rle",
        "num_detections",
        "ok",
        "scores",
    ]
    assert outputs["ok"].tolist() == [True, False, True]
    assert outputs["error"].tolist() == [b"", b"not a PNG or JPEG image", b""]
    assert outputs["num_detections"].tolist() == [2, 0, 1]
    assert outputs["boxes_yxyx"].tolist() == [
        [[3, 5, 9, 20], [10, 7, 12, 8]],
        [[0, 0, 0, 0], [0, 0, 0, 0]],
        [[1, 0, 7, 5], [0, 0, 0, 0]],
    ]
    assert outputs["class_names"].tolist() == [[b"dress", b"pants"], [b"", b""], [b"pants", b""]]
    assert outputs["image_size_hw"].tolist() == [[20, 33], [1, 1], [7, 5]]


def test_predict_empty_batch(predict):
    response = predict(_request(images=[]))

    assert tf.make_ndarray(response.outputs["scores"]).shape == (0, 0)


def test_predict_output_filter_returns_only_those(predict):
    response = predict(_request(output_filter=["scores", "ok"]))

    assert sorted(response.outputs) == ["ok", "scores"]


def test_predict_another_signature_and_an_explicit_version(predict):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "fashion"
    request.model_spec.version.value = 3
    request.model_spec.signature_name = "echo"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto([b"a", b"\xff\x00"]))

    response = predict(request)

    assert tf.make_ndarray(response.outputs["text"]).tolist() == [b"a", b"\xff\x00"]


def test_predict_messages_beyond_4_megabytes_both_ways(predict):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "fashion"
    request.model_spec.signature_name = "echo"
    text = np.random.default_rng(0).bytes(9_000_000)
    request.inputs["text"].CopyFrom(tf.make_tensor_proto([text]))

    assert tf.make_ndarray(predict(request).outputs["text"])[0] == text


@pytest.mark.parametrize("number", [0, 2, 99])
def test_predict_unknown_version(predict, number):
    request = _request()
    request.model_spec.version.value = number

    assert _status(predict, request) == (
        "NOT_FOUND",
        f"Servable not found for request: Specific(fashion, {number})",
    )


def test_predict_unknown_model(predict):
    assert _status(predict, _request(model="x")) == (
        "NOT_FOUND",
        "Servable not found for request: Latest(x)",
    )


def test_predict_empty_model_name(predict):
    request = _request(model="")

    assert _status(predict, request) == ("INVALID_ARGUMENT", "ModelSpec has no name specified.")


def test_predict_without_model_spec(predict):
    assert _status(predict, predict_pb2.PredictRequest()) == (
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    )


def test_predict_unknown_version_label(predict):
    request = _request()
    request.model_spec.version_label = "canary"

    assert _status(predict, request) == (
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: canary",
    )


def test_predict_unknown_signature(predict):
    request = _request()
    request.model_spec.signature_name = "x"

    assert _status(predict, request) == (
        "FAILED_PRECONDITION",
        'Serving signature key "x" not found.',
    )


def test_predict_missing_input(predict):
    request = _request()
    del request.inputs["image_bytes"]

    assert _status(predict, request) == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=1 len({}) != len({image_bytes}). "
        "Sent extra: {}. Missing but required: {image_bytes}.",
    )


def test_predict_extra_input(predict):
    request = _request()
    request.inputs["more"].CopyFrom(tf.make_tensor_proto([1]))

    assert _status(predict, request) == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 2!=1 len({image_bytes,more}) != "
        "len({image_bytes}). Sent extra: {more}. Missing but required: {}.",
    )


def test_predict_misnamed_input(predict):
    request = _request()
    request.inputs["image"].CopyFrom(request.inputs["image_bytes"])
    del request.inputs["image_bytes"]

    assert _status(predict, request) == (
        "INVALID_ARGUMENT",
        "input tensor alias not found in signature: image. "
        "Inputs expected to be in the set {image_bytes}.",
    )


def test_predict_input_of_another_dtype(predict):
    request = _request()
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([1.0]))

    assert _status(predict, request) == (
        "INVALID_ARGUMENT",
        "Expects arg[0] to be string but float is provided",
    )


def test_predict_input_of_another_shape(predict):
    request = _request()
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([[b"a"]]))

    assert _status(predict, request) == (
        "INVALID_ARGUMENT",
        "input image_bytes has shape [1, 1], but the signature expects (None,)",
    )


def test_predict_unreadable_input(predict):
    request = _request()
    request.inputs["image_bytes"].string_val.append(b"one too many")

    code, message = _status(predict, request)

    assert code == "INVALID_ARGUMENT"
    assert message.startswith("tensor parsing error: image_bytes")


def test_predict_unknown_output_filter(predict):
    code, message = _status(predict, _request(output_filter=["x"]))

    assert code == "INVALID_ARGUMENT"
    assert message == (
        "output tensor alias not found in signature: x Outputs expected to be in the set "
        "{boxes_yxyx,class_ids,class_names,error,image_size_hw,mask_rle,num_detections,ok,scores}."
    )


def test_predict_duplicate_output_filter(predict):
    assert _status(predict, _request(output_filter=["ok", "ok"])) == (
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: ok",
    )


def test_predict_error_of_the_graph_itself(predict):
    code, message = _status(predict, _request(images=[b"\x89PNG but truncated"]))

    assert code == "INVALID_ARGUMENT"
    assert len(message) <= 1024 + len("...TRUNCATED")


def test_classify_is_unimplemented(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    assert _status(stub.Classify, classification_pb2.ClassificationRequest())[0] == "UNIMPLEMENTED"


def test_metadata_has_the_signatures(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "fashion"

    response = stub.GetModelMetadata(request)

    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert response.model_spec.version.value == 3
    assert list(signatures.signature_def["serving_default"].inputs) == ["image_bytes"]
    assert "scores" in signatures.signature_def["serving_default"].outputs


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["weights"], "Metadata field weights is not supported"),
    ],
)
def test_metadata_refuses_other_fields(channel, fields, message):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "fashion"

    assert _status(stub.GetModelMetadata, request) == ("INVALID_ARGUMENT", message)


def test_status_of_the_loaded_version(channel):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "fashion"

    [status] = stub.GetModelStatus(request).model_version_status

    assert (status.version, status.state) == (3, 30)
    assert status.HasField("status") and status.status.error_code == 0


@pytest.mark.parametrize(
    ("model", "version", "message"),
    [
        ("x", None, "Could not find any versions of model x"),
        ("fashion", 0, "Could not find version 0 of model fashion"),
    ],
)
def test_status_of_what_is_not_there(channel, model, version, message):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    if version is not None:
        request.model_spec.version.value = version

    assert _status(stub.GetModelStatus, request) == ("NOT_FOUND", message)


def _failed_start(*arguments):
    server = start_server(*arguments)
    output, errors = server.communicate(timeout=60)
    assert output == ""
    return server.returncode, errors


def test_server_missing_base_path(tmp_path):
    assert _failed_start(f"--model_base_path={tmp_path}/none", "--port=0") == (
        1,
        f"error: model_base_path {tmp_path}/none is not a folder; give the export folder.\n",
    )


def test_server_base_path_without_versions(tmp_path):
    (tmp_path / "tmp-1").mkdir()

    code, errors = _failed_start(f"--model_base_path={tmp_path}", "--port=0")

    assert code == 1
    assert errors.count("\n") == 1
    assert f"error: model_base_path {tmp_path} has no numbered version folder" in errors


def test_server_base_path_is_a_version(export_dir):
    code, errors = _failed_start(f"--model_base_path={export_dir}/3", "--port=0")

    assert code == 1
    assert f"it is a version itself, give its parent {export_dir}." in errors


def test_server_port_in_use(export_dir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code, errors = _failed_start(f"--model_base_path={export_dir}", f"--port={port}")

    assert code == 1
    assert errors.count("\n") == 1
    assert re.match(f"error: cannot listen on 127.0.0.1:{port}: Address already in use", errors)


def test_server_replays_warmup_and_stops_on_interrupt(export_dir, tmp_path):
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(_request(model="any name"))
    shutil.copytree(export_dir / "3", tmp_path / "1")
    warmup_path = tmp_path / "1" / "assets.extra" / "tf_serving_warmup_requests"
    warmup_path.parent.mkdir()
    with tf.io.TFRecordWriter(str(warmup_path)) as writer:
        writer.write(log.SerializeToString())

    server = start_server(f"--model_base_path={tmp_path}", "--port=0")
    line = server.stdout.readline()
    server.send_signal(signal.SIGINT)

    assert re.fullmatch(r"serving fashion version 1 at 127\.0\.0\.1:\d+\n", line)
    assert server.wait(20) == 0
    assert "Traceback" not in server.stderr.read()
