import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving.servables.model_store import ServedVersion
from serving.servables.prediction import MAX_IMAGES, predict
from serving.servables.request_errors import RequestError


def test_predict_refuses_more_images_than_are_taken(export_dir):
    served = ServedVersion(3, export_dir / "3")
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "echo"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto([b"a"] * (MAX_IMAGES + 1)))

    with pytest.raises(RequestError, match="1025 images; at most 1024 are taken") as caught:
        predict(served, request)

    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_saved_model_that_fails_oddly_is_named(export_dir, monkeypatch):
    def fail(*_):
        raise KeyError("collection")

    monkeypatch.setattr(tf.compat.v1.saved_model, "load", fail)

    with pytest.raises(ValueError, match="cannot load the SavedModel: 'collection'"):
        ServedVersion(3, export_dir / "3")
