"""Brings a data set's files there: what is missing alone, each verified, archives unpacked."""

from pathlib import Path

from data_prep.download import git_tree, kaggle
from data_prep.download.archives import unpack_tar
from data_prep.download.files import RemoteFile, Unpack, fetch_file, is_present, part_path
from data_prep.download.git_tree import GitTree
from data_prep.download.http import check_space
from data_prep.download.kaggle import KaggleFiles

Download = RemoteFile | KaggleFiles | GitTree


def download(files: tuple[Download, ...], raw_dir: Path, keep_archives: bool = False) -> None:
    """Brings everything there that is not there yet; prints what it finds and does.

    Raises:
        ValueError: A file cannot be had, another is in its place, or the disk is too small.
    """
    missing = []
    for file in files:
        if _is_present(file, raw_dir):
            print(f"{name_of(file)}: is there and whole", flush=True)
        else:
            missing.append(file)
    num_bytes = sum(_num_bytes_missing(file, raw_dir) for file in missing)
    check_space(raw_dir, num_bytes, "what is missing")
    for file in missing:
        if isinstance(file, KaggleFiles):
            kaggle.fetch(file, raw_dir)
            print(f"{name_of(file)}: downloaded and unpacked", flush=True)
            continue
        if isinstance(file, GitTree):
            git_tree.fetch(file, raw_dir)
            print(f"{file.name}: {len(file.files):,} files, their git ids are right", flush=True)
            continue
        if not is_present(file, raw_dir):
            fetch_file(file, raw_dir)
            print(f"{file.path}: downloaded, its {file.checksum[0]} is right", flush=True)
        if file.unpack is not None:
            _unpack(file, file.unpack, raw_dir, keep_archives)


def _is_present(file: Download, raw_dir: Path) -> bool:
    if isinstance(file, KaggleFiles):
        return kaggle.is_present(file, raw_dir)
    if isinstance(file, GitTree):
        return not git_tree.missing_files(file, raw_dir)
    if file.unpack is None:
        return is_present(file, raw_dir)
    folder = raw_dir / file.unpack.folder
    if folder.is_dir():
        file.unpack.check(folder)
    return folder.is_dir()


def _num_bytes_missing(file: Download, raw_dir: Path) -> int:
    """What a file still takes on the disk; Kaggle tells its sizes later, a tree looks itself."""
    if not isinstance(file, RemoteFile):
        return 0
    path = raw_dir / file.path
    have = (p.stat().st_size for p in (path, part_path(path)) if p.is_file())
    unpacked = file.num_bytes if file.unpack is not None else 0
    return max(0, file.num_bytes - sum(have)) + unpacked


def _unpack(file: RemoteFile, unpack: Unpack, raw_dir: Path, keep_archives: bool) -> None:
    tar_path = raw_dir / file.path
    unpack_tar(tar_path, raw_dir / unpack.folder, unpack.holds, unpack.check)
    print(f"{unpack.folder}: unpacked", flush=True)
    if not keep_archives:
        tar_path.unlink()


def name_of(file: Download) -> str:
    """What people call a file: its path, its folder, its competition or its tree."""
    if isinstance(file, GitTree):
        return file.name
    if isinstance(file, KaggleFiles):
        return file.competition
    return file.unpack.folder if file.unpack else file.path
