import http.client
import socket
import threading

import pytest

from serving import bounded_http
from serving.bounded_http import BoundedHandler, BoundedHttpServer
from serving.server.rest_server import RestServer


class Scene:
    """A server whose answers wait until they are let go."""

    def __init__(self):
        self.arrived, self.let_go = threading.Event(), threading.Event()
        scene = self

        class Handler(BoundedHandler):
            def do_GET(self):
                scene.arrived.set()
                scene.let_go.wait(30)
                self.send_whole(200, b"whole", "text/plain")

        self.server = BoundedHttpServer(
            "127.0.0.1", 0, Handler, max_connections=4, max_body_bytes=100
        )
        self.address = self.server.server_address[:2]
        self.server.start()


@pytest.fixture
def scene():
    scene = Scene()
    yield scene
    scene.let_go.set()
    scene.server.stop()


def test_stop_waits_for_the_requests_under_way(scene):
    connection = http.client.HTTPConnection(*scene.address, timeout=30)
    connection.request("GET", "/")
    assert scene.arrived.wait(30)
    stopping = threading.Thread(target=scene.server.stop, args=(30,))
    stopping.start()
    stopping.join(1)
    assert stopping.is_alive()

    scene.let_go.set()

    assert connection.getresponse().read() == b"whole"
    stopping.join(10)
    assert not stopping.is_alive()


def test_stop_does_not_wait_for_idle_connections(scene):
    with socket.create_connection(scene.address):
        scene.server.stop(30)


def test_a_slow_sender_is_cut_off_though_it_never_falls_silent(scene, monkeypatch):
    monkeypatch.setattr(bounded_http, "REQUEST_S", 0.5)
    with (
        socket.create_connection(scene.address, timeout=0.1) as sender,
        pytest.raises(OSError, match="reset|pipe|closed"),
    ):
        for _ in range(200):
            sender.sendall(b"G")
            try:
                if not sender.recv(1):
                    raise OSError("closed")
            except TimeoutError:
                continue


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/v1/models/m/versions/" + "9" * 5000, 400, "convert version: 999"),
        ("/v1/models/m", 500, "internal"),
    ],
)
def test_every_failure_of_rest_gets_an_answer(path, code, message):
    server = RestServer(  # without a predictor everything else is an error of its own
        "127.0.0.1", 0, _NoStore, None, timeout_s=5, max_connections=2, max_body_bytes=100
    )
    server.start()
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    connection.request("GET", path)

    answer = connection.getresponse()

    assert answer.status == code and message in answer.read().decode()
    connection.close()
    server.stop()


class _NoStore:
    store = None
