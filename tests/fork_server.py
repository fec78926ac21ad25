"""Forks itself for each command that it is asked for, with TensorFlow imported; for tests.forked.

    python -m tests.fork_server FD

FD is a socket of packets. One that comes in is the json of a command's argv, cwd and env, with
three descriptors: its stdout, its stderr, and where its exit code is told. The answer is the pid.
"""

import json
import os
import runpy
import selectors
import socket
import struct
import sys

EXIT_CODE = struct.Struct("i")
MAX_PACKET = 200_000


def preload() -> None:
    """Imports what takes seconds; nothing of it is used here, and no module of ours is loaded."""
    import tfseg  # noqa: F401  first: it sets what TensorFlow reads when it is imported

    # isort: split
    import cv2  # noqa: F401
    import orbit  # noqa: F401
    import pandas  # noqa: F401
    import tensorflow_datasets  # noqa: F401


def next_command(channel: socket.socket) -> dict | None:
    """Forks for each command and tells how each ended; returns in a fork, its command.

    In the server itself it returns None, when the other end of the channel is closed.
    """
    running = selectors.DefaultSelector()
    running.register(channel, selectors.EVENT_READ)
    while True:
        for key, _ in running.select():
            if key.fileobj is not channel:
                pid, told = key.data
                running.unregister(key.fileobj)
                os.close(key.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.write(told, EXIT_CODE.pack(code))
                os.close(told)
                continue
            packet, descriptors, *_ = socket.recv_fds(channel, MAX_PACKET, 3)
            if not packet:
                return None
            *streams, told = descriptors
            pid = os.fork()
            if pid == 0:
                running.close()
                channel.close()
                for stream, number in zip(streams, (1, 2), strict=True):
                    os.dup2(stream, number)
                for descriptor in (*streams, told):
                    os.close(descriptor)
                return json.loads(packet)
            for stream in streams:
                os.close(stream)
            running.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, told))
            channel.send(EXIT_CODE.pack(pid))


def become(command: dict) -> None:
    """Runs a command as `python -m` does, in this process."""
    import numpy as np

    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["env"])
    paths = filter(None, command["env"].get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:1] = [command["cwd"], *paths]
    sys.argv = command["argv"]
    # As Python makes them; those that are here were made for the server's own streams.
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(
        2, "w", buffering=1, errors="backslashreplace", closefd=False
    )
    np.random.seed()  # else all forks would draw the same numbers
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        preload()
        to_run = next_command(asked)
    if to_run is not None:
        become(to_run)
