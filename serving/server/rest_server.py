"""TensorFlow Serving's REST interface and Prometheus's metrics, over HTTP."""

import asyncio
import re
import ssl
import time
from collections.abc import Collection

import grpc
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2, predict_pb2

from serving.servables.request_errors import RequestError, invalid_argument
from serving.server import metrics as prometheus
from serving.server.cancellation import Cancellation
from serving.server.grpc_services import model_metadata, model_status
from serving.server.predictor import Predictor
from serving.server.rest_json import json_from_response, request_from_json
from tfseg.io.http_server import HttpLimits, HttpServer

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


class RestServer(HttpServer):
    """Serves from start until stop."""

    def __init__(
        self,
        host: str,
        port: int,
        predictor: Predictor,
        metrics: prometheus.Metrics,
        *,
        timeout_s: float,
        limits: HttpLimits,
        num_threads: int = 8,
        allows_cors: bool = False,
        allowed_hosts: Collection[str] | None = None,
        tls: ssl.SSLContext | None = None,
    ):
        """Binds the address.

        Args:
            host, port: Of the interface; port 0 takes a free one.
            predictor: Answers.
            metrics: What METRICS_PATH tells.
            timeout_s: The deadline of every request.
            limits: See HttpServer.
            num_threads: Requests that run or wait at once.
            allows_cors: Whether pages of other sites may ask.
            allowed_hosts: Names it answers to; unless given, see http_server.own_names.
            tls: Speaks TLS.

        Raises:
            OSError: The address cannot be listened on.
        """
        self._predictor = predictor
        self._metrics = metrics
        self._timeout_s = timeout_s
        app = Starlette(
            routes=[
                Route(METRICS_PATH, self._get_metrics),
                Route("/{path:path}", self._get, methods=["GET"]),
                Route("/{path:path}", self._post, methods=["POST"]),
            ],
            exception_handlers={
                HTTPException: _http_error,
                RequestError: _request_error,
                Exception: _internal_error,
            },
        )
        if allows_cors:
            app.add_middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_headers=["*"],
                allow_methods=["GET", "POST"],
            )
        super().__init__(
            app,
            host,
            port,
            limits,
            tls=tls,
            num_threads=num_threads,
            allowed_hosts=allowed_hosts,
            checks_origin=not allows_cors,
        )

    async def _get_metrics(self, request: Request) -> Response:
        return Response(self._metrics.text(), media_type=prometheus.CONTENT_TYPE)

    async def _get(self, request: Request) -> Response:
        return _json_response(await self.in_thread(self._status_or_metadata, _path(request)))

    def _status_or_metadata(self, path: str) -> bytes:
        match = _STATUS.fullmatch(path)
        if not match:
            raise invalid_argument(f"Malformed request: GET {path}")
        store, spec = self._predictor.store, _model_spec(match)
        if not match["metadata"]:
            return _json(model_status(store, spec))
        request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec)
        return _json(model_metadata(store, request))

    async def _post(self, request: Request) -> Response:
        arrival = time.monotonic()
        cancellation = Cancellation()

        async def watch_the_client() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            cancellation.set()

        async with self.bodies.read(request) as body:
            watching = asyncio.create_task(watch_the_client())
            try:
                return _json_response(
                    await self.in_thread(self._predict, _path(request), body, arrival, cancellation)
                )
            finally:
                watching.cancel()
                cancellation.set()

    def _predict(self, path: str, body: bytes, arrival: float, cancellation: Cancellation) -> bytes:
        match = _PREDICT.fullmatch(path)
        if not match:
            raise invalid_argument(f"Malformed request: POST {path}")
        if match["method"].lower() != "predict":
            raise RequestError(grpc.StatusCode.UNIMPLEMENTED, "only :predict is served here")
        spec = _model_spec(match)
        is_by_row = True

        def read() -> predict_pb2.PredictRequest:
            nonlocal is_by_row
            with self._predictor.store.find(spec) as served:
                request, is_by_row = request_from_json(body, served.signatures)
            spec.signature_name = request.model_spec.signature_name
            request.model_spec.CopyFrom(spec)
            return request

        seconds_left = self._timeout_s - (time.monotonic() - arrival)
        response = self._predictor.predict_read(spec, read, "REST", seconds_left, cancellation)
        return json_from_response(response, is_by_row)


def _json_response(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _path(request: Request) -> str:
    """The path as it was sent: TensorFlow Serving reads no percent codes."""
    return request.scope["raw_path"].decode("ascii", "replace")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = {"Connection": "close"} if error.status_code in (408, 413) else None
    if error.status_code in (404, 405):
        message = f"Malformed request: {request.method} {request.url.path}"
        return JSONResponse({"error": message}, error.status_code, error.headers)
    return JSONResponse({"error": error.detail}, error.status_code, headers)


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return JSONResponse({"error": error.message}, _HTTP_CODES.get(error.code, 500))


async def _internal_error(request: Request, error: Exception) -> Response:
    """Ours, not the client's: it still gets an answer."""
    return JSONResponse({"error": f"internal error: {type(error).__name__}"}, 500)


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
