"""The files of a public git repository at one commit, each verified by git's own id of it.

An archive of a commit has no checksum that lasts, and its server knows no ranges. So the files are
what is verified and what a download goes on by: those of the archive are put in place as they
come, and what is missing after it is asked for one by one.
"""

import csv
import gzip
import hashlib
import sys
import tarfile
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import requests
import urllib3
from tqdm import tqdm

from data_prep.download.http import Patience, check_space, is_passing, progress_bar
from tfseg.io.atomic_files import write_whole

_FEW = 200  # files that are quicker asked for one by one than by the archive
_NUM_CONNECTIONS = 8
_NUM_TOLD = 5
_PATIENCE = Patience(max_failures=4)
_BROKEN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    tarfile.TarError,
    zlib.error,
    EOFError,
)


@dataclass(frozen=True)
class TreeFile:
    """One file of a tree.

    Attributes:
        path: in the repository, with "/".
        target: where it goes below --raw_dir, with "/".
        num_bytes: its size.
        blob_id: git's id: SHA-1 of "blob <size>", a zero byte and the contents; hex.
    """

    path: str
    target: str
    num_bytes: int
    blob_id: str


@dataclass(frozen=True)
class GitTree:
    """A repository's files at one commit.

    Attributes:
        name: what people call it.
        archive_url: of a .tar.gz whose one folder holds the files.
        files_url: of a folder with the same files.
        listing: gzip-packed lines of blob id, size, path, with tabs between.
        left_out_folders: first folders that are left out of the targets.
        mirror_url: the user's own folder with the same files; empty: none.
    """

    name: str
    archive_url: str
    files_url: str
    listing: Path
    left_out_folders: tuple[str, ...] = ()
    mirror_url: str = ""

    @cached_property
    def files(self) -> tuple[TreeFile, ...]:
        """All files, in the listing's order."""
        with gzip.open(self.listing, "rt", encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            return tuple(
                TreeFile(path, self._target(path), int(num_bytes), blob_id)
                for blob_id, num_bytes, path in rows
            )

    def _target(self, path: str) -> str:
        first, *rest = PurePosixPath(path).parts
        return "/".join(rest) if rest and first in self.left_out_folders else path


def github_tree(
    name: str,
    repository: str,
    commit: str,
    listing: Path,
    left_out_folders: tuple[str, ...] = (),
) -> GitTree:
    """A tree of GitHub's: `repository` as owner/name, `commit` as 40 hex digits."""
    return GitTree(
        name,
        f"https://codeload.github.com/{repository}/tar.gz/{commit}",
        f"https://raw.githubusercontent.com/{repository}/{commit}",
        listing,
        left_out_folders,
    )


def blob_id(contents: bytes) -> str:
    """Git's id of a file's contents (git hash-object), hex."""
    head = b"blob %d\0" % len(contents)
    return hashlib.sha1(head + contents, usedforsecurity=False).hexdigest()


def missing_files(tree: GitTree, raw_dir: Path) -> list[TreeFile]:
    """The files that are not there; those that are, are read to their end.

    Raises:
        ValueError: Other files are in the place of some.
    """
    missing, others = [], []
    with progress_bar(f"verifying {tree.name}", sum(f.num_bytes for f in tree.files)) as bar:
        for file in tree.files:
            path = raw_dir / file.target
            if not path.is_file():
                missing.append(file)
            elif path.stat().st_size != file.num_bytes or blob_id(path.read_bytes()) != (
                file.blob_id
            ):
                others.append(path)
            bar.update(file.num_bytes)
    if others:
        told = "".join(f"\n  {path}" for path in others)
        raise ValueError(
            f"{raw_dir}: {len(others)} files are not the published ones; expected the git blob ids "
            f"of the data set's listing. Move them away and run again:{told}"
        )
    return missing


def _first(texts: list[str]) -> str:
    return "; ".join(texts[:_NUM_TOLD]) + ("; ..." if len(texts) > _NUM_TOLD else "")


def fetch(tree: GitTree, raw_dir: Path, patience: Patience = _PATIENCE) -> None:
    """Brings the files there that are missing; a file is whole or not there.

    Raises:
        ValueError: Some cannot be had, others are in their place, or the disk is too small.
    """
    missing = missing_files(tree, raw_dir)
    check_space(raw_dir, sum(file.num_bytes for file in missing), f"what is missing of {tree.name}")
    with progress_bar(tree.name, sum(file.num_bytes for file in missing)) as bar:
        if len(missing) > _FEW and not tree.mirror_url:
            missing = _from_archive(tree, raw_dir, missing, bar, patience)
        failures = _one_by_one(tree, raw_dir, missing, bar, patience)
    if failures:
        raise ValueError(
            f"{raw_dir}: {len(failures)} files of {tree.name} cannot be had: {_first(failures)}. "
            "Run the same command again later, it goes on where it stopped; or give a --mirror."
        )


def _from_archive(
    tree: GitTree, raw_dir: Path, missing: list[TreeFile], bar: tqdm, patience: Patience
) -> list[TreeFile]:
    """Takes what the archive has of the missing files; returns those still missing."""
    wanted = {file.path: file for file in missing}
    try:
        with requests.get(tree.archive_url, stream=True, timeout=patience.timeout_s) as response:
            response.raise_for_status()
            # tarfile's stub wants more of a stream than its mode r| reads.
            with tarfile.open(fileobj=response.raw, mode="r|gz") as archive:
                for path, contents in _wanted_members(archive, wanted):
                    _put(raw_dir, wanted.pop(path), contents, bar)
    except _BROKEN as error:
        bar.write(
            f"{tree.name}: the archive ended early ({error}); asking for the {len(wanted)} files "
            "that are missing one by one.",
            sys.stderr,
        )
    return list(wanted.values())


def _wanted_members(
    archive: tarfile.TarFile, wanted: dict[str, TreeFile]
) -> Iterator[tuple[str, bytes]]:
    """Path and contents of each wanted file that is the published one; no other is looked at."""
    for member in archive:
        _, _, path = member.name.partition("/")
        file = wanted.get(path)
        if file is None or not member.isreg() or member.size != file.num_bytes:
            continue
        stream = archive.extractfile(member)
        contents = stream.read() if stream else b""
        if blob_id(contents) == file.blob_id:
            yield path, contents


def _one_by_one(
    tree: GitTree, raw_dir: Path, missing: list[TreeFile], bar: tqdm, patience: Patience
) -> list[str]:
    """Asks for each file; returns what went wrong, with the file's name."""
    urls = [url for url in (tree.mirror_url, tree.files_url) if url]

    def fetch_one(file: TreeFile) -> str:
        failures = []
        for url in urls:
            try:
                _put(
                    raw_dir,
                    file,
                    _get(f"{url.rstrip('/')}/{quote(file.path)}", file, patience),
                    bar,
                )
                return ""
            except (ValueError, *_BROKEN) as error:
                failures.append(str(error))
        return f"{file.path}: {', '.join(failures)}"

    with ThreadPoolExecutor(_NUM_CONNECTIONS) as executor:
        try:
            return [failure for failure in executor.map(fetch_one, missing) if failure]
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise


def _get(url: str, file: TreeFile, patience: Patience) -> bytes:
    """Asks until the patience ends.

    Raises:
        ValueError: It is another file.
        requests.RequestException: It cannot be had.
    """
    failures = 0
    while True:
        try:
            with requests.get(url, stream=True, timeout=patience.timeout_s) as response:
                response.raise_for_status()
                contents = response.raw.read(file.num_bytes + 1, decode_content=True)
            break
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failures += 1
            if failures >= patience.max_failures or not is_passing(error):
                raise
            time.sleep(min(patience.first_wait_s * 2 ** (failures - 1), patience.longest_wait_s))
    if blob_id(contents) != file.blob_id:
        raise ValueError(
            f"{url} gave other bytes: got blob {blob_id(contents)}, expected {file.blob_id}"
        )
    return contents


def _put(raw_dir: Path, file: TreeFile, contents: bytes, bar: tqdm) -> None:
    path = raw_dir / file.target
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, contents, "a file of the data set")
    bar.update(len(contents))
