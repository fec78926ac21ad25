"""ModaNet's json and PaperDoll's photos, opened and joined.

Sources: https://github.com/eBay/modanet (annotations, CC BY-NC 4.0) and
https://github.com/kyamagu/paperdoll/tree/master/data/chictopia (photos.lmdb, chictopia.sqlite3).
"""

import functools
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import lmdb

from data_prep.coco_image import convert_coco_record
from data_prep.coco_json import CocoJson, CocoRecord
from data_prep.raw_dataset import Conversion, ImageKey, LeftOut, RawDataset, RawSource

CATEGORY_NAMES = (
    "bag",
    "belt",
    "boots",
    "footwear",
    "outer",
    "dress",
    "sunglasses",
    "pants",
    "top",
    "shorts",
    "skirt",
    "headwear",
    "scarf/tie",
)
_TRAIN_JSON = "modanet2018_instances_train.json"
_CHALLENGE_JSON = "modanet2018_instances_val.json"


@dataclass(frozen=True)
class ModanetPaths:
    """Where the raw files lie.

    Attributes:
        train_json: annotated photos.
        challenge_json: the official val json, photos without annotations; need not exist.
        photos_lmdb: a folder with data.mdb, or that file.
        photos_db: the SQLite file with the table `photos`.
    """

    train_json: Path
    challenge_json: Path
    photos_lmdb: Path
    photos_db: Path


def find_raw_files(
    raw_dir: Path,
    annotations: Path | None = None,
    photos_lmdb: Path | None = None,
    photos_db: Path | None = None,
) -> ModanetPaths:
    """Completes the places that are not given with raw_dir's layout.

    Args:
        raw_dir: holds modanet/annotations/*.json, paperdoll/photos.lmdb, paperdoll/chictopia.sqlite3.
        annotations: the folder of the two json files, or the train json itself.
        photos_lmdb: a folder with data.mdb, or that file.
        photos_db: a SQLite file.

    Raises:
        ValueError: One of them is missing.
    """
    annotations = annotations or raw_dir / "modanet" / "annotations"
    folder = annotations.parent if annotations.is_file() else annotations
    train_json = annotations if annotations.is_file() else folder / _TRAIN_JSON
    paths = ModanetPaths(
        train_json=train_json,
        challenge_json=folder / _CHALLENGE_JSON,
        photos_lmdb=photos_lmdb or raw_dir / "paperdoll" / "photos.lmdb",
        photos_db=photos_db or raw_dir / "paperdoll" / "chictopia.sqlite3",
    )
    for path, flag in (
        (paths.train_json, "--annotations"),
        (paths.photos_lmdb, "--photos_lmdb"),
        (paths.photos_db, "--photos_db"),
    ):
        if not path.exists():
            raise ValueError(
                f"{path}: no such file or folder; expected ModaNet's and PaperDoll's files below "
                f"--raw_dir (data_prep/modanet/README.md), or give {flag}."
            )
    return paths


def open_raw_dataset(paths: ModanetPaths, max_side: int | None) -> RawDataset:
    """Reads the json files and post ids and joins them.

    Raises:
        ValueError: A file is not what it should be; the message names it.
    """
    train = CocoJson(paths.train_json)
    _check_categories(train)
    post_ids = _read_post_ids(paths.photos_db)
    sources: list[RawSource] = [_train_source(train, post_ids)]
    raw_paths = [paths.train_json, paths.photos_db, _lmdb_file(paths.photos_lmdb)]
    with open_photos(paths.photos_lmdb).begin():  # fails here rather than in a worker
        pass
    if paths.challenge_json.exists():
        challenge = CocoJson(paths.challenge_json)
        sources.append(_challenge_source(challenge, {i.image_id for i in train.images}))
        raw_paths.append(paths.challenge_json)
    converter = ModanetConverter(paths.photos_lmdb, max_side)
    return RawDataset(CATEGORY_NAMES, sources, converter, raw_paths)


@dataclass
class ModanetSource(RawSource):
    """The photos of one of ModaNet's two json files."""

    coco: CocoJson | None = None

    def records(self, wanted: set[int]) -> Iterator[CocoRecord]:
        """Yields the records of these image ids in file order."""
        seen = set()
        for image in self.coco.images:
            if image.image_id in wanted and image.image_id not in seen:
                seen.add(image.image_id)
                yield self.coco.record(image)


@dataclass(frozen=True)
class ModanetConverter:
    """Looks a record's photo up and makes the image; picklable."""

    photos_lmdb: Path
    max_side: int | None

    def __call__(self, record: CocoRecord) -> Conversion:
        """Makes the image of one record."""
        with open_photos(self.photos_lmdb).begin(buffers=False) as transaction:
            photo = transaction.get(str(record.image.image_id).encode("ascii"))
        return convert_coco_record(
            record,
            photo,
            num_categories=len(CATEGORY_NAMES),
            max_side=self.max_side,
            keep_empty=not record.annotation_texts,
        )


def open_photos(path: Path) -> lmdb.Environment:
    """Opens photos.lmdb once per process, needing no write permission.

    Raises:
        ValueError: It is not an LMDB.
    """
    return _open_lmdb(path, os.getpid())


@functools.cache
def _open_lmdb(path: Path, process_id: int) -> lmdb.Environment:
    del process_id  # an environment must not be used across a fork
    try:
        return lmdb.open(
            str(path), readonly=True, lock=False, readahead=False, subdir=path.is_dir()
        )
    except lmdb.Error as error:
        raise ValueError(
            f"{path}: not an LMDB of photos ({error}); expected PaperDoll's photos.lmdb."
        ) from error


def _lmdb_file(path: Path) -> Path:
    return path / "data.mdb" if path.is_dir() else path


def _check_categories(coco: CocoJson) -> None:
    expected = dict(enumerate(CATEGORY_NAMES, start=1))
    if coco.category_names != expected:
        raise ValueError(
            f"{coco.path}: got the categories {coco.category_names}, expected ModaNet's 13, "
            f"{expected}."
        )


def _read_post_ids(path: Path) -> dict[int, int | None]:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(uri, uri=True)
        try:
            return dict(connection.execute("SELECT id, post_id FROM photos"))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise ValueError(
            f"{path}: cannot read the table `photos` ({error}); expected PaperDoll's "
            "chictopia.sqlite3."
        ) from error


def _train_source(coco: CocoJson, post_ids: dict[int, int | None]) -> ModanetSource:
    source = ModanetSource(
        name="train json",
        num_photos=len(coco.images),
        num_annotations=coco.num_annotations,
        keys=[],
        coco=coco,
    )
    source.dropped = [LeftOut("image_not_in_json", i) for i in coco.orphan_annotation_ids()]
    seen = set()
    for image in coco.images:
        image_id = image.image_id
        annotation_ids = coco.annotation_ids(image_id)
        if image_id in seen:
            source.left_out.append(LeftOut("repeated_in_json", image_id))
            continue
        seen.add(image_id)
        if not annotation_ids:
            source.left_out.append(LeftOut("no_annotations", image_id))
        elif image_id not in post_ids:
            source.left_out.append(LeftOut("not_in_photos_table", image_id))
            source.dropped += [LeftOut("photo_left_out", i) for i in annotation_ids]
        else:
            post_id = post_ids[image_id]
            split_key = f"photo {image_id}" if post_id is None else f"post {post_id}"
            source.keys.append(ImageKey(image_id, split_key, len(annotation_ids)))
    return source


def _challenge_source(coco: CocoJson, train_ids: set[int]) -> ModanetSource:
    source = ModanetSource(
        name="val json (challenge)",
        num_photos=len(coco.images),
        num_annotations=coco.num_annotations,
        keys=[],
        coco=coco,
        split="challenge",
    )
    source.dropped = [LeftOut("image_not_in_json", i) for i in coco.orphan_annotation_ids()]
    seen = set()
    for image in coco.images:
        if image.image_id in seen:
            source.left_out.append(LeftOut("repeated_in_json", image.image_id))
        elif image.image_id in train_ids:
            source.left_out.append(LeftOut("also_in_train_json", image.image_id))
        else:
            annotation_ids = coco.annotation_ids(image.image_id)
            key = ImageKey(image.image_id, "", len(annotation_ids))
            source.keys.append(key)
        seen.add(image.image_id)
    return source
