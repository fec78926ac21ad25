"""TensorFlow Serving's REST interface and Prometheus's metrics, over HTTP."""

import json
import re

import grpc
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2

from serving.bounded_http import BodyError, BoundedHandler, BoundedHttpServer
from serving.servables.request_errors import RequestError, invalid_argument
from serving.server import metrics as prometheus
from serving.server.grpc_services import model_metadata, model_status
from serving.server.predictor import Predictor
from serving.server.rest_json import json_from_response, request_from_json

METRICS_PATH = "/monitoring/prometheus/metrics"

_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(_MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE)

# tensorflow_serving/util/net_http and model_servers/http_server.cc
_HTTP_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


class RestServer(BoundedHttpServer):
    """Serves from start until stop."""

    def __init__(
        self,
        host: str,
        port: int,
        predictor: Predictor,
        metrics: prometheus.Metrics,
        *,
        timeout_s: float,
        **limits,
    ):
        """Binds the address.

        Args:
            host, port: Of the interface; port 0 takes a free one.
            predictor: Answers.
            metrics: What METRICS_PATH tells.
            timeout_s: The deadline of every request.
            limits: See BoundedHttpServer.

        Raises:
            OSError: The address cannot be listened on.
        """
        super().__init__(host, port, _Handler, **limits)
        self.predictor = predictor
        self.metrics = metrics
        self.timeout_s = timeout_s


class _Handler(BoundedHandler):
    server: RestServer

    def do_GET(self) -> None:
        """Status, metadata and metrics."""
        if self.path.partition("?")[0] == METRICS_PATH:
            self.send_whole(200, self.server.metrics.text().encode(), prometheus.CONTENT_TYPE)
            return
        self._answer(self._get)

    def do_POST(self) -> None:
        """:predict."""
        self._answer(self._post)

    def _answer(self, respond) -> None:
        try:
            self.send_whole(200, respond(), "application/json")
        except RequestError as error:
            self._send_error(_HTTP_CODES.get(error.code, 500), error.message)
        except BodyError as error:
            self._send_error(error.http_code, str(error))
        except OSError:  # the client left
            raise
        except Exception as error:  # ours, not the client's: it still gets an answer
            self._send_error(500, f"internal error: {type(error).__name__}")

    def _send_error(self, code: int, message: str) -> None:
        self.send_whole(code, json.dumps({"error": message}).encode(), "application/json")

    def _get(self) -> bytes:
        match = _STATUS.fullmatch(self.path)
        if not match:
            raise invalid_argument(f"Malformed request: GET {self.path}")
        store, spec = self.server.predictor.store, _model_spec(match)
        if not match["metadata"]:
            return _json(model_status(store, spec))
        request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec)
        return _json(model_metadata(store, request))

    def _post(self) -> bytes:
        match = _PREDICT.fullmatch(self.path)
        body = self.body()
        if not match:
            raise invalid_argument(f"Malformed request: POST {self.path}")
        if match["method"].lower() != "predict":
            raise RequestError(grpc.StatusCode.UNIMPLEMENTED, "only :predict is served here")
        predictor, spec = self.server.predictor, _model_spec(match)
        with predictor.store.find(spec) as served:
            request, by_row = request_from_json(body, served.signatures)
        spec.signature_name = request.model_spec.signature_name
        request.model_spec.CopyFrom(spec)
        response = predictor.predict(request, "REST", self.server.timeout_s)
        return json_from_response(response, by_row)


def _model_spec(match: re.Match) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=match["name"])
    if match["version"]:
        digits = match["version"].lstrip("0") or "0"
        if len(digits) > 19 or int(digits) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {digits} to numeric.")
        spec.version.value = int(digits)
    elif match["label"]:
        spec.version_label = match["label"]
    return spec


def _json(message) -> bytes:
    text = json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return text.encode()
