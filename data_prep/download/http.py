"""One URL -> one growing file: ranges, retries, and what a server may answer (RFC 9110, 14)."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from tfseg.io.atomic_files import write_whole

_CHUNK_BYTES = 1 << 16  # what is lost where a connection stalls
_PASSING_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_SPARE_BYTES = 100 << 20  # left free on the disk for everything else
_MAX_POINTER_BYTES = 1024

_HTTP_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError)
_LASTING_ERRORS = (
    requests.exceptions.SSLError,
    requests.exceptions.TooManyRedirects,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)

# Gives a URL and headers to ask it with, within a timeout in seconds.
Place = Callable[[float], tuple[str, dict[str, str]]]


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Attributes:
        timeout_s: without an answer or a further byte, the connection is given up.
        max_failures: in a row without a further byte; then the place is given up.
        first_wait_s: before the second try; doubled with each failure.
        longest_wait_s: between two tries.
    """

    timeout_s: float = 60.0
    max_failures: int = 8
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0


class PlaceError(Exception):
    """A place that does not give the file."""


class _PassingError(Exception):
    """A failure after which the same place is asked again."""

    def __init__(self, message: str, wait_s: float = 0.0):
        super().__init__(message)
        self.wait_s = wait_s


def fill(place: Place, part: Path, num_bytes: int, is_exact: bool, patience: Patience) -> None:
    """Appends what is missing to `part`; each further byte restores the patience.

    Args:
        place: asked anew for each try: Git LFS's URLs are good for minutes.
        part: may hold the beginning already.
        num_bytes: of the whole file.
        is_exact: False: about.
        patience: with the server.

    Raises:
        PlaceError: It has another file or none, or the patience has ended.
        ValueError: The disk is too small.
    """
    failures = 0
    with progress_bar(part.stem, num_bytes) as bar:
        while True:
            before = _size(part)
            try:
                _request(*place(patience.timeout_s), part, num_bytes, is_exact, bar, patience)
                return
            except (_PassingError, *_HTTP_ERRORS) as error:
                if not is_passing(error):
                    raise PlaceError(str(error)) from error
                failures = 1 if _size(part) > before else failures + 1
                if failures >= patience.max_failures:
                    raise PlaceError(f"gave up after {failures} failures ({error})") from error
                wait_s = max(patience.first_wait_s * 2 ** (failures - 1), _wait_s(error))
                wait_s = min(wait_s, patience.longest_wait_s)
                bar.write(f"{part.stem}: {error}; trying again in {wait_s:.0f} s", sys.stderr)
                time.sleep(wait_s)


def is_passing(error: Exception) -> bool:
    """Whether the same place may answer the same question later."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code in _PASSING_STATUSES
    return not isinstance(error, _LASTING_ERRORS)


def _wait_s(error: Exception) -> float:
    return error.wait_s if isinstance(error, _PassingError) else 0.0


def _request(
    url: str,
    headers: dict[str, str],
    part: Path,
    num_bytes: int,
    is_exact: bool,
    bar: tqdm,
    patience: Patience,
) -> None:
    have = _size(part)
    headers = {**headers, "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", **_if_range(part, url)}
    with requests.get(url, headers=headers, stream=True, timeout=patience.timeout_s) as response:
        start, total = _start_and_total(response, have)
        if start is None:  # nothing lies beyond what is there; the checksum decides
            return
        _check_offer(response, num_bytes if is_exact else None, total)
        check_space(part.parent, (total or num_bytes) - start, part.stem)
        _write_state(part, url, response)
        bar.total, bar.initial, bar.n = total or num_bytes, start, start
        with part.open("ab" if start else "wb") as stream:
            # The raw bytes: a server may call a .gz file the encoding of its transfer.
            for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
                stream.write(chunk)
                bar.update(len(chunk))
    if _size(part) < (total or (num_bytes if is_exact else 0)):
        raise _PassingError("the connection ended early")


def _start_and_total(response: requests.Response, have: int) -> tuple[int | None, int | None]:
    """Where the bytes of a response begin (None: there are none) and the whole file's size."""
    status = response.status_code
    if status == 200:  # the whole file: the server knows no ranges, or the file has changed
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    content_range = response.headers.get("Content-Range", "")
    span, _, length = content_range.removeprefix("bytes ").partition("/")
    total = int(length) if length.isdigit() else None
    if status == 206:
        if have and span.startswith(f"{have}-"):
            return have, total
        raise PlaceError(f"answered '{content_range}' to a request for the bytes from {have}")
    if status == 416 and have:
        return None, total
    if status in _PASSING_STATUSES:
        seconds = response.headers.get("Retry-After", "")
        raise _PassingError(f"HTTP status {status}", float(seconds) if seconds.isdigit() else 0.0)
    raise PlaceError(f"HTTP status {status} {response.reason}")


def _check_offer(response: requests.Response, num_bytes: int | None, total: int | None) -> None:
    """Finds a page or another file before it is loaded; a Git LFS pointer is let through."""
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise PlaceError("gave a web page instead of the file")
    if num_bytes is None or total is None:
        return
    if total != num_bytes and total > _MAX_POINTER_BYTES:
        raise PlaceError(f"offers {total:,} bytes, expected {num_bytes:,}")


def check_space(folder: Path, num_bytes: int, what: str) -> None:
    """Raises ValueError where a folder's disk has not that much room."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < num_bytes + _SPARE_BYTES:
        raise ValueError(
            f"{folder}: {free / 1e9:,.1f} GB free, but {what} needs {num_bytes / 1e9:,.1f} GB; "
            "make room or give another --raw_dir."
        )


def state_path(part: Path) -> Path:
    """Where it is noted which version of the file a part is of."""
    return part.with_name(part.name + ".json")


def _write_state(part: Path, url: str, response: requests.Response) -> None:
    tag = response.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
    state = {"url": url.partition("?")[0], "validator": validator}
    write_whole(state_path(part), json.dumps(state), "the state of a download")


def _if_range(part: Path, url: str) -> dict[str, str]:
    """Makes a server whose file has changed send all of it (RFC 9110, 13.1.5)."""
    try:
        state = json.loads(state_path(part).read_text(encoding="utf-8"))
        is_known = state["url"] == url.partition("?")[0] and bool(state["validator"])
        return {"If-Range": state["validator"]} if is_known else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def progress_bar(label: str, num_bytes: int) -> tqdm:
    """A bar of bytes with the time left."""
    return tqdm(
        desc=label,
        total=num_bytes,
        unit="B",
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 10,
        leave=False,
    )
