"""One gRPC channel to a TensorFlow Serving compatible server: retries, deadlines, typed errors."""

import random
import time
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


class ServingError(Exception):
    """A request got no answer; the message is one line that says what to do."""


class ServerUnreachableError(ServingError):
    """Nothing answers at the server's address."""


class ModelNotFoundError(ServingError):
    """The server does not have the model, version or signature."""


class DeadlineExceededError(ServingError):
    """The answer did not come in time."""


class RequestRefusedError(ServingError):
    """The server answered with another error status."""


class ImageError(ServingError):
    """The server could not use one image of a request; the message is its reason."""


_ERRORS_BY_CODE = {
    grpc.StatusCode.NOT_FOUND: ModelNotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: ModelNotFoundError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
}


class Connection:
    """A channel that survives a server's restart: UNAVAILABLE is tried again with back-off.

    Every method it is meant for only reads, so that trying again is safe. Usable from several
    threads.
    """

    def __init__(self, server: str, deadline_s: float, connect_timeout_s: float):
        """Opens the channel; nothing is sent yet.

        Args:
            server: "host:port".
            deadline_s: Seconds a call may take, waiting for the server included.
            connect_timeout_s: Seconds of that in which an unreachable server is tried again.
        """
        self.server = server
        self._deadline_s = deadline_s
        self._connect_timeout_s = connect_timeout_s
        self._channel = grpc.insecure_channel(server, options=_CHANNEL_OPTIONS)

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
        start = time.monotonic()
        backoff_s = _FIRST_BACKOFF_S
        while True:
            elapsed_s = time.monotonic() - start
            try:
                return unary(request, timeout=max(self._deadline_s - elapsed_s, 0.001))
            except grpc.RpcError as error:
                status, details = error.code(), error.details() or ""
            elapsed_s = time.monotonic() - start
            patience_s = min(self._connect_timeout_s, self._deadline_s)
            if status is not grpc.StatusCode.UNAVAILABLE or elapsed_s + backoff_s > patience_s:
                raise self._typed_error(status, details, elapsed_s)
            time.sleep(backoff_s * random.uniform(0.8, 1.2))
            backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)

    def _typed_error(self, status: grpc.StatusCode, details: str, elapsed_s: float) -> ServingError:
        details = " ".join(details.split())
        if status is grpc.StatusCode.UNAVAILABLE:
            return ServerUnreachableError(
                f"no server answers at {self.server} (tried for {elapsed_s:.0f} s): start one "
                f"with python -m serving.server, or check --server. [{details}]"
            )
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceededError(
                f"{self.server} did not answer within {self._deadline_s:g} s; "
                "send fewer photos at once or give a longer --deadline_s."
            )
        error_type = _ERRORS_BY_CODE.get(status, RequestRefusedError)
        hint = "; is the model's name right?" if status is grpc.StatusCode.NOT_FOUND else ""
        return error_type(f"{self.server} answered {status.name}: {details}{hint}")
