"""The photos a client is asked to send: files, folders, and URLs of this machine."""

import dataclasses
import http.client
import ipaddress
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path

from tfseg.io.photo_files import PHOTO_SUFFIXES, find_files, read_photo_bytes

_URL_TIMEOUT_S = 30
_MAX_URL_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True)
class LocalUrl:
    """A photo that a web server of this machine gives out; reads like a Path."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of its path; "photo" where that is empty."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.url).path)
        return Path(path).name or "photo"

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return Path(self.name).stem

    def read_bytes(self) -> bytes:
        """Fetches it, past any proxy.

        Raises:
            OSError: No answer, another status than 200, or a redirection; also where the host is
                not this machine.
        """
        try:
            return self._fetch()
        except (http.client.HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise OSError(f"{self.url}: cannot be fetched: {reason}") from error

    def _fetch(self) -> bytes:
        if not _is_this_machine(urllib.parse.urlsplit(self.url).hostname or ""):
            raise OSError(f"{self.url}: only URLs of this machine are fetched; download it first")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirection)
        with opener.open(self.url, timeout=_URL_TIMEOUT_S) as answer:
            content = answer.read(_MAX_URL_BYTES + 1)
        if len(content) > _MAX_URL_BYTES:
            raise OSError(f"{self.url}: more than {_MAX_URL_BYTES} bytes")
        return content


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None  # then the 3xx status is an error


def _is_this_machine(host: str) -> bool:
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(a.partition("%")[0]).is_loopback for a in addresses)


Photo = Path | LocalUrl


def read_photo(photo: Photo) -> bytes:
    """Reads or fetches a photo.

    Raises:
        OSError: It cannot be had, or is no file or too large to be a photo.
    """
    return read_photo_bytes(photo) if isinstance(photo, Path) else photo.read_bytes()


def find_photos(arguments: Iterable[str | Path]) -> list[Photo]:
    """Keeps files and URLs, and replaces a folder by the photos directly in it, sorted by name.

    A file's suffix does not matter: the server decides what it can read.

    Raises:
        ValueError: A path does not exist, or a folder has no photo.
    """
    photos: list[Photo] = []
    for argument in arguments:
        scheme = urllib.parse.urlsplit(str(argument)).scheme.lower()
        if scheme in ("http", "https"):
            photos.append(LocalUrl(str(argument)))
            continue
        path = Path(argument).expanduser()
        if scheme == "file":
            path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(str(argument)).path))
        if path.is_dir():
            photos.extend(_photos_inside(path))
        elif path.exists():
            photos.append(path)
        else:
            raise ValueError(f"{path}: no such file or folder.")
    return photos


def _photos_inside(folder: Path) -> list[Path]:
    found = find_files(folder, below=False)
    found.tell_others()
    if not found.photos:
        kinds = " ".join(PHOTO_SUFFIXES)
        raise ValueError(f"{folder}: no photo in this folder; looked for {kinds}.")
    return found.photos


def overlay_paths(photos: Sequence[Photo], output_dir: Path) -> list[Path]:
    """One distinct path per photo: <stem>.jpg, or <stem>-2.jpg and so on where that is taken.

    A photo that lies in output_dir itself keeps its name: overlays never replace their photos.
    """
    taken = {_comparable(photo) for photo in photos if isinstance(photo, Path)}
    chosen = []
    for photo in photos:
        path, number = output_dir / f"{photo.stem}.jpg", 1
        while _comparable(path) in taken:
            number += 1
            path = output_dir / f"{photo.stem}-{number}.jpg"
        taken.add(_comparable(path))
        chosen.append(path)
    return chosen


def _comparable(path: Path) -> str:
    """Equal for paths that could be one file, also where case does not count."""
    return str(path.resolve()).casefold()
