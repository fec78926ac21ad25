"""The page's own HTTP server: its files, the model's versions, and detect."""

import re
import threading
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.client.connection import (
    DeadlineExceededError,
    ImageError,
    ModelNotFoundError,
    ServerBusyError,
    ServerUnreachableError,
    ServingError,
)
from serving.client.segmentation_client import SegmentationClient
from tfseg.io.http_server import HttpLimits, HttpServer, file_routes
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
_VERSION = re.compile(r"\d{1,18}")
_MAX_CLIENTS = 64
_NUM_THREADS = 64  # detections under way or waiting


class PageServer(HttpServer):
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
        app = Starlette(
            routes=[
                *file_routes(_PAGE_DIR, _FILES, _HEADERS),
                Route("/api/versions", self._get_versions),
                Route("/api/detect", self._detect, methods=["POST"]),
            ],
            exception_handlers={HTTPException: _http_error, ServingError: _serving_error},
        )
        super().__init__(app, host, port, HttpLimits(max_photo_bytes), num_threads=_NUM_THREADS)

    def client(self, version: int | None) -> SegmentationClient:
        """A client of one version; None is what the flags say."""
        with self._lock:
            if version not in self._clients:
                arguments = self._client_arguments
                if version is not None:
                    if len(self._clients) > _MAX_CLIENTS:  # strangers may count far
                        self._clients.popitem()[1].close()
                    arguments = {**arguments, "version": version, "label": None}
                self._clients[version] = SegmentationClient(**arguments)
            return self._clients[version]

    async def _get_versions(self, request: Request) -> Response:
        versions = await self.in_thread(self.client(None).available_versions)
        return JSONResponse({"versions": versions}, headers=_HEADERS)

    async def _detect(self, request: Request) -> Response:
        text = request.query_params.get("version")
        if text is not None and not _VERSION.fullmatch(text):
            raise HTTPException(400, "expected a photo's bytes at /api/detect")
        version = None if text is None else int(text)
        async with self.bodies.read(request) as photo:
            found = await self.in_thread(lambda: _detect(self.client(version), photo))
        return JSONResponse(found, headers=_HEADERS)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    messages = {404: "there is no such page", 405: "expected a photo's bytes at /api/detect"}
    code = 400 if error.status_code == 405 else error.status_code
    taken = f"the photo is not taken: {error.detail}"
    message = messages.get(error.status_code, error.detail if code == 400 else taken)
    return JSONResponse({"error": message}, code, headers=_HEADERS)


async def _serving_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServingError)
    return JSONResponse({"error": str(error)}, _http_code(error), headers=_HEADERS)


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
