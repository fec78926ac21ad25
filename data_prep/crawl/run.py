"""A crawl: candidates -> checked photos in a category folder, and a manifest of every one."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TextIO
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from data_prep.crawl.checks import NearDuplicates, UnusableError, check_photo
from data_prep.crawl.engines import Candidate
from data_prep.crawl.fetch import Fetcher, FetchError, Politeness
from tfseg.io.atomic_files import write_whole
from tfseg.io.folder_lock import only_one
from tfseg.io.photo_files import read_photo_bytes

MANIFEST_NAME = "manifest.jsonl"
KEPT = "kept"
NOT_PUBLIC = "not_a_public_host"
# A flag or the host may say otherwise next time.
_BY_CHOICE = {NOT_PUBLIC, "robots_disallow", "robots_too_slow"}
_MAX_STEM = 60  # characters: four bytes each stay below a file system's 255
_IN_HAND = 4  # candidates a worker, so that memory stays small


@dataclass(frozen=True)
class ManifestEntry:
    """What became of one candidate.

    Attributes:
        url: web address or file.
        outcome: "kept", or why it was left out.
        time: UTC, ISO 8601.
        category: the folder it went to.
        keyword: what was searched for.
        licence: as far as the source says; "unknown" otherwise.
        is_final: False where a later run tries again.
        file_name: relative to out_dir; of the kept photo, or of the one it looks like.
        num_bytes: of the file.
        width: pixels.
        height: pixels.
        sha256: of the file, hex.
        perceptual_hash: crawl.checks.perceptual_hash, hex.
    """

    url: str
    outcome: str
    time: str
    category: str
    keyword: str
    licence: str
    is_final: bool = True
    file_name: str = ""
    num_bytes: int = 0
    width: int = 0
    height: int = 0
    sha256: str = ""
    perceptual_hash: str = ""


@dataclass
class _Fetched:
    candidate: Candidate
    contents: bytes = b""
    error: FetchError | None = None


class Crawl:
    """A crawl into a folder; goes on where an earlier one stopped.

    Args:
        out_dir: gets <category>/<name>-<hash>.jpg and manifest.jsonl.
        category: the folder's name.
        keyword: for the manifest.
        politeness: towards hosts.

    Raises:
        ValueError: The category is no folder's name.
    """

    def __init__(self, out_dir: Path, category: str, keyword: str, politeness: Politeness):
        if not category or category.startswith(".") or set(category) & set('/\\\0:*?"<>|'):
            raise ValueError(
                f"--category={category}: not the name of a folder; expected one such as dress."
            )
        self._out_dir, self._category, self._keyword = out_dir, category, keyword
        self._fetcher = Fetcher(politeness)
        self._path = out_dir / MANIFEST_NAME
        self._done: set[str] = set()
        self._hashes: dict[str, str] = {}
        self._near = NearDuplicates()
        self._num_kept = 0

    def run(self, candidates: Iterable[Candidate], max_num: int, num_workers: int) -> Counter:
        """Fetches and checks candidates until max_num photos of the category are there; once only.

        Returns:
            How many candidates had each outcome; "known already" for those of earlier runs.

        Raises:
            ValueError: The manifest is damaged, or another crawl is at work in the folder.
        """
        outcomes: Counter[str] = Counter()
        lock = only_one(self._out_dir / "crawl.lock", "data_prep.crawl", "--out_dir")
        with lock, self._manifest() as manifest:
            fresh = self._fresh(candidates, outcomes)
            progress = tqdm(desc="crawl", total=max_num, initial=self._num_kept, unit="photo")
            progress.disable = progress.disable or not progress.fp.isatty()
            with progress, ThreadPoolExecutor(num_workers) as executor:
                results = _in_parallel(executor, self._fetch, fresh, num_workers * _IN_HAND)
                try:
                    # Looked at before each: what is not wanted is not asked for.
                    while self._num_kept < max_num and (fetched := next(results, None)):
                        entry = self._judge(fetched)
                        manifest.write(json.dumps(asdict(entry)) + "\n")
                        manifest.flush()
                        self._remember(entry)
                        outcomes[entry.outcome] += 1
                        progress.update(entry.outcome == KEPT)
                finally:
                    results.close()
                    self._fetcher.stop()  # the executor waits for those that wait for a turn
        return outcomes

    def _manifest(self) -> TextIO:
        """Reads the manifest and opens it to go on; needs the lock, for reading mends its end."""
        for entry in read_manifest(self._path):
            self._remember(entry)
        (self._out_dir / self._category).mkdir(parents=True, exist_ok=True)
        return self._path.open("a", encoding="utf-8")

    def _fresh(self, candidates: Iterable[Candidate], outcomes: Counter) -> Iterator[Candidate]:
        asked = set()
        for candidate in candidates:
            if candidate.url in self._done:
                outcomes["known already"] += 1
            elif candidate.url not in asked:
                asked.add(candidate.url)
                yield candidate

    def _fetch(self, candidate: Candidate) -> _Fetched:
        try:
            if candidate.url.startswith("file:"):
                path = Path(unquote(urlsplit(candidate.url).path))
                return _Fetched(candidate, read_photo_bytes(path))
            return _Fetched(candidate, self._fetcher.fetch(candidate.url))
        except FetchError as error:
            return _Fetched(candidate, error=error)
        except OSError:
            return _Fetched(candidate, error=FetchError("file_unreadable"))

    def _judge(self, fetched: _Fetched) -> ManifestEntry:
        contents, candidate = fetched.contents, fetched.candidate
        entry = ManifestEntry(
            url=candidate.url,
            outcome=KEPT,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            category=self._category,
            keyword=self._keyword,
            licence=candidate.licence,
        )
        if fetched.error is not None:
            is_final = not fetched.error.is_passing
            return replace(entry, outcome=fetched.error.reason, is_final=is_final)
        sha256 = hashlib.sha256(contents).hexdigest()
        entry = replace(entry, num_bytes=len(contents), sha256=sha256)
        if sha256 in self._hashes:
            return replace(entry, outcome="duplicate", file_name=self._hashes[sha256])
        try:
            photo = check_photo(contents)
        except UnusableError as error:
            return replace(entry, outcome=error.reason)
        entry = replace(
            entry,
            width=photo.width,
            height=photo.height,
            perceptual_hash=photo.perceptual_hash,
        )
        near = self._near.find(photo.perceptual_hash)
        if near is not None:
            return replace(entry, outcome="near_duplicate", file_name=near)
        name = f"{self._category}/{_file_stem(candidate.url)}-{sha256[:8]}{photo.suffix}"
        write_whole(self._out_dir / name, contents, "a photo")
        return replace(entry, file_name=name)

    def _remember(self, entry: ManifestEntry) -> None:
        if entry.is_final and entry.outcome not in _BY_CHOICE:
            self._done.add(entry.url)
        if entry.outcome == KEPT:
            self._hashes[entry.sha256] = entry.file_name
            self._near.add(entry.perceptual_hash, entry.file_name)
            self._num_kept += entry.category == self._category


def _file_stem(url: str) -> str:
    """What the photo is called where it comes from, as part of a file name."""
    name = unquote(urlsplit(url).path).rpartition("/")[2].rpartition(".")[0]
    return re.sub(r"[^\w-]+", "-", name)[:_MAX_STEM].strip("-") or "photo"


def read_manifest(path: Path) -> list[ManifestEntry]:
    """Reads a manifest; a last line that a kill cut short is cut off the file.

    Raises:
        ValueError: A line is not a manifest's.
    """
    if not path.is_file():
        return []
    encoded = path.read_bytes()
    *lines, rest = encoded.split(b"\n")
    if rest:
        with path.open("r+b") as manifest:
            manifest.truncate(len(encoded) - len(rest))
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(ManifestEntry(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: not an entry of a manifest ({error}); delete the line."
            ) from error
    return entries


def _in_parallel(
    executor: ThreadPoolExecutor,
    function: Callable[[Candidate], _Fetched],
    items: Iterator[Candidate],
    num_in_hand: int,
) -> Generator[_Fetched, None, None]:
    """Yields results as they come, with a bounded number underway."""
    underway = {executor.submit(function, item) for item in islice(items, num_in_hand)}
    try:
        while underway:
            ready, underway = wait(underway, return_when=FIRST_COMPLETED)
            for future in ready:
                yield future.result()
                underway |= {executor.submit(function, item) for item in islice(items, 1)}
    finally:
        for future in underway:
            future.cancel()
