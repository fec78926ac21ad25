"""A lock so that two processes do not write into the same folder at once."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def only_one(lock_path: Path, what: str, folder_flag: str) -> Iterator[None]:
    """Holds a lock that ends with the process, however it ends.

    Args:
        lock_path: of the lock file; its folder is made.
        what: is at work where the lock is taken, for the error's text.
        folder_flag: that chooses the folder, for the same.

    Raises:
        ValueError: Another process holds the lock.
    """
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(
                f"{lock_path.parent}: {what} is at work here; wait for it or give another "
                f"{folder_flag}."
            ) from error
        yield
