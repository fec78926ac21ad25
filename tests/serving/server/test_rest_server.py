import http.client
import json
import socket
import threading

import grpc
import pytest

from serving.servables.request_errors import RequestError
from serving.server.rest_server import RestServer
from tfseg.io.http_server import HttpLimits


class _NoStore:
    store = None


class _WaitsForItsClient:
    """Works until the client is gone."""

    store = None

    def __init__(self):
        self.has_begun, self.is_told = threading.Event(), threading.Event()

    def predict_read(self, spec, read, entrypoint, seconds_left, cancellation):
        cancellation.on_set(self.is_told.set)
        self.has_begun.set()
        assert self.is_told.wait(30)
        raise RequestError(grpc.StatusCode.CANCELLED, "the client is gone")


def test_who_works_for_a_client_that_leaves_is_told_at_once():
    predictor = _WaitsForItsClient()
    server = RestServer("127.0.0.1", 0, predictor, None, timeout_s=60, limits=HttpLimits(100))
    server.start()
    body = json.dumps({"instances": ["a"]}).encode()
    with socket.create_connection(server.server_address[:2], timeout=30) as connection:
        head = (
            f"POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
        )
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        assert predictor.has_begun.wait(30)
        assert not predictor.is_told.is_set()

    assert predictor.is_told.wait(5)
    server.stop()


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("GET", "/v1/models/m/versions/" + "9" * 5000, 400, "convert version: 999"),
        ("GET", "/v1/models/m", 500, "internal"),
        ("GET", "/", 400, "Malformed request: GET /"),
        ("POST", "/v1/models/m:train", 400, "Malformed request: POST /v1/models/m:train"),
        ("POST", "/v1/models/m:regress", 501, "only :predict"),
        ("OPTIONS", "/v1/models/m:predict", 405, "Malformed request: OPTIONS"),
    ],
)
def test_every_failure_of_rest_gets_an_answer_in_json(method, path, code, message):
    limits = HttpLimits(100)  # without a predictor everything else is an error of its own
    server = RestServer("127.0.0.1", 0, _NoStore, None, timeout_s=5, limits=limits)
    server.start()
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    connection.request(method, path)

    answer = connection.getresponse()

    text = answer.read().decode()
    assert (answer.status, answer.headers["Content-Type"]) == (code, "application/json"), text
    assert message in text
    connection.close()
    server.stop()


@pytest.mark.parametrize(("allows_cors", "code"), [(False, 403), (True, 400)])
def test_other_sites_pages_ask_only_where_they_may(allows_cors, code):
    server = RestServer(
        "127.0.0.1", 0, _NoStore, None, timeout_s=5, limits=HttpLimits(100), allows_cors=allows_cors
    )
    server.start()
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    connection.request("GET", "/", headers={"Origin": "https://shop.example"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == code
    assert ("Access-Control-Allow-Origin" in answer.headers) == allows_cors
    connection.request(
        "OPTIONS",
        "/v1/models/m:predict",
        headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"},
    )
    assert connection.getresponse().status == (200 if allows_cors else 403)
    connection.close()
    server.stop()
