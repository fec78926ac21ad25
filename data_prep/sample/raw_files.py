"""ModaNet's and PaperDoll's raw files, written as the originals ship them.

ModaNet: one json line of info, images, annotations, licenses, year, categories, type. PaperDoll:
an LMDB of JPEG bytes keyed by the photo's id in ASCII, and an SQLite table of posts' photos.
"""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lmdb

from data_prep.sample.outfit import CATEGORY_NAMES

TRAIN_JSON = Path("modanet/annotations/modanet2018_instances_train.json")
VAL_JSON = Path("modanet/annotations/modanet2018_instances_val.json")
LMDB_DIR = Path("paperdoll/photos.lmdb")
SQLITE_FILE = Path("paperdoll/chictopia.sqlite3")
INFO = {
    "contributor": "data_prep.sample",
    "date_created": "2018/07/03",
    "version": "1.0",
    "description": "Drawn pictures in the form of the MODA-NET 2018 Dataset",
}
LICENSES = [{"url": "", "id": 3, "name": "Drawn pictures: nobody is shown"}]
DATE = "2012-09-07"
# chictopia.sqlite3's own statement
CREATE_PHOTOS = (
    'CREATE TABLE "photos" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,"post_id" integer,'
    '"path" varchar(255) NOT NULL,"status" integer DEFAULT 0 NOT NULL,'
    '"file_file_name" varchar(255),"file_file_size" integer,"file_content_type" varchar(255),'
    '"file_updated_at" datetime,"width" integer,"height" integer,'
    '"created_at" datetime NOT NULL,"updated_at" datetime NOT NULL)'
)


@dataclass(frozen=True)
class RawPhoto:
    """A photo's row: ids, size in pixels, number of JPEG bytes."""

    photo_id: int
    post_id: int
    width: int
    height: int
    num_bytes: int


def write_train_json(raw_dir: Path, photos: Sequence[RawPhoto], annotations: list[dict]) -> None:
    """Writes the annotated photos; `annotations` are ModaNet's records without their `id`."""
    images = [
        {"file_name": f"{p.photo_id:07d}.jpg", "width": p.width, "height": p.height,
         "id": p.photo_id, "license": 3}
        for p in photos
    ]  # fmt: skip
    # {"segmentation":[[407,443,398,...]],"area":23751,"iscrowd":0,"image_id":200539,
    #  "bbox":[325,443,117,203],"category_id":1,"id":1}
    numbered = [{**annotation, "id": i} for i, annotation in enumerate(annotations, start=1)]
    content = {
        "info": INFO, "images": images, "annotations": numbered, "licenses": LICENSES,
        "year": 2018, "categories": _categories(), "type": "instances",
    }  # fmt: skip
    _write_json(raw_dir / TRAIN_JSON, content)


def write_val_json(raw_dir: Path, photos: Sequence[RawPhoto]) -> None:
    """Writes the challenge's photos, whose annotations were never published."""
    images = [
        {"file_name": f"{p.photo_id:07d}.jpg", "width": p.width, "id": p.photo_id, "license": 3,
         "height": p.height}
        for p in photos
    ]  # fmt: skip
    content = {
        "info": INFO, "images": images, "year": 2018, "licenses": LICENSES, "type": "instances",
        "annotations": [], "categories": _categories(),
    }  # fmt: skip
    _write_json(raw_dir / VAL_JSON, content)


def _categories() -> list[dict]:
    return [
        {"supercategory": "fashion", "id": i, "name": name}
        for i, name in enumerate(CATEGORY_NAMES, start=1)
    ]


def _write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")))


def write_sqlite(raw_dir: Path, photos: Sequence[RawPhoto]) -> None:
    """Writes chictopia.sqlite3: every photo's row, also of those that the LMDB lacks."""
    path = raw_dir / SQLITE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        (p.photo_id, p.post_id, f"/photos/user{p.post_id % 97}/{p.photo_id}/{p.photo_id}_400.jpg",
         2, f"open-uri-{p.photo_id}", p.num_bytes, "image/jpeg", DATE, p.width, p.height,
         DATE, DATE)
        for p in photos
    ]  # fmt: skip
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(CREATE_PHOTOS)
        connection.executemany(f"INSERT INTO photos VALUES ({','.join('?' * 12)})", rows)
    connection.close()


class PhotoStore:
    """Writes photos.lmdb, a batch at a time; a context manager."""

    BATCH = 256

    def __init__(self, raw_dir: Path, num_photos: int):
        self._dir = raw_dir / LMDB_DIR
        self._dir.mkdir(parents=True)
        with self._named_errors():
            self._env = lmdb.open(str(self._dir), map_size=(num_photos + 64) * 2**19)
        self._waiting: list[tuple[bytes, bytes]] = []

    def __enter__(self):
        return self

    def put(self, photo_id: int, jpeg: bytes) -> None:
        """Adds one photo."""
        self._waiting.append((str(photo_id).encode(), jpeg))
        if len(self._waiting) >= self.BATCH:
            self._flush()

    def _flush(self) -> None:
        with self._named_errors(), self._env.begin(write=True) as transaction:
            for key, jpeg in self._waiting:
                transaction.put(key, jpeg)
        self._waiting.clear()

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        """LMDB's errors name no file, and call a full disk an input/output error."""
        try:
            yield
        except lmdb.Error as error:
            free_mb = shutil.disk_usage(self._dir).free / 2**20
            raise OSError(
                f"{self._dir}: cannot write the photos ({error}); {free_mb:.0f} MB are free there, "
                "make room or give another --out_dir."
            ) from error

    def __exit__(self, kind, error, traceback) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._env.close()
        (self._dir / "lock.mdb").unlink(missing_ok=True)
