"""Starts commands as forks of a process that has TensorFlow imported: seconds less for each.

A command so started is what `python -m MODULE` is in all but that: a process with arguments, an
environment, a folder, streams, signals and an exit code of its own. What a test wants to see of
the start itself, of what is imported or logged then, is started by subprocess.
"""

import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.fork_server import EXIT_CODE

_REPOSITORY = Path(__file__).parents[1]


@functools.cache
def _server() -> socket.socket:
    """Starts this process's server, which ends with it; returns the socket to ask it by."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(its.fileno())],
            cwd=_REPOSITORY,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},  # as our commands set it
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
        )
    return ours


class Process:
    """`python -m module`, with what tests use of subprocess.Popen.

    Attributes:
        args: The command line.
        pid: Of the process.
        stdout, stderr: What it prints, as text; stderr is None where it goes to stdout.
        returncode: None until it is known to have ended; the negative signal where one ended it.
    """

    def __init__(self, module, *arguments, cwd=_REPOSITORY, env=None, merged=False):
        """Starts it.

        Args:
            module: Of the project.
            arguments: After it; each is made text.
            cwd: The folder it runs in.
            env: Its environment; None for this process's.
            merged: Whether stderr goes to stdout.
        """
        argv = [module, *map(str, arguments)]
        self.args = [sys.executable, "-m", *argv]
        self.returncode = None
        pipes = [os.pipe() for _ in range(2 if merged else 3)]
        (self._ended, told), (out, into_out), *others = pipes
        into_err = others[0][1] if others else into_out
        command = {"argv": argv, "cwd": str(cwd), "env": dict(os.environ if env is None else env)}
        channel = _server()
        socket.send_fds(channel, [json.dumps(command).encode()], [into_out, into_err, told])
        for _, writing in pipes:
            os.close(writing)
        self.stdout = os.fdopen(out, encoding="utf-8", errors="replace")
        self.stderr = (
            os.fdopen(others[0][0], encoding="utf-8", errors="replace") if others else None
        )
        (self.pid,) = EXIT_CODE.unpack(channel.recv(EXIT_CODE.size))

    def poll(self):
        """The exit code, or None where it still runs."""
        return self._wait(0)

    def wait(self, timeout=None):
        """The exit code; raises subprocess.TimeoutExpired."""
        if self._wait(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, timeout=None):
        """All that it prints and that is not read yet, and so of stderr; raises as wait."""
        readers = [_Reader(stream) for stream in (self.stdout, self.stderr) if stream]
        deadline = None if timeout is None else time.monotonic() + timeout
        for reader in readers:
            reader.join(None if deadline is None else max(deadline - time.monotonic(), 0))
        if any(reader.is_alive() for reader in readers):
            raise subprocess.TimeoutExpired(self.args, timeout)
        self.wait(None if deadline is None else max(deadline - time.monotonic(), 1))
        for stream in (self.stdout, self.stderr):
            if stream:
                stream.close()
        return (*(reader.content for reader in readers), None)[:2]

    def send_signal(self, number):
        """Sends a signal, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        """Sends SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """Sends SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _wait(self, timeout):
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            (self.returncode,) = EXIT_CODE.unpack(os.read(self._ended, EXIT_CODE.size))
            os.close(self._ended)
        return self.returncode


class _Reader(threading.Thread):
    """Reads a stream to its end."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self._stream = stream
        self.content = ""
        self.start()

    def run(self):
        self.content = self._stream.read()


def run(module, *arguments, timeout=600, **where) -> subprocess.CompletedProcess:
    """Runs `python -m module` to its end, at most some seconds.

    Args:
        module, arguments, where: As Process.
        timeout: Seconds after which it is killed.

    Raises:
        subprocess.TimeoutExpired: It was killed.
    """
    process = Process(module, *arguments, **where)
    try:
        out, err = process.communicate(timeout)
    except BaseException:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)
