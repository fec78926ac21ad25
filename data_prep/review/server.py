"""The local servers of the review pages."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from data_prep.review.session import ReviewSession
from tfseg.io.http_server import HttpLimits, HttpServer, file_routes

_HOST = "127.0.0.1"
_PAGE_DIR = Path(__file__).parent / "page"
_PAGE_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/review.css": ("review.css", "text/css"),
    "/review.js": ("review.js", "text/javascript"),
}
_MAX_BODY = 4_000_000  # bytes, of a request
NOT_KEPT = {"Cache-Control": "no-store"}


class PageServer(HttpServer):
    """Serves a page of page/ and its actions on this machine only."""

    def __init__(
        self,
        routes: Sequence[Route],
        page_files: Mapping[str, tuple[str, str]],
        port: int,
        error_handlers: Mapping[Any, Callable] | None = None,
    ):
        """Binds the port; 0 takes a free one.

        Args:
            routes: Of the actions.
            page_files: {path: (file's name, Content-Type)}.
            port: On this machine.
            error_handlers: Starlette's, beside those of bad input.

        Raises:
            ValueError: The port is taken.
        """
        app = Starlette(
            routes=[*file_routes(_PAGE_DIR, page_files, NOT_KEPT), *routes],
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


class ReviewServer(PageServer):
    """Serves a session's page."""

    def __init__(self, session: ReviewSession, port: int):
        """Binds the port; 0 takes a free one.

        Raises:
            ValueError: The port is taken.
        """
        self._session = session
        routes = [
            Route("/photos", self._photos),
            Route("/photo", self._photo),
            Route("/mask", self._mask),
            Route("/decide", self._decide, methods=["POST"]),
            Route("/category", self._category, methods=["POST"]),
            Route("/touch_up", self._touch_up, methods=["POST"]),
        ]
        super().__init__(routes, _PAGE_FILES, port)

    async def _photos(self, request: Request) -> Response:
        def listed() -> dict:
            session = self._session
            return {"photos": session.photos(), "categories": session.category_names()}

        return await self.json_of(listed)

    async def _photo(self, request: Request) -> Response:
        return await self.image_of(request, self._session.photo_jpeg, "image/jpeg")

    async def _mask(self, request: Request) -> Response:
        return await self.image_of(request, self._session.mask_png, "image/png")

    async def _decide(self, request: Request) -> Response:
        asked = await self._asked(request)
        review = str(asked.get("review"))
        return await self.json_of(lambda: self._session.decide(asked["name"], review))

    async def _category(self, request: Request) -> Response:
        asked = await self._asked(request)
        category = str(asked.get("category", ""))
        return await self.json_of(lambda: self._session.set_category(asked["name"], category))

    async def _touch_up(self, request: Request) -> Response:
        asked = await self._asked(request)
        marks = asked.get("marks") or []
        if not isinstance(marks, list):
            raise ValueError(f"marks: got {str(marks)[:40]}, expected a list.")
        return await self.json_of(lambda: self._session.touch_up(asked["name"], marks))

    async def _asked(self, request: Request) -> dict[str, Any]:
        """A request's object with a photo's name."""
        asked = await self.asked(request)
        if not isinstance(asked.get("name"), str):
            raise ValueError("expected an object with a photo's name.")
        return asked


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        return PlainTextResponse("no such page or action", 404)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _bad_input(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)
