"""ModaNet's and PaperDoll's raw files: where they lie and how they are opened.

Sources: https://github.com/eBay/modanet (annotations, CC BY-NC 4.0) and
https://github.com/kyamagu/paperdoll/tree/master/data/chictopia (photos.lmdb, chictopia.sql.gz).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data_prep.datasets.modanet.lmdb_reader import LmdbDamage, LmdbReader
from data_prep.readers.photo_conversion import RawPhoto
from data_prep.readers.photo_encoding import PhotoError

_TRAIN_JSON = "modanet2018_instances_train.json"
_CHALLENGE_JSON = "modanet2018_instances_val.json"


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
                f"as in data_prep/datasets/modanet/README.md, or give {flag}; where the photos "
                "are files in a folder, --dataset=coco --annotations=JSON --photos_dir=FOLDER "
                "reads them."
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

    @cached_property
    def _reader(self) -> LmdbReader:
        return LmdbReader(self._path)

    def __getstate__(self) -> dict:
        return {"_path": self._path}

    def check(self) -> None:
        """Opens the file.

        Raises:
            ValueError: It is not an LMDB, or cut short.
        """
        assert self._reader

    def read(self, photo_id: int) -> bytes | None:
        """The photo's bytes; None where it is not there.

        Raises:
            PhotoError: The file is damaged where the photo is.
        """
        try:
            return self._reader.get(str(photo_id).encode("ascii"))
        except LmdbDamage as error:
            raise PhotoError("photo_unreadable", f"{self._path}: {error}") from error

    def read_photo(self, raw: RawPhoto) -> bytes | None:
        """The same, for conversion."""
        return self.read(raw.image_id)


def _lmdb_file(path: Path) -> Path:
    return path / "data.mdb" if path.is_dir() else path
