"""Photos on the client's disk: finding them, naming what is written for them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """Keeps files, and replaces a folder by the photos directly in it, sorted by name.

    A file's suffix does not matter: the server decides what it can read.

    Raises:
        ValueError: A path does not exist, or a folder has no photo.
    """
    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                entry for entry in path.iterdir() if entry.suffix.lower() in PHOTO_SUFFIXES
            )
            if not inside:
                kinds = " ".join(PHOTO_SUFFIXES)
                raise ValueError(f"{path}: no photo in this folder; looked for {kinds}.")
            photos.extend(inside)
        elif path.exists():
            photos.append(path)
        else:
            raise ValueError(f"{path}: no such file or folder.")
    return photos


def overlay_paths(photos: Sequence[Path], output_dir: Path) -> list[Path]:
    """One distinct path per photo: <stem>.jpg, or <stem>-2.jpg and so on where that is taken.

    A photo that lies in output_dir itself keeps its name: overlays never replace their photos.
    """
    taken = {_comparable(photo) for photo in photos}
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
