"""A lock so that two processes do not write into the same folder at once."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import filelock

from tfseg.io.atomic_files import WriteError, write_whole


@contextlib.contextmanager
def only_one(lock_path: Path, what: str, folder_flag: str) -> Iterator[None]:
    """Holds a lock that ends with the process, however it ends.

    Args:
        lock_path: of the lock file; its folder is made. A file beside it says who holds it.
        what: is at work where the lock is taken, for the error's text.
        folder_flag: that chooses the folder, for the same.

    Raises:
        ValueError: Another process holds the lock, or this file system has no locks.
        WriteError: The folder cannot be written to.
    """
    folder = lock_path.parent
    holder_path = lock_path.with_name(f"{lock_path.name}.holder")
    lock = filelock.FileLock(lock_path, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise ValueError(
            f"{folder}: {what} is at work here{_holder(holder_path)}; wait for it or give another "
            f"{folder_flag}."
        ) from None
    except NotImplementedError as error:
        raise ValueError(
            f"{folder}: this file system has no locks ({error}); give another {folder_flag}."
        ) from error
    except OSError as error:
        raise WriteError(lock_path, "the lock", error) from error
    try:
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        write_whole(holder_path, json.dumps(holder), "the lock's holder")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder_path.unlink(missing_ok=True)
        lock.release()


def _holder(holder_path: Path) -> str:
    try:
        holder = json.loads(holder_path.read_text(encoding="utf-8"))
        return f" (process {holder['pid']} on {holder['host']}, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):  # it is just being written
        return ""
