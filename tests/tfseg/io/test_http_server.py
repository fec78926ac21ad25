import asyncio
import gzip
import http.client
import random
import socket
import threading
import time

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tfseg.io.http_askers import own_names
from tfseg.io.http_server import HttpLimits, HttpServer

LIMITS = HttpLimits(max_body_bytes=100, max_total_bytes=150, idle_s=1.0, request_s=1.0)


class Scene:
    """A server that answers bodies, and whose GET waits until it is let go."""

    def __init__(self, limits=LIMITS):
        self.arrived, self.let_go = threading.Event(), threading.Event()
        self.bodies: list[bytes] = []

        async def get(request: Request):
            self.arrived.set()
            await asyncio.get_running_loop().run_in_executor(None, self.let_go.wait, 30)
            return PlainTextResponse("whole")

        async def post(request: Request):
            async with self.server.bodies.read(request) as body:
                self.bodies.append(body)
                return PlainTextResponse(str(len(body)))

        async def told(request, error):
            headers = {"Connection": "close"} if error.status_code == 413 else None
            return PlainTextResponse(error.detail, error.status_code, headers)

        routes = [Route("/", get), Route("/", post, methods=["POST"])]
        app = Starlette(routes=routes, exception_handlers={HTTPException: told})
        self.server = HttpServer(app, "127.0.0.1", 0, limits)
        self.address = self.server.server_address[:2]
        self.server.start()

    def ask(self, raw: bytes, timeout: float = 10) -> bytes:
        """Sends bytes as they are; returns all that comes back until the server closes or waits."""
        with socket.create_connection(self.address, timeout=timeout) as connection:
            connection.sendall(raw)
            answer = b""
            try:
                while part := connection.recv(1 << 16):
                    answer += part
                    if b"\r\n\r\n" in answer and answer.count(b"HTTP/1.1") >= raw.count(
                        b"HTTP/1.1"
                    ):
                        head, _, body = answer.partition(b"\r\n\r\n")
                        if b"content-length: " + str(len(body)).encode() in head.lower():
                            break
            except TimeoutError:
                pass
            return answer


@pytest.fixture
def scene():
    scene = Scene()
    yield scene
    scene.let_go.set()
    scene.server.stop()


def request(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join((*lines, "", "")).encode() + body


POST = ("POST / HTTP/1.1", "Host: localhost")


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
    start = time.monotonic()
    with socket.create_connection(scene.address):
        scene.server.stop(30)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("every_s", [0.05, None])
def test_a_sender_of_headers_is_cut_off_whether_slow_or_silent(scene, every_s):
    with socket.create_connection(scene.address, timeout=every_s or 10) as sender:
        start = time.monotonic()
        with pytest.raises(OSError, match="reset|pipe|closed"):
            while time.monotonic() - start < 20:
                if every_s:
                    sender.sendall(b"G")
                try:
                    if not sender.recv(1):
                        raise OSError("closed")
                except TimeoutError:
                    continue


def test_a_slow_body_is_cut_off(scene):
    answer = scene.ask(request(*POST, "Content-Length: 50", body=b"x" * 10))
    assert answer.startswith(b"HTTP/1.1 408") and not scene.bodies


def test_idle_connections_keep_nobody_out(scene):
    idle = [socket.create_connection(scene.address) for _ in range(100)]
    assert scene.ask(request(*POST, "Content-Length: 2", body=b"ab")).endswith(b"2")
    for connection in idle:
        connection.close()


@pytest.mark.parametrize(
    ("lines", "body", "code"),
    [
        (("Content-Length: 100",), b"x" * 100, 200),
        (("Content-Length: 101",), b"x" * 101, 413),
        (("Transfer-Encoding: chunked",), b"3\r\nabc\r\n0\r\n\r\n", 200),
        (("Transfer-Encoding: chunked",), b"80\r\n" + b"x" * 128 + b"\r\n0\r\n\r\n", 413),
        (("Content-Length: 3", "Content-Length: 4"), b"abcd", 400),
        (("Content-Length: 3", "Transfer-Encoding: chunked"), b"0\r\n\r\n", 400),
        (("Content-Length: " + "9" * 5000,), b"abc", 400),
        (("Content-Length: -1",), b"", 400),
        (("Content-Length: 60000000000",), b"", 413),
        (("Content-Length: 101", "Expect: 100-continue"), b"", 413),
        (("Content-Length: 3", "Content-Encoding: br"), b"abc", 415),
        (("Content-Length: 3", "Content-Encoding: gzip"), b"abc", 400),
        (("Content-Length: 3", "Origin: http://evil.example"), b"abc", 403),
        (("Content-Length: 3", "Origin: null"), b"abc", 403),
    ],
)
def test_bodies_and_lengths(scene, lines, body, code):
    answer = scene.ask(request(*POST, *lines, body=body))
    assert answer.startswith(f"HTTP/1.1 {code} ".encode()), answer[:300]
    assert len(scene.bodies) == (code == 200)


@pytest.mark.parametrize(("num_bytes", "code"), [(100, 200), (10**6, 413)])
def test_a_packed_body_is_bounded_by_what_it_unpacks_to(scene, num_bytes, code):
    packed = gzip.compress(b"x" * num_bytes)
    lines = (f"Content-Length: {len(packed)}", "Content-Encoding: gzip")
    assert scene.ask(request(*POST, *lines, body=packed)).startswith(f"HTTP/1.1 {code} ".encode())


def test_who_packs_too_much_can_send_all_of_it_and_then_read_why(scene):
    packed = gzip.compress(random.Random(0).randbytes(300))
    lines = (f"Content-Length: {len(packed)}", "Content-Encoding: gzip")
    with socket.create_connection(scene.address) as connection:
        connection.sendall(request(*POST, *lines, body=packed[:200]))
        for part in (packed[200:250], packed[250:]):  # the second would find the connection reset
            time.sleep(0.2)
            connection.sendall(part)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_packed_body_cut_short_is_refused(scene):
    packed = gzip.compress(b"x" * 90)[:-3]
    lines = (f"Content-Length: {len(packed)}", "Content-Encoding: gzip")
    answer = scene.ask(request(*POST, *lines, body=packed))
    assert answer.startswith(b"HTTP/1.1 400") and not scene.bodies


def test_bodies_count_while_they_come_in_and_no_longer_than_they_are_held(scene):
    for _ in range(3):  # together more than may be held at once
        assert b" 200 " in scene.ask(request(*POST, "Content-Length: 90", body=b"x" * 90))
    with socket.create_connection(scene.address) as slow:
        slow.sendall(request(*POST, "Content-Length: 100", body=b"x" * 99))
        time.sleep(0.3)
        assert b" 503 " in scene.ask(request(*POST, "Content-Length: 90", body=b"x" * 90))
    time.sleep(0.3)  # whoever left gives his bytes back
    assert b" 200 " in scene.ask(request(*POST, "Content-Length: 90", body=b"x" * 90))


def test_a_body_cut_short_is_never_taken_as_whole(scene):
    with socket.create_connection(scene.address) as sender:
        sender.sendall(request(*POST, "Content-Length: 50", body=b"x" * 10))
    time.sleep(0.5)
    assert not scene.bodies


def test_the_body_of_a_get_is_not_the_next_request(scene):
    scene.let_go.set()
    get = ("GET / HTTP/1.1", "Host: localhost", "Content-Length: 3")
    answer = scene.ask(request(*get, body=b"abc") + request("GET / HTTP/1.1", "Host: localhost"))
    assert answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200),
        ("127.0.0.1:8501", 200),
        ("[::1]:80", 200),
        ("evil.example", 403),
        ("", 403),
    ],
)
def test_a_name_that_merely_leads_here_is_refused(scene, host, code):
    scene.let_go.set()
    answer = scene.ask(request("GET / HTTP/1.1", f"Host: {host}"))
    assert answer.startswith(f"HTTP/1.1 {code} ".encode())


@pytest.mark.parametrize(
    ("host", "names"),
    [("0.0.0.0", None), ("::", None), ("10.0.0.3", None), ("shop.example", None)],
)
def test_where_others_reach_it_every_name_is_good(host, names):
    assert own_names(host) == names
    assert "localhost" in own_names("127.0.0.1") and "localhost" in own_names("::1")
