"""A server of one's own for the page, where none is named and none answers at the usual place."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator

_SERVING = "serving "


def answers(address: str) -> bool:
    """Whether something listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def started(model_name: str) -> Iterator[str]:
    """Starts a server with the model in the box, and ends it; yields its address.

    Raises:
        ValueError: It does not come up; its own reason is passed on.
    """
    command = [sys.executable, "-m", "serving.server", f"--model_name={model_name}", "--port=0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None, "it is piped"
        line = server.stdout.readline()
        if not line.startswith(_SERVING):
            raise ValueError("the server with the model in the box does not start; see above.")
        yield line.split()[-1]
    finally:
        server.terminate()
        try:
            server.wait(35)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
