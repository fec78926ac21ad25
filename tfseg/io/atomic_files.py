"""Files that are whole or not there: written beside their place and renamed into it.

No library serves: it is os.replace, and the packages around that are no longer kept up.
"""

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_NAME_CHARACTERS = 24  # of the partial file: a long name and its addition may be too long
_ADVICE = {
    errno.ENOSPC: "the disk is full: free space on it and run the same command again",
    errno.EDQUOT: "the quota is used up: free space and run the same command again",
    errno.EROFS: "give a folder on a disk that is not read-only",
    errno.EACCES: "give a folder that you may write to",
    errno.EPERM: "give a folder that you may write to",
}


class WriteError(OSError):
    """A file cannot be written; the text names it, what it was to hold, and what to do."""

    def __init__(self, path: str | os.PathLike, what: str, reason: OSError):
        advice = _ADVICE.get(reason.errno or 0, "see that its folder can be written to")
        detail = reason.strerror or str(reason)
        super().__init__(f"{path}: {what} cannot be written ({detail}); {advice}.")
        self.errno = reason.errno


@contextlib.contextmanager
def write_errors(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Gives what the disk refuses in the block its text.

    Raises:
        WriteError: In place of an OSError that names no file, as one of write() does, or this one.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(path), os.fspath(path)):
            raise
        raise WriteError(path, what, error) from error


@contextlib.contextmanager
def whole_file(path: str | os.PathLike, what: str = "the file", sync: bool = False):
    """Gives the path of a partial file; it becomes `path` at the end, nothing where that fails.

    Args:
        path: Gets the file; its folder is made where missing.
        what: It holds, for the error's text.
        sync: Waits until the disk has it, so that it outlives a power cut.

    Raises:
        WriteError: The disk is full, the folder read-only, ...
    """
    path = Path(path)
    writer = f"{os.getpid()}-{threading.get_native_id()}"
    partial = path.with_name(f".{path.name[:_NAME_CHARACTERS]}.{writer}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        put_in_place(partial, path, sync)
    except OSError as error:
        at_fault = (None, str(partial), str(path), str(path.parent))
        if isinstance(error, WriteError) or error.errno is None or error.filename not in at_fault:
            raise
        raise WriteError(path, what, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_whole(
    path: str | os.PathLike, content: str | bytes, what: str = "the file", sync: bool = False
) -> None:
    """Writes a file whole or not at all.

    Args:
        path: See whole_file.
        content: Text is written as UTF-8, what has no UTF-8 (a file name's stray byte) as its
            escape.
        what: See whole_file.
        sync: See whole_file.

    Raises:
        WriteError: See whole_file.
    """
    encoded = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    with whole_file(path, what, sync) as partial:
        partial.write_bytes(encoded)


def put_in_place(partial: Path, path: Path, sync: bool = True) -> None:
    """Renames a file that is whole; with sync no crash leaves the name without its bytes."""
    if sync:
        flush_to_disk(partial)
    partial.replace(path)
    if sync and os.name == "posix":
        flush_to_disk(path.parent)


def flush_to_disk(path: Path) -> None:
    """Waits until the disk has a file's bytes, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
