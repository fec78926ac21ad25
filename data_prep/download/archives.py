"""Archives -> folders that are whole or not there: unpacked aside, checked, then renamed."""

import io
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from data_prep.download.http import progress_bar
from tfseg.io.tar_files import plain_members

_CHUNK_BYTES = 1 << 20


def unpack_tar(tar_path: Path, folder: Path, holds: str, check: Callable[[Path], None]) -> None:
    """Unpacks the folder within a tar that holds a certain file.

    Args:
        tar_path: not compressed.
        folder: is made; until it is whole, it lies aside with a leading dot.
        holds: name of the file whose folder is wanted.
        check: raises ValueError where the unpacked folder is damaged.

    Raises:
        ValueError: The tar is damaged, or has no such file, or several.
    """
    aside = aside_path(folder)
    shutil.rmtree(aside, ignore_errors=True)  # what an interrupted run left
    try:
        with (
            progress_bar(f"unpacking {tar_path.name}", tar_path.stat().st_size) as bar,
            _Counted(tar_path, bar.update) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            tar.extractall(aside, members=plain_members(tar), filter="data")
    except tarfile.TarError as error:
        raise ValueError(
            f"{tar_path}: cannot be unpacked ({error}); remove it, run again."
        ) from error
    found = sorted(aside.rglob(holds))
    if len(found) != 1:
        raise ValueError(
            f"{tar_path}: got {len(found)} files named {holds} in it, expected one; remove it and "
            "run again."
        )
    check(found[0].parent)
    found[0].parent.replace(folder)
    shutil.rmtree(aside, ignore_errors=True)


def unpack_zip(zip_path: Path, folder: Path) -> dict[str, int]:
    """Unpacks a zip, and the zips in it; each file's CRC is checked.

    Args:
        zip_path: the archive.
        folder: is emptied first.

    Returns:
        The size in bytes of each file, by its path below `folder`.

    Raises:
        ValueError: The zip is damaged.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _extract_zip(zip_path, folder)
    for inner_path in sorted(folder.glob("*.zip")):
        _extract_zip(inner_path, _inner_folder(inner_path))
        inner_path.unlink()
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def aside_path(path: Path) -> Path:
    """Where something is made until it is whole."""
    return path.with_name(f".{path.name}.unpacking")


def _inner_folder(zip_path: Path) -> Path:
    """train.zip may hold train/a.jpg or a.jpg alone; train.csv.zip holds train.csv."""
    try:
        with zipfile.ZipFile(zip_path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{zip_path}: cannot be unpacked ({error}); run again.") from error
    has_folder = all("/" in name for name in names)
    is_one_file = Path(zip_path.stem).suffix != ""
    return zip_path.parent if has_folder or is_one_file else zip_path.parent / zip_path.stem


def _extract_zip(zip_path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(zip_path) as archive:
            num_bytes = sum(entry.file_size for entry in archive.infolist())
            with progress_bar(f"unpacking {zip_path.name}", num_bytes) as bar:
                for entry in archive.infolist():
                    archive.extract(entry, folder)  # leaves no way out of the folder
                    bar.update(entry.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(
            f"{zip_path}: cannot be unpacked ({error}); remove it, run again."
        ) from error


class _Counted(io.FileIO):
    """A file that reports what is read of it."""

    def __init__(self, path: Path, report: Callable[[int], object]):
        super().__init__(path)
        self._report = report

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(-1 if size is None else size)
        self._report(len(chunk))
        return chunk
