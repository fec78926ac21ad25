"""One gRPC channel to a TensorFlow Serving compatible server: retries, deadlines, typed errors."""

import asyncio
import dataclasses
import random
import time
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.message import Message

Response = TypeVar("Response", bound=Message)

_FIRST_BACKOFF_S = 0.1
_MAX_BACKOFF_S = 2.0
_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # gRPC's own default is 4 MB
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)


@dataclasses.dataclass(frozen=True)
class Tls:
    """How a client knows its server, and shows itself.

    Attributes:
        ca_path: PEM file of the CA that signed the server's certificate; None: the system's.
        cert_path, key_path: PEM files of the client's own certificate, where the server asks.
    """

    ca_path: Path | None = None
    cert_path: Path | None = None
    key_path: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """For grpc.secure_channel.

        Raises:
            ValueError: A file cannot be read, or only one of certificate and key is given.
        """
        if (self.cert_path is None) != (self.key_path is None):
            raise ValueError("a client certificate needs its key, and a key its certificate.")
        try:
            ca, key, cert = (
                Path(path).read_bytes() if path else None
                for path in (self.ca_path, self.key_path, self.cert_path)
            )
        except OSError as error:
            raise ValueError(f"{error.filename}: cannot be read ({error.strerror}).") from error
        return grpc.ssl_channel_credentials(ca, key, cert)


class ServingError(Exception):
    """A request got no answer; the message is one line that says what to do."""


class ServerUnreachableError(ServingError):
    """Nothing answers at the server's address."""


class ModelNotFoundError(ServingError):
    """The server does not have the model, version or signature."""


class DeadlineExceededError(ServingError):
    """The answer did not come in time."""


class ServerBusyError(ServingError):
    """The server had too many requests waiting, for as long as it was tried."""


class RequestRefusedError(ServingError):
    """The server answered with another error status."""


class ImageError(ServingError):
    """The server could not use one image of a request; the message is its reason."""


_ERRORS_BY_CODE = {
    grpc.StatusCode.NOT_FOUND: ModelNotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: ModelNotFoundError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
}


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long a call may take.

    Attributes:
        deadline_s: Seconds in all, waiting for the server included.
        connect_timeout_s: Seconds of that in which an unreachable or busy server is tried again.
    """

    deadline_s: float
    connect_timeout_s: float


class _Attempts:
    """The clock of one call: how long the next attempt may take, and whether there is one."""

    def __init__(self, server: str, patience: Patience):
        self._server = server
        self._patience = patience
        self._start = time.monotonic()
        self._backoff_s = _FIRST_BACKOFF_S

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._start

    def timeout_s(self) -> float:
        """Seconds the next attempt may take."""
        return max(self._patience.deadline_s - self._elapsed_s(), 0.001)

    def pause_after(self, error: grpc.RpcError) -> float:
        """Seconds to wait before the next attempt.

        Raises:
            ServingError: There is none.
        """
        status, details = error.code(), " ".join((error.details() or "").split())
        patience_s = min(self._patience.connect_timeout_s, self._patience.deadline_s)
        if not _may_pass(status, details) or self._elapsed_s() + self._backoff_s > patience_s:
            raise self._typed_error(status, details)
        pause_s = self._backoff_s * random.uniform(0.8, 1.2)
        self._backoff_s = min(2 * self._backoff_s, _MAX_BACKOFF_S)
        return pause_s

    def _typed_error(self, status: grpc.StatusCode, details: str) -> ServingError:
        if status is grpc.StatusCode.UNAVAILABLE:
            return ServerUnreachableError(
                f"no server answers at {self._server} (tried for {self._elapsed_s():.0f} s): start "
                f"one with python -m serving.server, or check --server. [{details}]"
            )
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceededError(
                f"{self._server} did not answer within {self._patience.deadline_s:g} s; "
                "send fewer photos at once or give a longer --deadline_s."
            )
        error_type = _ERRORS_BY_CODE.get(status, RequestRefusedError)
        if _may_pass(status, details):
            error_type = ServerBusyError
        hint = "; is the model's name right?" if status is grpc.StatusCode.NOT_FOUND else ""
        return error_type(f"{self._server} answered {status.name}: {details}{hint}")


def _may_pass(status: grpc.StatusCode, details: str) -> bool:
    """Whether the same request may succeed later."""
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return "larger than max" not in details  # gRPC's words for a message that is too large
    return status is grpc.StatusCode.UNAVAILABLE


class Connection:
    """A channel that survives a server's restart: UNAVAILABLE is tried again with back-off.

    Every method it is meant for only reads, so that trying again is safe. Usable from several
    threads.
    """

    def __init__(self, server: str, patience: Patience, tls: Tls | None = None):
        """Opens the channel to "host:port"; nothing is sent yet.

        Raises:
            ValueError: See Tls.credentials.
        """
        self.server = server
        self._patience = patience
        self._channel = (
            grpc.secure_channel(server, tls.credentials(), options=_CHANNEL_OPTIONS)
            if tls
            else grpc.insecure_channel(server, options=_CHANNEL_OPTIONS)
        )

    def close(self) -> None:
        """Ends the channel; calls under way are cancelled."""
        self._channel.close()

    def call(self, method: str, request: Message, response_type: type[Response]) -> Response:
        """Calls "/package.Service/Method".

        Raises:
            ServingError: One of the kinds above, by the call's status.
        """
        unary = self._channel.unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response_type.FromString,
        )
        attempts = _Attempts(self.server, self._patience)
        while True:
            try:
                return unary(request, timeout=attempts.timeout_s())
            except grpc.RpcError as error:
                time.sleep(attempts.pause_after(error))


class AsyncConnection:
    """Connection for asyncio: the same, awaited; bound to the loop it is made in."""

    def __init__(self, server: str, patience: Patience, tls: Tls | None = None):
        """Opens the channel to "host:port"; nothing is sent yet.

        Raises:
            ValueError: See Tls.credentials.
        """
        self.server = server
        self._patience = patience
        self._channel = (
            grpc.aio.secure_channel(server, tls.credentials(), options=_CHANNEL_OPTIONS)
            if tls
            else grpc.aio.insecure_channel(server, options=_CHANNEL_OPTIONS)
        )

    async def close(self) -> None:
        """Ends the channel; calls under way are cancelled."""
        await self._channel.close()

    async def call(self, method: str, request: Message, response_type: type[Response]) -> Response:
        """Calls "/package.Service/Method".

        Raises:
            ServingError: One of the kinds above, by the call's status.
        """
        unary = self._channel.unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response_type.FromString,
        )
        attempts = _Attempts(self.server, self._patience)
        while True:
            try:
                return await unary(request, timeout=attempts.timeout_s())
            except grpc.RpcError as error:
                await asyncio.sleep(attempts.pause_after(error))
