"""An ASGI app behind uvicorn, in a thread of its own, with the bounds that no library has.

Starlette and uvicorn read HTTP: lengths, chunks, keep-alive, clients that leave. What they leave
to a proxy is here, since pages and REST are used without one: how large a body may be (its unpacked
form too) and all of them together, and how long a request may take to come in; who may ask is in
http_askers.
"""

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent import futures
from pathlib import Path
from typing import TypeVar

import uvicorn
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from tfseg.io.http_askers import AskedByItsOwn, own_names

T = TypeVar("T")
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
    """Serves an app from start until stop; TLS where a context is given.

    Attributes:
        server_address: (host, port, ...) that it listens on.
        bodies: reads requests' bodies within the limits.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        limits: HttpLimits,
        *,
        tls: ssl.SSLContext | None = None,
        num_threads: int = 8,
        allowed_hosts: Collection[str] | None = None,
        checks_origin: bool = True,
    ):
        """Binds the address; port 0 takes a free one.

        Args:
            app: Answers.
            host, port: Of the interface.
            limits: What it takes.
            tls: Speaks TLS.
            num_threads: Of in_thread.
            allowed_hosts: Names it answers to; unless given, see own_names.
            checks_origin: False where other sites' pages may ask (CORS).

        Raises:
            OSError: The address cannot be listened on.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=128)
        self.server_address = self._socket.getsockname()
        self.bodies = BodyReader(limits)
        self._threads = futures.ThreadPoolExecutor(num_threads, "http")
        names = own_names(host) if allowed_hosts is None else allowed_hosts
        config = uvicorn.Config(
            AskedByItsOwn(app, names, checks_origin),
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

    async def in_thread(self, work: Callable[..., T], *arguments) -> T:
        """Runs what blocks beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

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

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yields a whole body, which counts as held from its first byte until the block's end.

        Raises:
            HTTPException: 400 damaged gzip, 408 not in time, 413 too large, 415 packed otherwise,
                503 too many bodies at once.
            ClientDisconnect: The client left before the body's end.
        """
        parts: list[bytes] = []
        try:
            try:
                async with asyncio.timeout(self._limits.request_s):
                    await self._read_parts(request, parts)
            except TimeoutError:
                raise HTTPException(408, "the request was not sent in time") from None
            yield b"".join(parts)
        finally:
            self._held -= sum(map(len, parts))

    async def _read_parts(self, request: Request, parts: list[bytes]) -> None:
        limit = self._limits.max_body_bytes
        packing = request.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", ""):
            raise HTTPException(415, f"Content-Encoding {packing}: expected gzip or none")
        unpacker = zlib.decompressobj(31) if packing == "gzip" else None
        size = received = 0
        told = request.headers.get("content-length", "0")
        if int(told) > (limit if "expect" in request.headers else _DRAINED * limit):
            raise _too_large(told, limit)  # nobody would send all of it to be told then
        async for chunk in request.stream():
            received += len(chunk)
            if unpacker and size <= limit:
                chunk = _unpacked(unpacker, chunk, limit + 1 - size)
            size += len(chunk)
            if size <= limit:
                self._hold(chunk, parts)
            elif received > _DRAINED * limit:
                break
        if size > limit:
            raise _too_large(f"{size} and more" if unpacker or told == "0" else told, limit)
        if unpacker and not unpacker.eof:
            raise HTTPException(400, "the gzip body is cut short")

    def _hold(self, chunk: bytes, parts: list[bytes]) -> None:
        if self._held + len(chunk) > self._limits.max_total_bytes:
            raise HTTPException(503, "the server holds too many bodies; try again later")
        self._held += len(chunk)
        parts.append(chunk)


def _too_large(got: str, limit: int) -> HTTPException:
    return HTTPException(413, f"Received message larger than max ({got} vs. {limit})")


def _unpacked(unpacker, chunk: bytes, max_bytes: int) -> bytes:
    try:
        return unpacker.decompress(chunk, max_bytes)
    except zlib.error as error:
        raise HTTPException(400, f"the body is no gzip: {error}") from None


def file_routes(
    folder: Path, files: Mapping[str, tuple[str, str]], headers: Mapping[str, str]
) -> list[Route]:
    """Routes to a page's own files.

    Args:
        folder: Where they are.
        files: {path: (file's name, Content-Type)}.
        headers: Of every answer.
    """

    def route(path: str, name: str, content_type: str) -> Route:
        async def send_file(request: Request) -> Response:
            content = (folder / name).read_bytes()
            return Response(content, headers={**headers, "Content-Type": content_type})

        return Route(path, send_file)

    return [route(path, *file) for path, file in files.items()]
