"""The local server of the review page."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from data_prep.review.session import ReviewSession

_PAGE_DIR = Path(__file__).parent / "page"
_PAGE_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/review.css": ("review.css", "text/css"),
    "/review.js": ("review.js", "text/javascript"),
}
_MAX_BODY = 4_000_000  # bytes, of a request
_LOCAL_HOSTS = ("127.0.0.1", "localhost")


def review_server(session: ReviewSession, port: int) -> ThreadingHTTPServer:
    """Makes a server on this machine only; port 0 takes a free one.

    Raises:
        ValueError: The port is taken.
    """

    class Handler(_Handler):
        review = session

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise ValueError(
            f"--port={port}: cannot listen ({error.strerror}); give another, or 0 for a free one."
        ) from error
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    review: ReviewSession
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, *_) -> None:
        """Says nothing: the terminal is the reviewer's."""

    def _answer(self, work) -> None:
        # A page of another site must not read or decide, not even by a name that leads here.
        if self.headers.get("Host", "").rsplit(":", 1)[0] not in _LOCAL_HOSTS:
            self.close_connection = True
            self._send(403, b"this server answers this machine only", "text/plain")
            return
        try:
            status, body, kind = work()
        except (ValueError, OSError) as error:
            status, kind = 400, "application/json"
            body = json.dumps({"error": str(error)}).encode()
        self._send(status, body, kind)

    def _get(self) -> tuple[int, bytes, str]:
        url = urlsplit(self.path)
        name = parse_qs(url.query).get("name", [""])[0]
        if url.path in _PAGE_FILES:
            file_name, kind = _PAGE_FILES[url.path]
            return 200, (_PAGE_DIR / file_name).read_bytes(), kind
        if url.path == "/photos":
            listed = {"photos": self.review.photos(), "categories": self.review.category_names()}
            return 200, json.dumps(listed).encode(), "application/json"
        if url.path == "/photo":
            return 200, self.review.photo_jpeg(name), "image/jpeg"
        if url.path == "/mask":
            return 200, self.review.mask_png(name), "image/png"
        return 404, b"no such page", "text/plain"

    def _post(self) -> tuple[int, bytes, str]:
        length = int(self.headers.get("Content-Length", -1))
        if not 0 <= length <= _MAX_BODY:
            self.close_connection = True
            raise ValueError(f"got a body of {length} bytes, expected up to {_MAX_BODY}.")
        body = self.rfile.read(length)
        # Forms of other sites cannot send this type.
        if self.headers.get("Content-Type") != "application/json":
            raise ValueError("expected Content-Type: application/json.")
        asked = json.loads(body)
        if not isinstance(asked, dict) or not isinstance(asked.get("name"), str):
            raise ValueError("expected an object with a photo's name.")
        name = asked["name"]
        if self.path == "/decide":
            shown = self.review.decide(name, str(asked.get("review")))
        elif self.path == "/category":
            shown = self.review.set_category(name, str(asked.get("category", "")))
        elif self.path == "/touch_up":
            shown = self.review.touch_up(name, list(asked.get("marks") or []))
        else:
            return 404, b"no such action", "text/plain"
        return 200, json.dumps(shown).encode(), "application/json"

    def _send(self, status: int, body: bytes, kind: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:  # the page went on to another photo
            self.close_connection = True
