"""The one exception the server answers a request with: a gRPC status code and its message."""

import grpc

# TensorFlow Serving cuts longer messages (a graph error can list every node); gRPC sends them as
# headers, which have a limit of 8 KB, and three bytes for each that is no ASCII.
MAX_MESSAGE_BYTES = 1024

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class RequestError(Exception):
    """A request that cannot be answered; becomes the call's status."""

    def __init__(self, code: grpc.StatusCode, message: str):
        encoded = message.encode("utf-8", "backslashreplace")  # half of a surrogate pair has none
        message = encoded[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")
        if len(encoded) > MAX_MESSAGE_BYTES:
            message += "...TRUNCATED"
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def from_code_number(cls, number: int, message: str) -> "RequestError":
        """From a number of google.rpc.Code, which TensorFlow's errors carry too."""
        return cls(_CODES.get(number, grpc.StatusCode.UNKNOWN), message)


def invalid_argument(message: str) -> RequestError:
    """The client's request is wrong, whatever the server's state."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> RequestError:
    """The named model or version is not served here."""
    return RequestError(grpc.StatusCode.NOT_FOUND, message)
