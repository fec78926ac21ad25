"""TensorFlow Serving's two gRPC services over a ModelStore."""

import functools
import os
import threading

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.model_store import ModelStore
from serving.prediction import predict
from serving.request_errors import RequestError, invalid_argument, not_found


def add_services(grpc_server: grpc.Server, store: ModelStore) -> None:
    """Registers PredictionService and ModelService on a server that is not started yet."""
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(store), grpc_server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(store), grpc_server)


def _with_status(method):
    """Turns a RequestError into the call's status."""

    @functools.wraps(method)
    def answer(self, request, context):
        try:
            return method(self, request, context)
        except RequestError as error:
            return context.abort(error.code, error.message)

    return answer


def _check_model_spec(request) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")


def _seconds_left(context: grpc.ServicerContext) -> float:
    """Until the call's deadline; the longest wait Python knows where it has none."""
    seconds = context.time_remaining()
    return threading.TIMEOUT_MAX if seconds is None else min(seconds, threading.TIMEOUT_MAX)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; Classify, Regress and MultiInference are UNIMPLEMENTED."""

    def __init__(self, store: ModelStore):
        self._store = store
        # One image already uses every core: more at once only costs memory.
        self._free_runs = threading.BoundedSemaphore(os.cpu_count() or 1)

    @_with_status
    def Predict(self, request, context) -> predict_pb2.PredictResponse:
        """Runs a signature; see serving.prediction for the statuses."""
        _check_model_spec(request)
        served = self._store.find(request.model_spec)
        if not self._free_runs.acquire(timeout=_seconds_left(context)):
            raise RequestError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed while the request waited"
            )
        try:
            return predict(served, request)
        finally:
            self._free_runs.release()

    @_with_status
    def GetModelMetadata(self, request, context):
        """Returns the signatures (metadata_field "signature_def", the only one there is)."""
        _check_model_spec(request)
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid_argument(f"Metadata field {field} is not supported")
        served = self._store.find(request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in served.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = served.version
        response.metadata["signature_def"].Pack(signatures)
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; HandleReloadConfigRequest is UNIMPLEMENTED."""

    def __init__(self, store: ModelStore):
        self._store = store

    @_with_status
    def GetModelStatus(self, request, context):
        """Lists the loaded versions, or the one asked for (get_model_status_impl.cc)."""
        _check_model_spec(request)
        spec = request.model_spec
        versions = self._store.versions() if spec.name == self._store.model_name else []
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        if choice == "version":
            number = spec.version.value
            if number not in versions:
                raise not_found(f"Could not find version {number} of model {spec.name}")
            versions = [number]
        if not versions:
            raise not_found(f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in versions:
            response.model_version_status.add(
                version=version, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
            ).status.error_message = ""
        return response
