"""An ASGI app behind uvicorn, in a thread of its own, with the bounds that no library has.

Starlette and uvicorn read HTTP: lengths, chunks, keep-alive, clients that leave. What they leave
to a proxy is here, since pages and REST are used without one: how large a body may be (its unpacked
form too) and all of them together, how long a request may take to come in, and which names and
pages may ask.
"""

import asyncio
import dataclasses
import ipaddress
import json
import socket
import ssl
import threading
import zlib
from collections.abc import Collection
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}
_DRAINED = 4  # times the limit: who sends a little too much can still read why


@dataclasses.dataclass(frozen=True)
class HttpLimits:
    """What a server takes.

    Attributes:
        max_body_bytes: a body, packed or unpacked.
        max_total_bytes: all bodies that are held at once.
        max_connections: more are answered 503.
        idle_s: a connection that sends nothing for so long is closed.
        request_s: headers and body are there so long after the first byte, or never.
    """

    max_body_bytes: int
    max_total_bytes: int = 2**30
    max_connections: int = 1024
    idle_s: float = 60.0
    request_s: float = 300.0


class HttpServer:
    """Serves an app from start until stop; TLS where a context is given."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        limits: HttpLimits,
        tls: ssl.SSLContext | None = None,
    ):
        """Binds the address; port 0 takes a free one.

        Raises:
            OSError: The address cannot be listened on.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=128)
        self.server_address = self._socket.getsockname()
        config = uvicorn.Config(
            app,
            http=_protocol(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.max_connections,
            timeout_keep_alive=round(limits.idle_s) or 1,
        )
        config.load()
        if tls:
            config.ssl = tls
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Answers requests from now on."""
        self._thread.start()

    def serve_forever(self) -> None:
        """Answers requests in this thread until KeyboardInterrupt."""
        self.start()
        try:
            while self._thread.is_alive():
                self._thread.join(1)
        finally:
            self.stop()

    def stop(self, grace_s: float = 0.0) -> None:
        """Takes no further connection; waits up to grace_s for the requests under way."""
        self._server.config.timeout_graceful_shutdown = max(1, round(grace_s))
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(grace_s + 5)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


def _protocol(limits: HttpLimits) -> type[H11Protocol]:
    """uvicorn's protocol, which also gives up connections that never finish their headers."""

    class Protocol(H11Protocol):
        deadline: asyncio.TimerHandle | None = None
        has_begun = False  # a request's first bytes are there

        def connection_made(self, transport) -> None:
            super().connection_made(transport)
            self._give_up_in(limits.idle_s)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if not self._is_between_requests():
                self.has_begun = False
                self._give_up_in(None)
            elif not self.has_begun:
                self.has_begun = True
                self._give_up_in(limits.request_s)

        def connection_lost(self, exc: Exception | None) -> None:
            self._give_up_in(None)
            super().connection_lost(exc)

        def _is_between_requests(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _give_up_in(self, seconds: float | None) -> None:
            if self.deadline:
                self.deadline.cancel()
            later = self.loop.call_later
            self.deadline = None if seconds is None else later(seconds, self._give_up)

        def _give_up(self) -> None:
            if self._is_between_requests() and not self.transport.is_closing():
                self.transport.close()

    return Protocol


class BodyReader:
    """Reads requests' bodies within the limits; one for a server."""

    def __init__(self, limits: HttpLimits):
        self._limits = limits
        self._held = 0

    def release(self, body: bytes) -> None:
        """Gives a body's bytes back, when its answer is there."""
        self._held -= len(body)

    async def read(self, request: Request) -> bytes:
        """Reads a whole body; release it afterwards.

        Raises:
            HTTPException: 400 damaged gzip, 408 not in time, 413 too large, 415 packed otherwise,
                503 too many bodies at once.
            ClientDisconnect: The client left before the body's end.
        """
        limits = self._limits
        packing = request.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", ""):
            raise HTTPException(415, f"Content-Encoding {packing}: expected gzip or none")
        declared = request.headers.get("content-length", "")
        unpacker = zlib.decompressobj(31) if packing == "gzip" else None
        parts: list[bytes] = []
        size = received = 0
        try:
            async with asyncio.timeout(limits.request_s):
                async for chunk in request.stream():
                    received += len(chunk)
                    if unpacker:
                        chunk = unpacker.decompress(chunk, limits.max_body_bytes + 1 - size)
                    size += len(chunk)
                    if size > limits.max_body_bytes:
                        parts.clear()
                        if received > _DRAINED * limits.max_body_bytes or unpacker:
                            break
                    else:
                        parts.append(chunk)
        except TimeoutError:
            raise HTTPException(408, "the request was not sent in time") from None
        except zlib.error as error:
            raise HTTPException(400, f"the body is no gzip: {error}") from None
        if size > limits.max_body_bytes:
            got = declared or f"{size} and more"
            message = f"Received message larger than max ({got} vs. {limits.max_body_bytes})"
            raise HTTPException(413, message)
        if unpacker and not unpacker.eof:
            raise HTTPException(400, "the gzip body is cut short")
        if self._held + size > limits.max_total_bytes:
            raise HTTPException(503, "the server holds too many bodies; try again later")
        self._held += size
        return b"".join(parts)


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
        elif self._checks_origin and origin and origin != "null" and _netloc(origin) != host:
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


__all__ = [
    "AskedByItsOwn",
    "BodyReader",
    "ClientDisconnect",
    "HttpLimits",
    "HttpServer",
    "own_names",
]
