"""What the local servers of both review pages are built on."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tfseg.io.http_server import HttpLimits, HttpServer, file_routes

_HOST = "127.0.0.1"
_SHARED_DIR = Path(__file__).parent / "page"
_SHARED_FILES = {
    "/photo_review.js": ("photo_review.js", "text/javascript"),
    "/review.css": ("review.css", "text/css"),
}
_MAX_BODY = 4_000_000  # bytes, of a request
NOT_KEPT = {"Cache-Control": "no-store"}


class PageServer(HttpServer):
    """Serves a page and its actions on this machine only."""

    def __init__(
        self,
        page_dir: Path,
        page_files: Mapping[str, tuple[str, str]],
        routes: Sequence[Route],
        port: int,
        error_handlers: Mapping[Any, Callable] | None = None,
    ):
        """Binds the port; 0 takes a free one.

        Args:
            page_dir: Where the page's own files are.
            page_files: {path: (file's name, Content-Type)}; those that both pages load are
                served beside.
            routes: Of the actions.
            port: On this machine.
            error_handlers: Starlette's, beside those of bad input.

        Raises:
            ValueError: The port is taken.
        """
        app = Starlette(
            routes=[
                *file_routes(page_dir, page_files, NOT_KEPT),
                *file_routes(_SHARED_DIR, _SHARED_FILES, NOT_KEPT),
                *routes,
            ],
            exception_handlers={
                HTTPException: _http_error,
                ValueError: _bad_input,
                OSError: _bad_input,
                **(error_handlers or {}),
            },
        )
        try:
            super().__init__(app, _HOST, port, HttpLimits(_MAX_BODY))
        except OSError as error:
            raise ValueError(
                f"--port={port}: cannot listen ({error.strerror}); give another, or 0 for a free "
                "one."
            ) from error

    async def asked(self, request: Request) -> dict[str, Any]:
        """A request's json object."""
        # Forms of other sites cannot send this type.
        if request.headers.get("content-type") != "application/json":
            raise ValueError("expected Content-Type: application/json.")
        async with self.bodies.read(request) as body:
            try:
                asked = json.loads(body)
            except RecursionError:
                raise ValueError("the json is nested too deep.") from None
            except ValueError:  # of json, or of the text's encoding
                got = repr(body[:40])[1:] if body else "nothing"
                raise ValueError(f"got {got} in the body, expected a json object.") from None
        if not isinstance(asked, dict):
            raise ValueError(f"got {str(asked)[:40]}, expected an object.")
        return asked

    async def image_of(
        self, request: Request, read: Callable[[str], bytes], media_type: str
    ) -> Response:
        """Answers with the image that a function gives for the photo asked for by name."""
        name = request.query_params.get("name", "")
        content = await self.in_thread(read, name)
        return Response(content, media_type=media_type, headers=NOT_KEPT)

    async def json_of(self, answer: Callable[[], dict]) -> Response:
        """Answers with what a function gives, which runs in a thread."""
        return JSONResponse(await self.in_thread(answer), headers=NOT_KEPT)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        return PlainTextResponse("no such page or action", 404)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _bad_input(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)
