"""The local server of the page on which masks of single products are judged."""

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data_prep.review.page_server import PageServer
from data_prep.review.product_masks.session import ProductSession

_PAGE_DIR = Path(__file__).parent / "page"
_PAGE_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/product_masks.css": ("product_masks.css", "text/css"),
    "/product_masks.js": ("product_masks.js", "text/javascript"),
}


class ProductServer(PageServer):
    """Serves a ProductSession's page on this machine only.

    GET photos, photo?name= (JPEG), mask?name= (PNG); POST decide {name, review}, category {name,
    category} and touch_up {name, marks}.
    """

    def __init__(self, session: ProductSession, port: int):
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
        super().__init__(_PAGE_DIR, _PAGE_FILES, routes, port)

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
