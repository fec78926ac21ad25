"""TensorFlow Serving's two gRPC services, and gRPC's own health service."""

import functools
import logging

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.servables.model_store import ModelStore
from serving.servables.request_errors import RequestError, invalid_argument, not_found
from serving.server.cancellation import Cancellation
from serving.server.predictor import Predictor

_LONGEST_DEADLINE_S = 10 * 365 * 86_400.0
_SERVICE_NAMES = (
    "",
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
)


def add_services(grpc_server: grpc.Server, predictor: Predictor) -> health.HealthServicer:
    """Registers the services on a server that is not started yet.

    Returns:
        The health service; it says NOT_SERVING until set_serving.
    """
    # gRPC logs a traceback for each request that is not a message; its status says enough.
    logging.getLogger("grpc._common").setLevel(logging.CRITICAL)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(predictor), grpc_server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        ModelService(predictor.store), grpc_server
    )
    health_service = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_service, grpc_server)
    set_serving(health_service, False)
    return health_service


def set_serving(health_service: health.HealthServicer, is_serving: bool) -> None:
    """Tells load balancers whether to send requests here."""
    status = health_pb2.HealthCheckResponse
    for name in _SERVICE_NAMES:
        health_service.set(name, status.SERVING if is_serving else status.NOT_SERVING)


def _with_status(method):
    """Turns a RequestError into the call's status."""

    @functools.wraps(method)
    def answer(self, request, context):
        try:
            return method(self, request, context)
        except RequestError as error:
            return context.abort(error.code, error.message)

    return answer


def _unimplemented(self, request, context):
    """Answers as the generated class does, which gRPC logs with a traceback each time."""
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!")


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; Classify, Regress and MultiInference are UNIMPLEMENTED."""

    Classify = Regress = MultiInference = _unimplemented

    def __init__(self, predictor: Predictor):
        self._predictor = predictor

    @_with_status
    def Predict(self, request, context) -> predict_pb2.PredictResponse:
        """Runs a signature; see serving.server.predictor for the statuses."""
        cancellation = Cancellation()
        if not context.add_callback(cancellation.set):
            cancellation.set()
        return self._predictor.predict(request, "GRPC", _seconds_left(context), cancellation)

    @_with_status
    def GetModelMetadata(self, request, context):
        """Returns the signatures (metadata_field "signature_def", the only one there is)."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid_argument(f"Metadata field {field} is not supported")
        return model_metadata(self._predictor.store, request)


def _seconds_left(context: grpc.ServicerContext) -> float | None:
    """Until a call's deadline; None where it has none, which gRPC gives as some 292 years."""
    seconds_left = context.time_remaining()
    return None if seconds_left is None or seconds_left > _LONGEST_DEADLINE_S else seconds_left


def model_metadata(store: ModelStore, request) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Answers a GetModelMetadataRequest for "signature_def".

    Raises:
        RequestError: See ModelStore.find.
    """
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    signatures = get_model_metadata_pb2.SignatureDefMap()
    with store.find(request.model_spec) as served:
        for name, signature in served.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        response.model_spec.version.value = served.version
    response.model_spec.name = request.model_spec.name
    response.metadata["signature_def"].Pack(signatures)
    return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; HandleReloadConfigRequest is UNIMPLEMENTED."""

    HandleReloadConfigRequest = _unimplemented

    def __init__(self, store: ModelStore):
        self._store = store

    @_with_status
    def GetModelStatus(self, request, context):
        """Lists the versions and their states, or the one asked for."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        return model_status(self._store, request.model_spec)


def model_status(store: ModelStore, spec) -> get_model_status_pb2.GetModelStatusResponse:
    """Answers a GetModelStatusRequest (get_model_status_impl.cc).

    Raises:
        RequestError: NOT_FOUND for an unknown model or version, INVALID_ARGUMENT for a label.
    """
    states = store.states(spec.name)
    choice = spec.WhichOneof("version_choice")
    if choice is not None:
        number = spec.version.value
        if choice == "version_label":
            number = store.number_of_label(spec.name, spec.version_label)
        if number not in states:
            raise not_found(f"Could not find version {number} of model {spec.name}")
        states = {number: states[number]}
    if not states:
        raise not_found(f"Could not find any versions of model {spec.name}")
    response = get_model_status_pb2.GetModelStatusResponse()
    for number, state in states.items():
        status = response.model_version_status.add(version=number, state=state.state).status
        status.error_code, status.error_message = state.error_code, state.error_message
    return response
