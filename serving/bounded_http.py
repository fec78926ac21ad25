"""An HTTP server of the standard library with bounds: connections, body sizes, time to send in.

Slow senders lose their place after REQUEST_S; who opens every connection anew still keeps others
out: that is for a proxy in front to stop.
"""

import http.server
import io
import socket
import ssl
import threading
import time

_IDLE_S = 60  # a connection that sends nothing for so long is closed
REQUEST_S = 300.0  # headers and body are there so long after the first byte, or never
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
        self._is_stopping = False
        self._num_active = 0
        self._ended = threading.Condition()
        super().__init__((host, port), handler)

    def start(self) -> None:
        """Answers requests from now on, in threads."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self, grace_s: float = 0.0) -> None:
        """Takes no further connection; waits up to grace_s for the requests under way."""
        self._is_stopping = True
        self.shutdown()
        self.server_close()
        with self._ended:
            self._ended.wait_for(lambda: not self._num_active, grace_s)

    def begin_request(self) -> bool:
        """Counts a request as under way; returns whether its connection may be used again."""
        with self._ended:
            self._num_active += 1
        return not self._is_stopping

    def end_request(self) -> None:
        """Ends what begin_request began."""
        with self._ended:
            self._num_active -= 1
            self._ended.notify_all()

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


class _RequestReader(io.RawIOBase):
    """Reads a connection until the deadline of the request that is being read."""

    def __init__(self, connection: socket.socket):
        super().__init__()
        self._connection = connection
        self._deadline: float | None = None

    def begin(self) -> None:
        """The next byte is a request's first."""
        self._deadline = None

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer) -> int:
        """Receives what is there.

        Raises:
            TimeoutError: Nothing came for a while, or the request takes too long.
        """
        seconds = _IDLE_S
        if self._deadline is not None:
            seconds = min(seconds, self._deadline - time.monotonic())
            if seconds <= 0:
                raise TimeoutError("the request was not sent in time")
        self._connection.settimeout(seconds)
        try:
            num_bytes = self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(_IDLE_S)
        if self._deadline is None:
            self._deadline = time.monotonic() + REQUEST_S
        return num_bytes


class BoundedHandler(http.server.BaseHTTPRequestHandler):
    """Reads bodies up to a size, and answers with a length."""

    server: BoundedHttpServer
    protocol_version = "HTTP/1.1"
    server_version = "fashion"
    sys_version = ""

    def setup(self) -> None:
        """Reads with a deadline."""
        super().setup()
        self.rfile.close()
        self._reader = _RequestReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)
        self._is_counted = False

    def parse_request(self) -> bool:
        """Reads the headers; from here on the request is under way."""
        self._is_counted = True
        may_go_on = self.server.begin_request()
        is_good = super().parse_request()
        self.close_connection |= not may_go_on
        return is_good

    def handle_one_request(self) -> None:
        """Answers a request; the server's end waits for it."""
        self._reader.begin()
        try:
            super().handle_one_request()
        finally:
            if self._is_counted:
                self._is_counted = False
                self.server.end_request()

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
