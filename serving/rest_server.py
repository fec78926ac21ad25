"""TensorFlow Serving's REST interface and Prometheus's metrics, over HTTP."""

import http.server
import json
import re
import socket
import ssl
import threading

import grpc
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2

from serving import metrics as prometheus
from serving.predictor import Predictor
from serving.request_errors import RequestError, invalid_argument
from serving.rest_json import json_from_response, request_from_json
from serving.services import model_metadata, model_status

METRICS_PATH = "/monitoring/prometheus/metrics"

_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(_MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE)
_IDLE_S = 60  # a connection that sends nothing for so long is closed

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


class RestServer(http.server.ThreadingHTTPServer):
    """Serves until stop; start listens in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        predictor: Predictor,
        metrics: prometheus.Metrics,
        *,
        max_body_bytes: int,
        timeout_s: float,
        max_connections: int,
        tls: ssl.SSLContext | None = None,
    ):
        """Binds the address; port 0 takes a free one.

        Raises:
            OSError: The address cannot be listened on.
        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)
        self.predictor = predictor
        self.metrics = metrics
        self.max_body_bytes = max_body_bytes
        self.timeout_s = timeout_s
        self._places = threading.BoundedSemaphore(max_connections)
        self._tls = tls

    def start(self) -> None:
        """Answers requests from now on."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Takes no further connection."""
        self.shutdown()
        self.server_close()

    def process_request(self, request, client_address) -> None:
        """Gives a connection a thread, where there is one left."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:
        """Answers one connection's requests."""
        try:
            request.settimeout(_IDLE_S)
            if self._tls:
                request = self._tls.wrap_socket(request, server_side=True)
            super().process_request_thread(request, client_address)
        except OSError:  # plain text where TLS is spoken, or the client left
            self.shutdown_request(request)
        finally:
            self._places.release()

    def handle_error(self, request, client_address) -> None:
        """A connection that broke is its client's affair."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: RestServer
    protocol_version = "HTTP/1.1"
    server_version = "fashion"
    sys_version = ""

    def log_message(self, *_) -> None:
        """Logs nothing: the metrics count."""

    def do_GET(self) -> None:
        """Status, metadata and metrics."""
        if self.path.partition("?")[0] == METRICS_PATH:
            self._send(200, self.server.metrics.text().encode(), prometheus.CONTENT_TYPE)
            return
        self._answer(self._get)

    def do_POST(self) -> None:
        """:predict."""
        self._answer(self._post)

    def _answer(self, respond) -> None:
        try:
            self._send(200, respond(), "application/json")
        except RequestError as error:
            body = json.dumps({"error": error.message}).encode()
            self._send(_HTTP_CODES.get(error.code, 500), body, "application/json")

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
        body = self._body()
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

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            self.close_connection = True
            raise invalid_argument("a request needs a Content-Length")
        if int(length) > self.server.max_body_bytes:
            self.close_connection = True
            raise RequestError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"Received message larger than max ({length} vs. {self.server.max_body_bytes})",
            )
        return self.rfile.read(int(length))

    def _send(self, code: int, body: bytes, content_type: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _model_spec(match: re.Match) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=match["name"])
    if match["version"]:
        number = int(match["version"])
        if number >= 2**63:
            raise invalid_argument(f"Failed to convert version: {number} to numeric.")
        spec.version.value = number
    elif match["label"]:
        spec.version_label = match["label"]
    return spec


def _json(message) -> bytes:
    text = json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return text.encode()
