"""The page's own small HTTP server: its files, the model's versions, and detect."""

import json
import re
import threading
from pathlib import Path

from serving.bounded_http import BodyError, BoundedHandler, BoundedHttpServer
from serving.client.connection import (
    DeadlineExceededError,
    ImageError,
    ModelNotFoundError,
    ServerBusyError,
    ServerUnreachableError,
    ServingError,
)
from serving.client.segmentation_client import SegmentationClient
from tfseg.structures.detections import Detections

# What the slider may go down to.
LEAST_SCORE = 0.05

_PAGE_DIR = Path(__file__).parent / "page"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/masks.js": ("masks.js", "text/javascript; charset=utf-8"),
    "/zip.js": ("zip.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_DETECT = re.compile(r"/api/detect(?:\?version=(\d{1,18}))?")
_MAX_CONNECTIONS = 64


class PageServer(BoundedHttpServer):
    """Serves from start until stop."""

    def __init__(self, host: str, port: int, client_arguments: dict, max_photo_bytes: int):
        """Binds the address; client_arguments are SegmentationClient's.

        Raises:
            OSError: The address cannot be listened on.
            ValueError: The arguments are unusable.
        """
        self._client_arguments = client_arguments
        self._clients: dict[int | None, SegmentationClient] = {}
        self._lock = threading.Lock()
        self.client(None)
        super().__init__(
            host,
            port,
            _Handler,
            max_connections=_MAX_CONNECTIONS,
            max_body_bytes=max_photo_bytes,
        )

    def client(self, version: int | None) -> SegmentationClient:
        """A client of one version; None is what the flags say."""
        with self._lock:
            if version not in self._clients:
                arguments = self._client_arguments
                if version is not None:
                    if len(self._clients) > _MAX_CONNECTIONS:  # strangers may count far
                        self._clients.popitem()[1].close()
                    arguments = {**arguments, "version": version, "label": None}
                self._clients[version] = SegmentationClient(**arguments)
            return self._clients[version]


class _Handler(BoundedHandler):
    server: PageServer

    def do_GET(self) -> None:
        """The page's files, and the versions."""
        if self.path == "/api/versions":
            self._answer(lambda: {"versions": self.server.client(None).available_versions()})
        elif self.path in _FILES:
            name, content_type = _FILES[self.path]
            self.send_whole(200, (_PAGE_DIR / name).read_bytes(), content_type, _HEADERS)
        else:
            self._send_json(404, {"error": "there is no such page"})

    def do_POST(self) -> None:
        """A photo's garments."""
        match = _DETECT.fullmatch(self.path)
        try:
            photo = self.body()
        except BodyError as error:
            self._send_json(error.http_code, {"error": f"the photo is not taken: {error}"})
            return
        if not match:
            self._send_json(400, {"error": "expected a photo's bytes at /api/detect"})
            return
        version = int(match[1]) if match[1] else None
        self._answer(lambda: _detect(self.server.client(version), photo))

    def _answer(self, respond) -> None:
        try:
            self._send_json(200, respond())
        except ServingError as error:
            self._send_json(_http_code(error), {"error": str(error)})

    def _send_json(self, code: int, content: dict) -> None:
        self.send_whole(code, json.dumps(content).encode(), "application/json", _HEADERS)


def _detect(client: SegmentationClient, photo: bytes) -> dict:
    try:
        [answer] = client.detect([photo], LEAST_SCORE)
    except ModelNotFoundError as error:
        if "with_score_threshold" not in str(error):
            raise
        [answer] = client.detect([photo])  # a model without that signature
    if isinstance(answer, ImageError):
        raise answer
    return _garments(answer)


def _garments(detections: Detections) -> dict:
    """What the page reads: {"width", "height", "garments": COCO results}."""
    height, width = detections.image_size_hw
    return {"width": width, "height": height, "garments": detections.to_coco_results(0)}


def _http_code(error: ServingError) -> int:
    codes = {
        ImageError: 422,
        ModelNotFoundError: 404,
        ServerBusyError: 429,
        ServerUnreachableError: 503,
        DeadlineExceededError: 504,
    }
    return codes.get(type(error), 502)
