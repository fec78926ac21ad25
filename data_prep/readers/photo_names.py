"""Finds the photos that a json names, whatever a tool did to the names.

Tools write backslashes, percent codes, addresses, folders of another machine, another Unicode form
or case, another ending, a prefix of their own. A name that is no file is taken to mean a photo
where that one alone fits, and where no other name is that photo's own.
"""

import re
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from tfseg.io.photo_files import find_files

# Label Studio puts eight hexadecimal digits before the name of an uploaded file.
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")

# Roboflow's mein-photo_jpg.rf.0123456789abcdef.jpg was "mein photo.jpg".
_ROBOFLOW_ENDING = re.compile(r"_(jpe?g|png|webp|bmp)\.rf\.[0-9a-z]+$")


def other_names(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Finds the photos of names that are no file below a folder.

    Args:
        folder: where the photos are, in folders below too.
        names: as a raw file has them, relative to the folder.

    Returns:
        The photo's path below the folder by its name in the raw file; of the names alone that are
        no file as they stand and mean one photo. Each photo is meant once.
    """
    names = list(dict.fromkeys(names))
    unknown = [name for name in names if not _is_file(folder, name)]
    if not unknown:
        return {}
    root = folder.resolve()
    photos = [p for p in find_files(folder).photos if p.resolve().is_relative_to(root)]
    index = PhotoIndex(path.relative_to(folder).as_posix() for path in photos)
    return index.matched(unknown, taken=set(names) - set(unknown))


def _is_file(folder: Path, name: str) -> bool:
    try:
        path = (folder / name).resolve()
    except (OSError, ValueError, RuntimeError):  # a name with a NUL; links in a ring
        return False
    return path.is_relative_to(folder.resolve()) and is_file(path)


def is_file(path: Path) -> bool:
    """Whether there is such a file; none has a name that is too long, or with a NUL."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


class PhotoIndex:
    """Photos by what is left of their names when tools are done with them.

    Args:
        paths: the photos' names, relative to one folder, with "/".
    """

    def __init__(self, paths: Iterable[str]):
        self._by_name: dict[str, list[PurePosixPath]] = {}
        self._by_stem: dict[str, list[PurePosixPath]] = {}
        self._by_slug: dict[str, list[PurePosixPath]] = {}
        for path in map(PurePosixPath, paths):
            self._by_name.setdefault(_plain(path.name), []).append(path)
            self._by_stem.setdefault(_plain(path.stem), []).append(path)
            self._by_slug.setdefault(_slug(_plain(path.stem)), []).append(path)

    def matched(self, names: Iterable[str], taken: set[str]) -> dict[str, str]:
        """Returns the one photo that each name means, by name; names without one are missing.

        Args:
            names: that are no file as they stand.
            taken: photos' paths below the folder that are another name's own.
        """
        found = {}
        for name in names:
            candidates = [path for path in self._candidates(name) if str(path) not in taken]
            if len(candidates) == 1:
                found[name] = str(candidates[0])
        claims = Counter(found.values())
        return {name: path for name, path in found.items() if claims[path] == 1}

    def _candidates(self, name: str) -> list[PurePosixPath]:
        """The photos that agree with the longest end of a name."""
        for wanted in _readings(name):
            last = wanted[-1]
            without_prefix = _UPLOAD_PREFIX.sub("", last)
            for found in (
                self._by_name.get(last),
                self._by_name.get(without_prefix),
                self._by_stem.get(PurePosixPath(last).stem),
                self._by_stem.get(last),
                self._by_stem.get(PurePosixPath(without_prefix).stem),
                self._by_slug.get(_slug(_ROBOFLOW_ENDING.sub("", PurePosixPath(last).stem))),
                self._by_slug.get(_slug(PurePosixPath(without_prefix).stem)),
            ):
                if found:
                    return _closest(found, wanted)
        return []


def _slug(stem: str) -> str:
    """A name as uploads change it: what is no letter or digit becomes one "-"."""
    return re.sub(r"[\W_]+", "-", stem).strip("-") or stem


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _readings(name: str) -> Iterator[tuple[str, ...]]:
    """The parts of a name: as it stands, its percent codes read, its query cut off or read.

    Label Studio's local files are named /data/local-files/?d=photos/1.jpg.
    """
    unquoted = urllib.parse.unquote(name)
    texts = (name, unquoted, unquoted.split("?")[0], unquoted.rpartition("=")[2])
    for text in dict.fromkeys(texts):
        parts = [part for part in _plain(text).replace("\\", "/").split("/") if part]
        if parts:
            yield tuple(parts)


def _closest(found: list[PurePosixPath], wanted: tuple[str, ...]) -> list[PurePosixPath]:
    """Of several photos, those whose folders agree with most of the name's."""

    def agreeing(path: PurePosixPath) -> int:
        number = 0
        for own, other in zip(reversed(path.parts[:-1]), reversed(wanted[:-1]), strict=False):
            if _plain(own) != other:
                break
            number += 1
        return number

    most = max(map(agreeing, found))
    return [path for path in found if agreeing(path) == most]
