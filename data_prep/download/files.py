"""Published files -> files on disk that are whole and verified, or not there."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data_prep.download.http import Patience, Place, PlaceError, fill, progress_bar, state_path
from data_prep.download.lfs import LfsObject, read_pointer
from tfseg.io.atomic_files import put_in_place

_CHUNK_BYTES = 1 << 20
_PATIENCE = Patience()


@dataclass(frozen=True)
class Unpack:
    """What becomes of a tar once it is verified.

    Attributes:
        folder: where its contents go, below --raw_dir.
        holds: the file whose folder within the tar becomes `folder`.
        check: raises ValueError where such a folder is damaged.
    """

    folder: str
    holds: str
    check: Callable[[Path], None]


@dataclass(frozen=True)
class RemoteFile:
    """One published file.

    Attributes:
        path: where it goes, below --raw_dir.
        num_bytes: its size; where that is not published, about.
        is_exact: whether num_bytes is the very size.
        urls: places that publish it, tried in this order, after `mirror_url` and `lfs_repository`.
        lfs_repository: the clone URL, ending in .git, of the repository that keeps it in Git LFS,
            which knows it by its sha256; empty: none.
        sha256: as hex; empty where only the md5 is published.
        md5: as hex; likewise.
        unpack: for a tar.
        mirror_url: the user's own place of it; empty: none.
    """

    path: str
    num_bytes: int
    is_exact: bool = True
    urls: tuple[str, ...] = ()
    lfs_repository: str = ""
    sha256: str = ""
    md5: str = ""
    unpack: Unpack | None = None
    mirror_url: str = ""

    def __post_init__(self):
        assert len(self.sha256) == 64 or len(self.md5) == 32, f"{self.path} needs a whole checksum"

    @property
    def checksum(self) -> tuple[str, str]:
        """The name and hex value of the stronger checksum that is published."""
        return ("sha256", self.sha256) if self.sha256 else ("md5", self.md5)


def part_path(path: Path) -> Path:
    """Where a file is written until it is whole."""
    return path.with_name(path.name + ".part")


def is_present(file: RemoteFile, raw_dir: Path) -> bool:
    """Whether the whole file is there, read to its end; a Git LFS pointer is not.

    Raises:
        ValueError: Another file is in its place.
    """
    path = raw_dir / file.path
    if not path.is_file() or read_pointer(path) is not None:
        return False
    kind, expected = file.checksum
    size = path.stat().st_size
    has_wrong_size = file.is_exact and size != file.num_bytes
    got = f"{size:,} bytes" if has_wrong_size else f"the {kind} {_digest(path, kind)}"
    if got != f"the {kind} {expected}":
        raise ValueError(
            f"{path}: is not the published file: got {got}, expected {file.num_bytes:,} bytes with "
            f"the {kind} {expected}; move it away, or rename it to {part_path(path).name} where it "
            "is the beginning of that file, and run again."
        )
    return True


def fetch_file(file: RemoteFile, raw_dir: Path, patience: Patience = _PATIENCE) -> None:
    """Downloads one file that is not present, goes on with a part of it, verifies it.

    Args:
        file: what is wanted.
        raw_dir: gets it at file.path; until it is whole it has the further ending .part.
        patience: with servers and networks.

    Raises:
        ValueError: No place gives the published bytes, or the disk is too small.
    """
    path = raw_dir / file.path
    part = part_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        print(f"{path}: a Git LFS pointer; fetching the file it stands for", flush=True)
    failures = []
    for name, place in _places(file):
        try:
            _fetch_from(name, place, file, part, patience)
        except PlaceError as error:
            failures.append(f"{name} {error}")
            print(f"{path.name}: {failures[-1]}", file=sys.stderr, flush=True)
            continue
        put_in_place(part, path)
        state_path(part).unlink(missing_ok=True)
        return
    raise ValueError(
        f"{path}: cannot be downloaded: {'; '.join(failures)}. Run the same command again later, "
        "it goes on where it stopped; or get the file elsewhere and put it there, it will be "
        "verified."
    )


def _places(file: RemoteFile) -> Iterator[tuple[str, Place]]:
    if file.mirror_url:
        yield file.mirror_url, _public(file.mirror_url)
    if file.lfs_repository:
        lfs_object = LfsObject(file.lfs_repository, file.sha256, file.num_bytes)
        yield f"Git LFS of {file.lfs_repository}", lfs_object.resolve
    for url in file.urls:
        yield url, _public(url)


def _public(url: str) -> Place:
    """A place that wants no headers."""
    return lambda timeout_s: (url, {})


def _fetch_from(name: str, place: Place, file: RemoteFile, part: Path, patience: Patience) -> None:
    """Makes `part` the whole file, anew where an earlier part does not go together with it."""
    kind, expected = file.checksum
    while True:
        was_begun = part.exists() and part.stat().st_size > 0
        fill(place, part, file.num_bytes, file.is_exact, patience)
        got = _digest(part, kind)
        if got == expected:
            return
        is_pointer = read_pointer(part) is not None
        part.unlink()
        state_path(part).unlink(missing_ok=True)
        if is_pointer:
            raise PlaceError("gave a Git LFS pointer")
        if not was_begun:
            raise PlaceError(f"gave other bytes: got the {kind} {got}, expected {expected}")
        print(f"{part}: is not the beginning of what {name} has; starting anew", flush=True)


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    num_bytes = path.stat().st_size
    with progress_bar(f"verifying {path.name}", num_bytes) as bar, path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()
