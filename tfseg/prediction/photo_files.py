"""The photos a user points at: a folder with all below it, a glob, or a list."""

import collections
import dataclasses
import glob
import os
from collections.abc import Sequence
from pathlib import Path

from tfseg.io import photo_files


@dataclasses.dataclass(frozen=True)
class PhotoFile:
    """A photo to be predicted.

    Attributes:
        path: Where it lies.
        name: What it is called in everything that is written: its path relative to the common
            folder, with forward slashes; distinct within a run.
    """

    path: Path
    name: str


def find_in_tree(input_dir: str | Path, left_out: Path | None = None) -> list[PhotoFile]:
    """Finds the photos in a folder and all folders below, sorted by name; hidden ones left out.

    Args:
        input_dir: The folder.
        left_out: A folder below it not to look into, as that of the output.

    Raises:
        ValueError: It is no folder, or there is no photo.
    """
    root = Path(input_dir).expanduser()
    if not root.is_dir():
        raise ValueError(f"--input_dir={input_dir}: no such folder.")
    # A glob or a list names what it means: there any file is taken.
    files = photo_files.find_files(root, left_out=left_out)
    files.tell_others()
    found = [PhotoFile(path, path.relative_to(root).as_posix()) for path in files.photos]
    if not found:
        raise ValueError(
            f"--input_dir={input_dir}: no photo in it or below; looked for "
            f"{' '.join(photo_files.PHOTO_SUFFIXES)}."
        )
    return sorted(found, key=lambda photo: photo.name)


def find_given(arguments: Sequence[str], left_out: Path | None = None) -> list[PhotoFile]:
    """Finds the photos of a command line: files, and folders with all below them.

    Raises:
        ValueError: One of them is not there, or there is no photo.
    """
    paths: list[Path] = []
    for argument in arguments:
        path = Path(argument).expanduser()
        if path.is_dir():
            files = photo_files.find_files(path, left_out=left_out)
            files.tell_others()
            paths += sorted(files.photos)
        elif path.is_file():
            paths.append(path)
        else:
            raise ValueError(f"{argument}: no such file or folder; give photos, or flags (--help).")
    if not paths:
        raise ValueError(f"{' '.join(arguments)}: no photo in it or below.")
    return _named_from_common_folder(paths)


def find_by_glob(pattern: str) -> list[PhotoFile]:
    """Finds the files that a pattern matches, as "shots/**/*_front.jpg"; sorted by name.

    Raises:
        ValueError: It matches none.
    """
    paths = [Path(path) for path in glob.glob(os.path.expanduser(pattern), recursive=True)]  # noqa: PTH111, PTH207 absolute too
    paths = [path for path in paths if path.is_file()]
    if not paths:
        raise ValueError(f"--input_glob={pattern}: matches no file.")
    return _named_from_common_folder(sorted(paths))


def find_in_list(list_path: str | Path) -> list[PhotoFile]:
    """Reads a text file with a path a line, in its order.

    Relative ones are relative to the list's folder. Empty lines and those that start with # do not
    count, a path named twice counts once.

    Raises:
        ValueError: The list is missing or names nothing.
    """
    list_path = Path(list_path).expanduser()
    try:
        lines = list_path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--input_list={list_path}: cannot be read ({error}).") from None
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not wanted:
        raise ValueError(f"--input_list={list_path}: names no photo; expected a path a line.")
    return _named_from_common_folder(
        [list_path.parent / Path(line).expanduser() for line in wanted]
    )


def _named_from_common_folder(paths: list[Path]) -> list[PhotoFile]:
    by_place: dict[Path, Path] = {}
    for path in paths:
        by_place.setdefault(_place(path), path)
    common = next(iter(by_place)).parent
    while any(common not in place.parents for place in by_place):
        common = common.parent
    return [
        PhotoFile(path, place.relative_to(common).as_posix()) for place, path in by_place.items()
    ]


def common_folder(photos: Sequence[PhotoFile]) -> Path:
    """Returns the absolute folder that the photos' names are relative to."""
    place = _place(photos[0].path)
    return place.parents[len(Path(photos[0].name).parts) - 1]


def _place(path: Path) -> Path:
    """Returns the absolute path without "..", the same for every spelling of one path."""
    # Not resolve(): two links to one photo keep their names.
    place = Path(os.path.normpath(path.absolute()))
    if place.parent.resolve() != path.parent.resolve():  # a ".." after a link to another folder
        return path.parent.resolve() / path.name
    return place


def output_names(photos: list[PhotoFile]) -> dict[str, str]:
    """Returns a distinct name without suffix for each photo's outputs, by PhotoFile.name.

    It is the photo's name without its suffix, but with it where another photo differs in that
    alone (a.jpg beside a.png), or is called so (a.jpg.png beside a.jpg).

    Raises:
        ValueError: Two photos have the same name.
    """
    stems = [_without_suffix(photo.name) for photo in photos]
    taken = collections.Counter(stem.casefold() for stem in stems)
    taken.update({photo.name.casefold() for photo in photos if Path(photo.name).suffix})
    names = {
        photo.name: stem if taken[stem.casefold()] == 1 else photo.name
        for photo, stem in zip(photos, stems, strict=True)
    }
    if len(set(names.values())) < len(photos):
        raise ValueError(
            f"{len(photos)} photos have {len(set(names.values()))} names only, expected one for "
            "each; name each photo once."
        )
    return names


def image_ids(photos: list[PhotoFile]) -> dict[str, int]:
    """Returns an image id for each photo, by PhotoFile.name.

    Where every photo is called by a number, as ModaNet's 0100014.jpg and COCO's, that number; else
    its place, from 1.
    """
    stems = [Path(photo.name).stem for photo in photos]
    if all(stem.isascii() and stem.isdigit() for stem in stems):
        numbers = [int(stem) for stem in stems]
        if len(set(numbers)) == len(numbers):
            return {photo.name: number for photo, number in zip(photos, numbers, strict=True)}
    return {photo.name: place for place, photo in enumerate(photos, start=1)}


def _without_suffix(name: str) -> str:
    return name[: len(name) - len(Path(name).suffix)]
