"""ModaNet's and PaperDoll's raw files: where they lie and how they are opened.

Sources: https://github.com/eBay/modanet (annotations, CC BY-NC 4.0) and
https://github.com/kyamagu/paperdoll/tree/master/data/chictopia (photos.lmdb, chictopia.sql.gz).
"""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lmdb

from data_prep.photo_conversion import RawPhoto

_TRAIN_JSON = "modanet2018_instances_train.json"
_CHALLENGE_JSON = "modanet2018_instances_val.json"
_READS_PER_OPENING = 50


@dataclass(frozen=True)
class ModanetPaths:
    """Where the raw files lie.

    Attributes:
        train_json: annotated photos.
        challenge_json: the official val json, photos without annotations; None: not there.
        photos_lmdb: a folder with data.mdb, or that file.
        photos_db: the SQLite file with the table `photos`, or its dump, gzipped.
    """

    train_json: Path
    challenge_json: Path | None
    photos_lmdb: Path
    photos_db: Path

    @property
    def files(self) -> list[Path]:
        """The files themselves."""
        files = [self.train_json, self.photos_db, _lmdb_file(self.photos_lmdb)]
        return files if self.challenge_json is None else [*files, self.challenge_json]


def find_raw_files(
    raw_dir: Path,
    annotations: Path | None = None,
    photos_lmdb: Path | None = None,
    photos_db: Path | None = None,
) -> ModanetPaths:
    """Completes the places that are not given with raw_dir's layout.

    Args:
        raw_dir: holds modanet/annotations/, paperdoll/photos.lmdb, and paperdoll/chictopia.sqlite3
            or paperdoll/chictopia.sql.gz.
        annotations: the folder of the two json files, or the train json itself.
        photos_lmdb: a folder with data.mdb, or that file.
        photos_db: a SQLite file or a gzipped dump of one.

    Raises:
        ValueError: One of them is missing.
    """
    if not raw_dir.is_dir() and None in (annotations, photos_lmdb, photos_db):
        raise ValueError(
            f"{raw_dir}: no such folder; give the folder that holds modanet/ and paperdoll/ as "
            "--raw_dir."
        )
    annotations = annotations or raw_dir / "modanet" / "annotations"
    folder = annotations.parent if annotations.is_file() else annotations
    train_json = annotations if annotations.is_file() else folder / _TRAIN_JSON
    challenge_json = folder / _CHALLENGE_JSON
    paths = ModanetPaths(
        train_json=train_json,
        challenge_json=challenge_json if challenge_json.is_file() else None,
        photos_lmdb=photos_lmdb or raw_dir / "paperdoll" / "photos.lmdb",
        photos_db=photos_db or _photos_db(raw_dir / "paperdoll"),
    )
    flags = ("--annotations", "--photos_db", "--photos_lmdb")
    for path, flag in zip(paths.files[:3], flags, strict=True):
        if not path.is_file():
            raise ValueError(
                f"{path}: no such file; expected ModaNet's and PaperDoll's files below --raw_dir "
                f"as in data_prep/modanet/README.md, or give {flag}."
            )
    return paths


def _photos_db(folder: Path) -> Path:
    unpacked, packed = folder / "chictopia.sqlite3", folder / "chictopia.sql.gz"
    return packed if packed.is_file() and not unpacked.is_file() else unpacked


class PhotoStore:
    """PaperDoll's photos.lmdb: the photo id in ASCII decimal -> the file's bytes.

    Picklable; each process opens the file for itself and needs no write permission.
    """

    def __init__(self, path: Path):
        """Takes the folder with data.mdb, or that file."""
        self._path = _lmdb_file(path)

    def check(self) -> None:
        """Opens the file.

        Raises:
            ValueError: It is not an LMDB or a damaged one.
        """
        self._call(lambda transaction: None)

    def read(self, photo_id: int) -> bytes | None:
        """The photo's bytes; None where it is not there.

        Raises:
            ValueError: It is not an LMDB or a damaged one.
        """
        return self._call(lambda transaction: transaction.get(str(photo_id).encode("ascii")))

    def close(self) -> None:
        """Closes the file in this process: LMDB knows it by its inode, wherever it is moved."""
        environment, _ = _environments.pop((self._path, os.getpid()), (None, None))
        if environment is not None:
            environment.close()

    def read_photo(self, raw: RawPhoto) -> bytes | None:
        """The same, for conversion."""
        return self.read(raw.image_id)

    def _call(self, use: Callable[[lmdb.Transaction], bytes | None]) -> bytes | None:
        try:
            # Beam's workers have threads; none may close the file under another.
            with _reading, _environment(self._path).begin() as transaction:
                return use(transaction)
        except lmdb.Error as error:
            raise ValueError(
                f"{self._path}: not an LMDB, or a damaged one ({error}); expected PaperDoll's "
                "photos.lmdb, get it again."
            ) from error


def _lmdb_file(path: Path) -> Path:
    return path / "data.mdb" if path.is_dir() else path


_reading = threading.Lock()

# The open files of this process: LMDB allows each to be open once.
_environments: dict[tuple[Path, int], tuple[lmdb.Environment, Iterator[int]]] = {}


def _environment(path: Path) -> lmdb.Environment:
    key = (path, os.getpid())  # an environment must not be used across a fork
    environment, uses = _environments.get(key, (None, iter(())))
    if next(uses, None) is None:
        # What was read stays mapped, and counts as this process's memory, until it is closed.
        if environment is not None:
            environment.close()
        environment, uses = _open_lmdb(path), iter(range(_READS_PER_OPENING))
        _environments[key] = (environment, uses)
    return environment


def _open_lmdb(path: Path) -> lmdb.Environment:
    environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False, readahead=False)
    expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    got = path.stat().st_size
    if got < expected:
        # Reading past the end of a mapped file would kill the process.
        environment.close()
        raise ValueError(f"{path}: cut short, got {got} bytes, expected {expected}; get it again.")
    return environment
