"""The local server of the page on which predictions are corrected."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data_prep.review.garments.session import GarmentSession
from data_prep.review.garments.store import StaleEdit
from data_prep.review.page_server import NOT_KEPT, PageServer

_PAGE_DIR = Path(__file__).parent / "page"
_PAGE_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/garments.css": ("garments.css", "text/css"),
    "/garments.js": ("garments.js", "text/javascript"),
    "/drawing.js": ("drawing.js", "text/javascript"),
    "/keys.js": ("keys.js", "text/javascript"),
}


class GarmentServer(PageServer):
    """Serves a GarmentSession's page on this machine only.

    GET photos, photo?name= (JPEG), garments?name=; POST decide {name, revision, action, ...} and
    undo {num_decisions}. An edit of what is shown no more is answered with 409.
    """

    def __init__(self, session: GarmentSession, port: int):
        """Binds the port; 0 takes a free one.

        Raises:
            ValueError: The port is taken.
        """
        self._session = session
        routes = [
            Route("/photos", self._photos),
            Route("/photo", self._photo),
            Route("/garments", self._garments),
            Route("/decide", self._decide, methods=["POST"]),
            Route("/undo", self._undo, methods=["POST"]),
        ]
        super().__init__(_PAGE_DIR, _PAGE_FILES, routes, port, {StaleEdit: self._stale})

    async def _photos(self, request: Request) -> Response:
        return await self.json_of(self._session.listed)

    async def _photo(self, request: Request) -> Response:
        return await self.image_of(request, self._session.photo_jpeg, "image/jpeg")

    async def _garments(self, request: Request) -> Response:
        name = request.query_params.get("name", "")
        return await self.json_of(lambda: self._session.shown(name))

    async def _decide(self, request: Request) -> Response:
        asked = await self.asked(request)
        name, action = str(asked.get("name")), str(asked.get("action"))
        revision = _whole(asked, "revision")
        return await self.json_of(lambda: self._session.decide(name, revision, action, asked))

    async def _undo(self, request: Request) -> Response:
        num_decisions = _whole(await self.asked(request), "num_decisions")
        return await self.json_of(lambda: self._session.undo(num_decisions))

    async def _stale(self, request: Request, error: Exception) -> Response:
        progress = await self.in_thread(self._session.progress)
        return JSONResponse({"error": str(error), **progress}, 409, headers=NOT_KEPT)


def _whole(asked: dict, key: str) -> int:
    value = asked.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key}: got {value!r}, expected a whole number; reload the page.")
    return value
