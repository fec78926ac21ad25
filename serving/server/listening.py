"""A gRPC server bound to its address, before anything slow is imported."""

import dataclasses
import socket
from concurrent import futures

import grpc

from serving.server.tls import ServerTls

SHUTDOWN_GRACE_S = 30  # for the requests under way, once the server is asked to end
# For status, metadata and health calls while every request that may wait does.
_SPARE_THREADS = 8


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a server takes on at once.

    Attributes:
        max_running: Requests that run at once.
        max_waiting: Requests that wait for their turn; more are refused.
        max_message_bytes: Larger requests are refused.
    """

    max_running: int
    max_waiting: int
    max_message_bytes: int

    @property
    def num_threads(self) -> int:
        """A request keeps a thread while it runs or waits."""
        return self.max_running + self.max_waiting + _SPARE_THREADS


def bind(host: str, port: int, limits: Limits, tls: ServerTls | None) -> tuple[grpc.Server, str]:
    """Makes a gRPC server, not started yet, and its address "host:port".

    Raises:
        ValueError: The address cannot be listened on, or a TLS file is unusable.
    """
    grpc_server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=limits.num_threads),
        maximum_concurrent_rpcs=limits.num_threads,
        options=[
            ("grpc.max_receive_message_length", limits.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # else two servers silently share one port
        ],
    )
    check_free(host, port)
    address = f"{host_text(host)}:{port}"
    try:
        if tls:
            bound_port = grpc_server.add_secure_port(address, tls.grpc_credentials())
        else:
            bound_port = grpc_server.add_insecure_port(address)
    except RuntimeError as error:
        raise ValueError(
            f"cannot listen on {address}: {error}; give another --port or --host."
        ) from error
    return grpc_server, f"{host_text(host)}:{bound_port}"


def check_free(host: str, port: int) -> None:
    """Asks a plain socket first: gRPC does not say why, and logs lines of its own.

    Raises:
        ValueError: The address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ValueError(
            f"cannot listen on {host_text(host)}:{port}: {error.strerror or error}; give another "
            "port or --host."
        ) from error


def host_text(host: str) -> str:
    """The host as it stands before a port."""
    return f"[{host}]" if ":" in host else host
