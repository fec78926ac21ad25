"""Photos among the files of a folder, by their endings; and what a file is, by its content.

A file with a photo's ending is taken whatever it holds: a phone's IMG_1.HEIC may be a JPEG. No
library serves: pathlib walks, and the few signatures that matter here are shorter than a package.
"""

import dataclasses
import errno
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

PHOTO_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif"),
)
MAX_PHOTO_BYTES = 512 * 2**20
_NUM_NAMED = 5
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"}
_BRANDS |= dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC")
_PAGE_STARTS = (b"<!doctype html", b"<html", b"<head", b"<?xml")


@dataclasses.dataclass(frozen=True)
class FoundFiles:
    """What a folder holds.

    Attributes:
        photos: Files with a photo's ending, sorted.
        others: The rest, links that lead nowhere and pipes too, sorted; hidden files are neither.
    """

    photos: list[Path]
    others: list[Path]

    def tell_others(self) -> None:
        """Prints one line to stderr about what is passed over, where there is something."""
        if self.others:
            named = ", ".join(path.name for path in self.others[:_NUM_NAMED])
            more = ", ..." if len(self.others) > _NUM_NAMED else ""
            files = "1 file" if len(self.others) == 1 else f"{len(self.others)} files"
            print(f"{files} of other kinds passed over: {named}{more}", file=sys.stderr)


def read_photo_bytes(path: Path) -> bytes:
    """Reads a photo's file.

    Raises:
        OSError: It cannot be read, is no file (a pipe would be waited for, without end), or has
            more than MAX_PHOTO_BYTES.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is no file, but a folder or device", str(path))
    if found.st_size > MAX_PHOTO_BYTES:
        what = f"has {found.st_size / 2**20:,.0f} MB, expected at most {MAX_PHOTO_BYTES >> 20}"
        raise OSError(errno.EFBIG, what, str(path))
    return path.read_bytes()


def is_photo_name(name: str) -> bool:
    """Whether a file's name ends as a photo's does, in whichever case."""
    return Path(name).suffix.lower() in PHOTO_SUFFIXES


def find_files(folder: Path, below: bool = True, left_out: Path | None = None) -> FoundFiles:
    """Finds the photos in a folder; hidden files and folders are left out.

    Args:
        folder: Where to look.
        below: Also in all folders below; links to folders are not followed.
        left_out: A folder not to look into, as that of the output.

    Raises:
        OSError: The folder or one below cannot be read.
    """
    found = FoundFiles([], [])
    for path in _walk(folder, below, left_out.resolve() if left_out else None):
        # A link that leads nowhere, or a pipe, is none whatever it is called.
        is_photo = is_photo_name(path.name) and path.is_file()
        (found.photos if is_photo else found.others).append(path)
    found.photos.sort()
    found.others.sort()
    return found


def _walk(folder: Path, below: bool, left_out: Path | None) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if below and entry.resolve() != left_out and not entry.is_symlink():
                yield from _walk(entry, below, left_out)
        else:
            yield entry


def kind_of(encoded: bytes) -> str:
    """Tells what a file holds by its first bytes.

    Returns:
        "JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP", "AVIF", "HEIC", "web page", "empty file", or
        "" for anything else.
    """
    if not encoded:
        return "empty file"
    for signature, kind in _SIGNATURES:
        if encoded.startswith(signature):
            return kind
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        return "WebP"
    if encoded[4:8] == b"ftyp":  # ISO/IEC 14496-12, 4.3: the brands of the file
        length = min(int.from_bytes(encoded[:4], "big"), 256)
        brands = [encoded[8:12], *(encoded[i : i + 4] for i in range(16, length, 4))]
        kinds = {_BRANDS[brand] for brand in brands if brand in _BRANDS}
        return "AVIF" if "AVIF" in kinds else "HEIC" if kinds else ""
    is_page = encoded[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE_STARTS)
    return "web page" if is_page else ""
