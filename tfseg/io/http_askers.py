"""Which names a server answers to and which sites' pages may ask it.

Starlette's TrustedHostMiddleware knows neither Origin nor "every name of this machine".
"""

import ipaddress
import json
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


class AskedByItsOwn:
    """Refuses requests that another site's page makes, and names that merely lead here.

    A browser sends the name it looked up as Host; a page of another site that had its name point
    here (DNS rebinding) is known by it. Origin is what page asks. Beside: a request with both a
    length and chunks, which proxies read differently, is refused.
    """

    def __init__(
        self, app: ASGIApp, allowed_hosts: Collection[str] | None, checks_origin: bool = True
    ):
        """Wraps an app.

        Args:
            app: What to protect.
            allowed_hosts: Names without ports, from own_names; None allows all.
            checks_origin: False where other sites' pages may ask (CORS).
        """
        self._app = app
        self._allowed = allowed_hosts
        self._checks_origin = checks_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 400 or 403, or hands the request on."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname if _is_host(host) else None
        origin = headers.get("origin")
        if "transfer-encoding" in headers and "content-length" in headers:
            await _refuse(send, 400, "both Content-Length and Transfer-Encoding")
        elif self._allowed is not None and name not in self._allowed:
            await _refuse(send, 403, f"this server does not answer as {host[:80]!r}")
        elif self._checks_origin and origin and _netloc(origin) != host:
            await _refuse(send, 403, f"pages of {origin[:80]!r} may not ask this server")
        else:
            await self._app(scope, receive, send)


def own_names(host: str) -> set[str] | None:
    """The names that a server on an address answers to; None (all) where others reach it."""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    return {*_LOCAL_NAMES, host} if is_local else None


def _is_host(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname is not None
    except ValueError:
        return False


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


async def _refuse(send: Send, code: int, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
