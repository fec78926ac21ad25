"""A real HTTP server of files that misbehaves as it is told."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class ServedFile:
    """One path of the server.

    Attributes:
        contents: the whole file.
        faults: one for each request from the first; "" is a good answer, as is all beyond them:
            "break" ends the connection half way, "stall" stops sending there, "ignore range"
            sends everything, "wrong range" other bytes than asked for, "no length" leaves the
            size away, a number is that HTTP status, "html" is a page, "redirect" sends to
            the same path with "real/" before it.
        etag: of the contents; None: their hash.
    """

    contents: bytes
    faults: list[str] = field(default_factory=list)
    etag: str | None = None


class FileServer:
    """Files by path (without the first slash) and what was asked for."""

    def __init__(self):
        self.files: dict[str, ServedFile] = {}
        self.lfs_objects: dict[str, str] = {}  # sha256 -> path
        self.lfs_status = 200
        self.requests: list[tuple[str, str | None]] = []  # path, Range
        self.released = threading.Event()  # lets stalled answers end
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def add(self, path: str, contents: bytes, *faults: str) -> str:
        self.files[path] = ServedFile(contents, list(faults))
        return f"{self.url}/{path}"

    def ranges(self, path: str) -> list[str | None]:
        """The Range headers of the requests for a path, in order."""
        return [asked for requested, asked in self.requests if requested == path]


@contextmanager
def file_server() -> Iterator[FileServer]:
    server = FileServer()
    thread = threading.Thread(target=server._server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server._server.shutdown()
        server._server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client may hang up, or speak TLS; an error of the handler's is seen in the answer."""


def _handler(server: FileServer) -> type:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            path = self.path.lstrip("/").partition("?")[0]
            server.requests.append((path, self.headers.get("Range")))
            served = server.files.get(path)
            if served is None:
                self._answer(404, b"no such file")
                return
            fault = served.faults.pop(0) if served.faults else ""
            if fault == "redirect":
                self._answer(302, b"", {"Location": f"/real/{path}"})
            elif fault == "html":
                self._answer(200, b"<html>log in</html>", {"Content-Type": "text/html"})
            elif fault.isdigit():
                self._answer(int(fault), b"busy", {"Retry-After": "0"})
            else:
                self._send_file(served, fault)

        def do_POST(self):
            """The Git LFS batch API, as the clone URL /repo.git has it."""
            server.requests.append((self.path.lstrip("/"), None))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Accept"] == "application/vnd.git-lfs+json"
            assert body["operation"] == "download"
            if server.lfs_status != 200:
                message = {"message": "This repository is over its data quota."}
                self._answer(server.lfs_status, json.dumps(message).encode())
                return
            (wanted,) = body["objects"]
            path = server.lfs_objects.get(wanted["oid"])
            if path is None:
                answer = {**wanted, "error": {"code": 404, "message": "Object does not exist"}}
            else:
                href = f"{server.url}/{path}?token=once"
                answer = {**wanted, "actions": {"download": {"href": href}}}
            self._answer(200, json.dumps({"transfer": "basic", "objects": [answer]}).encode())

        def _send_file(self, served: ServedFile, fault: str) -> None:
            contents = served.contents
            etag = served.etag or f'"{hashlib.md5(contents).hexdigest()}"'
            headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/x-tar"}
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
            matches = self.headers.get("If-Range", etag) == etag
            start = int(asked[1]) if asked and matches and fault != "ignore range" else 0
            if start >= len(contents):
                self._answer(416, b"", {"Content-Range": f"bytes */{len(contents)}"})
                return
            if fault == "wrong range" and start:
                start -= 1
            self.send_response(206 if start else 200)
            if start:
                span = f"bytes {start}-{len(contents) - 1}/{len(contents)}"
                headers["Content-Range"] = span
            if fault == "no length":
                headers["Connection"] = "close"
            else:
                headers["Content-Length"] = str(len(contents) - start)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            rest = contents[start:]
            if fault in ("break", "stall"):
                self.wfile.write(rest[: len(rest) // 2])
                self.wfile.flush()
                if fault == "stall":
                    server.released.wait(30)
                self.close_connection = True
                return
            with suppress(ConnectionError):  # a client need not take all of it
                self.wfile.write(rest)
            self.close_connection = fault == "no length"

        def _answer(self, status: int, body: bytes, headers: dict | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
