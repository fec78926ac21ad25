"""Where photos come from: image searches (by icrawler), a list of addresses, or a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

import requests

from tfseg.io.photo_files import FoundFiles, find_files

LICENCES = ("creativecommons", "publicdomain", "noncommercial", "commercial")
_PAGE_TIMEOUT_S = 15
_MAX_SEARCH_RESULTS = 1000  # no engine gives more


@dataclass(frozen=True)
class Candidate:
    """A photo that may be had: its web address or file, and the licence as far as known."""

    url: str
    licence: str


def search(
    engine: str, keyword: str, licence: str, max_num: int, user_agent: str
) -> Iterator[Candidate]:
    """Asks an image search, page by page.

    Args:
        engine: "bing" or "google".
        keyword: as typed into the search.
        licence: one of LICENCES, or "" for any; the engine's own filter, which is its word only.
        max_num: of results.
        user_agent: sent with each request.

    Raises:
        ValueError: The engine does not answer, or with a page that icrawler cannot read.
    """
    from icrawler.builtin import bing, google
    from icrawler.utils import Signal

    parts = {
        "bing": (bing.BingFeeder, bing.BingParser),
        "google": (google.GoogleFeeder, google.GoogleParser),
    }
    feeder_class, parser_class = parts[engine]
    session = requests.Session()
    session.headers["User-Agent"] = user_agent
    feeder = feeder_class(1, Signal(), session)
    parser = parser_class(1, Signal(), session)
    filters = {"license": licence} if licence else None
    wanted = min(max_num, _MAX_SEARCH_RESULTS)
    quoted = quote_plus(keyword) if engine == "bing" else keyword  # GoogleFeeder quotes itself
    feeder.feed(keyword=quoted, offset=0, max_num=wanted, filters=filters)
    seen: set[str] = set()
    while not feeder.out_queue.empty() and len(seen) < wanted:
        page_url = feeder.out_queue.get()
        try:
            response = session.get(page_url, timeout=_PAGE_TIMEOUT_S)
            response.raise_for_status()
        except requests.RequestException as error:
            raise ValueError(
                f"--engine={engine}: the search does not answer ({error}); try later, or give "
                "addresses with --engine=urls."
            ) from error
        before = len(seen)
        for task in parser.parse(response) or []:
            url = task["file_url"]
            if url not in seen and len(seen) < wanted:
                seen.add(url)
                yield Candidate(url, licence or "unknown")
        if len(seen) == before:
            break  # the last page
    if not seen:
        raise ValueError(
            f"--engine={engine}: no results for {keyword!r}; the engine may have changed its "
            "pages or refuse robots, give addresses with --engine=urls."
        )


def listed(path: Path, licence: str) -> Iterator[Candidate]:
    """Reads a file of addresses, one a line; a licence may follow after a tab.

    Raises:
        ValueError: There is no such file or no address in it.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); expected one address a line.") from (
            error
        )
    rows = [line.split("\t") for line in map(str.strip, lines) if line and line[0] != "#"]
    if not rows:
        raise ValueError(f"{path}: has no addresses; expected one a line, # starts a comment.")
    for row in rows:
        yield Candidate(row[0].strip(), row[1].strip() if len(row) > 1 else licence or "unknown")


def in_folder(folder: Path, licence: str) -> Iterator[Candidate]:
    """Lists a folder's files, subfolders included; what is no photo the manifest will say.

    Raises:
        ValueError: There is no such folder, or it is empty.
    """
    found = find_files(folder) if folder.is_dir() else FoundFiles([], [])
    paths = sorted(path for path in (*found.photos, *found.others) if path.is_file())
    if not paths:
        raise ValueError(f"{folder}: no such folder, or it is empty; give one with photos.")
    for path in paths:
        yield Candidate(path.resolve().as_uri(), licence or "unknown")
