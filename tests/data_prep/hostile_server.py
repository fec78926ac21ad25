"""A real HTTP server with the answers a crawler meets on the web, the bad ones included."""

import io
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

from tests.data_prep import drawn_products

HTML = b"<html><body>no photo here</body></html>"


def jpeg(seed: int = 0, size: tuple[int, int] = (320, 260), quality: int = 90) -> bytes:
    """A photo that looks like no other seed's."""
    rng = np.random.default_rng(seed)
    blotches = Image.fromarray(rng.integers(0, 255, (9, 7, 3), np.uint8))
    buffer = io.BytesIO()
    blotches.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def bomb() -> bytes:
    """A small PNG that decodes to 2.5 gigapixels."""
    side = 50_000

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + crc

    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    rows = zlib.compress(bytes(1 + side // 8) * 2000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)


class HostileServer:
    """Answers by path; requests are (path, time, User-Agent)."""

    def __init__(self):
        self.requests: list[tuple[str, float, str]] = []
        self.robots = b"User-agent: *\nDisallow: /private/\n"
        self.robots_status = 200
        self.robots_headers: dict[str, str] = {}
        self.flaky = 1  # so often is /flaky.jpg out of order
        self.stall_s = 5.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(requested == path for requested, *_ in self.requests)


@contextmanager
def hostile_server() -> Iterator[HostileServer]:
    server = HostileServer()
    thread = threading.Thread(target=server._server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server._server.shutdown()
        server._server.server_close()


def _handler(server: HostileServer):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            agent = self.headers.get("User-Agent", "")
            server.requests.append((self.path, time.monotonic(), agent))
            name = self.path.strip("/").split(".")[0].split("/")[0]
            with suppress(ConnectionError):  # the crawler went away
                getattr(self, f"send_{name}", self.send_missing)()

        def send(self, body, kind="image/jpeg", status=200, length=None, **headers):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def send_robots(self):
            status, headers = server.robots_status, server.robots_headers
            self.send(server.robots, "text/plain", status, **headers)

        def send_rules(self):
            self.send(server.robots, "text/plain")

        def send_good(self):
            self.send(jpeg(int(self.path.split("/")[-1].split(".")[0])))

        def send_private(self):
            self.send(jpeg(99))

        def send_same(self):
            self.send(jpeg(1))

        def send_similar(self):
            self.send(jpeg(1, size=(480, 390), quality=60))

        def send_redirect(self):
            self.send(b"", status=302, Location="/good/7.jpg")

        def send_loop(self):
            other = "/loop/b" if self.path == "/loop/a" else "/loop/a"
            self.send(b"", status=302, Location=other)

        def send_endless(self):
            number = int(self.path.split("/")[-1])
            self.send(b"", status=302, Location=f"/endless/{number + 1}")

        def send_elsewhere(self):
            self.send(b"", status=302, Location="file:///etc/passwd")

        def send_stall(self):
            self.send(jpeg(2)[:900], length=50_000)
            time.sleep(server.stall_s)

        def send_trickle(self):
            self.send(b"\xff", length=50_000)
            for _ in range(200):
                self.wfile.write(b"\xd8")
                self.wfile.flush()
                time.sleep(0.05)

        def send_breaks(self):
            self.send(jpeg(3)[:2000], length=9000)

        def send_html(self):
            self.send(HTML, "text/html")

        def send_liar(self):
            self.send(HTML, "image/jpeg")

        def send_bomb(self):
            self.send(bomb(), "image/png")

        def send_huge(self):
            self.send(bytes(400_000))

        def send_truncated(self):
            self.send(jpeg(4)[:3000])

        def send_icon(self):
            self.send(jpeg(5, size=(64, 64)))

        def send_banner(self):
            self.send(jpeg(6, size=(1400, 210)))

        def send_flaky(self):
            server.flaky -= 1
            if server.flaky >= 0:
                self.send(b"", "text/plain", 503)
            else:
                self.send(jpeg(8))

        def send_missing(self):
            self.send(b"gone", "text/plain", 404)

        def send_images(self):
            """A page in the form that Bing's image search answers with."""
            first = "first=0" in self.path
            links = "".join(
                f'<div class="imgpt"><a m="{{&quot;murl&quot;:&quot;{server.url}/good/{n}.jpg'
                f'&quot;}}"></a></div>'
                for n in (range(10, 13) if first else ())
            )
            self.send(f"<html>{links}</html>".encode(), "text/html")

    return Handler


def product_jpeg() -> bytes:
    """A photo of a product."""
    photo = drawn_products.photo("grey", drawn_products.shirt((300, 240)))
    buffer = io.BytesIO()
    Image.fromarray(photo[..., ::-1]).save(buffer, "JPEG")
    return buffer.getvalue()
