"""The ways in which clients call; TensorFlow Serving's own examples give no deadline."""

import asyncio

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


@pytest.fixture
def request_of_blocks(png_of_blocks):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "fashion"
    photo = png_of_blocks(60, 80, red=(10, 20, 30, 60))
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([photo]))
    return request


@pytest.fixture
def stub(server_address):
    with grpc.insecure_channel(server_address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def _found(response) -> list[int]:
    return list(tf.make_ndarray(response.outputs["num_detections"]))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"timeout": None},
        {"timeout": 30},
        {"timeout": 1e6},
        {"timeout": 3e8},
        {"wait_for_ready": True},
        {"compression": grpc.Compression.Gzip},
        {"metadata": (("x-request-id", "7"), ("trace-bin", b"\x00\xff"))},
    ],
    ids=str,
)
def test_a_call_is_answered_however_it_is_made(stub, request_of_blocks, how):
    assert _found(stub.Predict(request_of_blocks, **how)) == [1]
    assert _found(stub.Predict.future(request_of_blocks, **how).result()) == [1]


def test_a_millisecond_ends_with_its_deadline(stub, request_of_blocks):
    with pytest.raises(grpc.RpcError) as caught:
        for _ in range(50):  # one of them is later than a millisecond
            stub.Predict(request_of_blocks, timeout=0.001)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert _found(stub.Predict(request_of_blocks)) == [1]


def test_an_asynchronous_call_without_a_deadline(server_address, request_of_blocks):
    async def call():
        async with grpc.aio.insecure_channel(server_address) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            return await stub.Predict(request_of_blocks)

    assert _found(asyncio.run(call())) == [1]
