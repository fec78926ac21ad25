"""An HTTP server of the standard library that a stranger cannot exhaust."""

import http.server
import socket
import ssl
import threading

_IDLE_S = 60  # a connection that sends nothing for so long is closed
_CHUNK_BYTES = 1 << 16


class BodyError(Exception):
    """A request's body is not taken.

    Attributes:
        http_code: The status to answer with.
    """

    def __init__(self, http_code: int, message: str):
        super().__init__(message)
        self.http_code = http_code


class BoundedHttpServer(http.server.ThreadingHTTPServer):
    """A thread for each connection, a bounded number of them; TLS where it is given."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        handler: type["BoundedHandler"],
        *,
        max_connections: int,
        max_body_bytes: int,
        tls: ssl.SSLContext | None = None,
    ):
        """Binds the address; port 0 takes a free one.

        Raises:
            OSError: The address cannot be listened on.
        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.max_body_bytes = max_body_bytes
        self._places = threading.BoundedSemaphore(max_connections)
        self._tls = tls
        super().__init__((host, port), handler)

    def start(self) -> None:
        """Answers requests from now on, in threads."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Takes no further connection."""
        self.shutdown()
        self.server_close()

    def process_request(self, request, client_address) -> None:
        """Gives a connection a thread, where there is one left."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:
        """Answers one connection's requests."""
        try:
            request.settimeout(_IDLE_S)
            if self._tls:
                request = self._tls.wrap_socket(request, server_side=True)
            super().process_request_thread(request, client_address)
        except OSError:  # plain text where TLS is spoken, or the client left
            self.shutdown_request(request)
        finally:
            self._places.release()

    def handle_error(self, request, client_address) -> None:
        """A connection that broke is its client's affair."""


class BoundedHandler(http.server.BaseHTTPRequestHandler):
    """Reads bodies up to a size, and answers with a length."""

    server: BoundedHttpServer
    protocol_version = "HTTP/1.1"
    server_version = "fashion"
    sys_version = ""

    def log_message(self, *_) -> None:
        """Logs nothing."""

    def body(self) -> bytes:
        """Reads the request's body.

        Raises:
            BodyError: It has no length, or is too large.
        """
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise BodyError(411, "a request needs a Content-Length")
        limit = self.server.max_body_bytes
        if int(length) <= limit:
            return self.rfile.read(int(length))
        self.close_connection = True
        # Who sends a little too much can still read why; who sends far too much cannot.
        left = min(int(length), 4 * limit)
        while left > 0 and (chunk := self.rfile.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
        raise BodyError(413, f"Received message larger than max ({length} vs. {limit})")

    def send_whole(
        self, code: int, body: bytes, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        """Sends an answer."""
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
