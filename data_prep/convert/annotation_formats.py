"""The formats that annotations come in: the modules of formats/, each with its FORMAT.

A module more there is a format more: the command, the flags and what is told of a file follow.
"""

import functools
import importlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data_prep.convert.label_set import LabelSet, RawLabels
from data_prep.convert.written_polygons import Losses

COCO = "coco"
FORMATS = tuple(
    sorted(
        path.stem
        for path in (Path(__file__).parent / "formats").glob("*.py")
        if not path.stem.startswith("_")
    )
)
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class WriteOptions:
    """How annotations are written; a format takes what it has a use for.

    Attributes:
        masks_as: "source" keeps polygons polygons and pixels pixels; "rle" or "polygons".
        url_prefix: before each photo's name, where the tool finds it.
        photos_dir: where the photos will lie; None: beside what is written.
    """

    masks_as: str = "source"
    url_prefix: str = "/data/local-files/?d="
    photos_dir: Path | None = None


class Writer(Protocol):
    """Writes a format."""

    def __call__(
        self, labels: LabelSet, path: Path, losses: Losses, options: WriteOptions, /
    ) -> None:
        """Writes labels to a file, or into a folder that is there; losses gets what is lost."""
        ...


@dataclass(frozen=True)
class AnnotationFormat:
    """One tool's format.

    Attributes:
        tool: what messages call it.
        read: reads its file or folder; ValueError where that is damaged.
        write: see Writer.
        holds: tells a file by its suffix (lower case) and its first characters.
        ending: of a file's name; "" where the format is a folder.
        holds_folder: tells a folder before its files are looked into; None: they tell.
        folder_pattern: glob of files that tell a folder where nothing else does.
        has_file_a_photo: whether the data set is the folder, whichever of its files is given.
        photo_path: where in its folder a photo belongs, by the photo's name.
    """

    tool: str
    read: Callable[[Path], RawLabels]
    write: Writer
    holds: Callable[[str, str], bool]
    ending: str = ""
    holds_folder: Callable[[Path], bool] | None = None
    folder_pattern: str | None = None
    has_file_a_photo: bool = False
    photo_path: Callable[[str], str] = str

    @property
    def is_folder(self) -> bool:
        """Whether it is written as a folder."""
        return not self.ending


@functools.cache
def format_named(name: str) -> AnnotationFormat:
    """Returns one of FORMATS by its name."""
    module = importlib.import_module(f"{__package__}.formats.{name}")
    found: AnnotationFormat = module.FORMAT
    return found


def format_of(path: Path) -> str | None:
    """Returns one of FORMATS; None where nothing says which.

    Args:
        path: a file, or a folder of a data set.
    """
    return _of_folder(path) if path.is_dir() else _of_file(path)


def refuse_other_formats(path: Path, folder: Path | None = None) -> None:
    """Lets COCO pass, and what nothing is known of: its reader says what is wrong.

    Args:
        path: a file, or a folder of a data set.
        folder: of the data set that the file is of; None: the file's own.

    Raises:
        ValueError: It is another tool's; the message has the command that converts it.
    """
    found = format_of(path)
    if found in (None, COCO):
        return
    known = format_named(found)
    source = folder or path.parent if known.has_file_a_photo and path.is_file() else path
    raise ValueError(
        f"{path}: {known.tool}, expected COCO's; convert it first: python -m data_prep.convert "
        f"--from={found} --to=coco {shlex.quote(str(source))} OUT.json --photos_dir=PHOTOS"
    )


def _of_folder(folder: Path) -> str | None:
    formats = {name: format_named(name) for name in FORMATS}
    for name, known in formats.items():
        if known.holds_folder and known.holds_folder(folder):
            return name
    for pattern in ("*.json", "annotations/*.json", "*.xml", "*/*.json", "*/*.xml"):
        for path in sorted(folder.glob(pattern))[:5]:
            found = _of_file(path)
            if found:
                return found
    for name, known in formats.items():
        if known.folder_pattern and next(folder.glob(known.folder_pattern), None):
            return name
    return None


def _of_file(path: Path) -> str | None:
    suffix, head = path.suffix.lower(), _head(path)
    others_first = sorted(FORMATS, key=lambda name: name == COCO)  # a json of no tool's is COCO's
    return next((name for name in others_first if format_named(name).holds(suffix, head)), None)


def _head(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return head.decode(encoding, "replace").lstrip()
