"""Writes tiny raw data in ModaNet's and PaperDoll's own form."""

import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import lmdb
import numpy as np

CATEGORIES = (
    ("bag", "belt", "boots", "footwear", "outer", "dress", "sunglasses")
    + ("pants", "top", "shorts", "skirt", "headwear", "scarf/tie")
)  # fmt: skip


def draw_jpeg(width: int, height: int, seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    photo = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    color = tuple(int(value) for value in rng.integers(0, 255, 3))
    cv2.circle(photo, (width // 2, height // 2), min(width, height) // 3, color, -1)
    return cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def box_polygon(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    """Covers exactly the pixels x0..x1-1, y0..y1-1."""
    return [x0, y0, x1, y0, x1, y1, x0, y1]


@dataclass
class RawModanet:
    """Raw data in the making; `write` puts it below a folder."""

    images: list[dict] = field(default_factory=list)
    annotations: list[dict] = field(default_factory=list)
    challenge_images: list[dict] = field(default_factory=list)
    photos: dict[int, bytes] = field(default_factory=dict)
    post_ids: dict[int, int | None] = field(default_factory=dict)

    def add_photo(
        self,
        photo_id: int,
        post_id: int | None,
        size: tuple[int, int] = (40, 30),
        encoded: bytes | None = None,
    ) -> None:
        """A width x height photo with its rows in the json and the table."""
        width, height = size
        self.images.append(_image_entry(photo_id, width, height))
        self.photos[photo_id] = encoded or draw_jpeg(width, height, seed=photo_id)
        self.post_ids[photo_id] = post_id

    def add_challenge_photo(self, photo_id: int, size: tuple[int, int] = (40, 30)) -> None:
        self.challenge_images.append(_image_entry(photo_id, *size))
        self.photos[photo_id] = draw_jpeg(*size, seed=photo_id)

    def annotate(
        self,
        annotation_id: int,
        photo_id: int,
        category_id: int,
        segmentation: list,
        bbox: list | None = None,
    ) -> None:
        """ModaNet's `area` is that of the box; it must not be used."""
        self.annotations.append(
            {
                "segmentation": segmentation,
                "area": 99999,
                "iscrowd": 0,
                "image_id": photo_id,
                "bbox": bbox or [0, 0, 1, 1],
                "category_id": category_id,
                "id": annotation_id,
            }
        )

    def write(self, raw_dir: Path) -> Path:
        json_dir = raw_dir / "modanet" / "annotations"
        json_dir.mkdir(parents=True)
        self._write_json(json_dir / "modanet2018_instances_train.json", self.images, True)
        if self.challenge_images:
            name = "modanet2018_instances_val.json"
            self._write_json(json_dir / name, self.challenge_images, False)
        paperdoll = raw_dir / "paperdoll"
        paperdoll.mkdir()
        write_lmdb(paperdoll / "photos.lmdb", self.photos)
        write_photos_table(paperdoll / "chictopia.sqlite3", self.post_ids)
        return raw_dir

    def _write_json(self, path: Path, images: list[dict], annotated: bool) -> None:
        contents = {
            "info": {"description": "MODA-NET 2018 Dataset", "nested": {"list": [1, [2]]}},
            "images": images,
            "annotations": self.annotations if annotated else [],
            "licenses": [],
            "categories": [
                {"supercategory": "fashion", "id": index, "name": name}
                for index, name in enumerate(CATEGORIES, start=1)
            ],
            "type": "instances",
        }
        path.write_text(json.dumps(contents))


def write_lmdb(path: Path, photos: dict[int, bytes]) -> None:
    with lmdb.open(str(path), map_size=1 << 28) as environment, environment.begin(write=True) as t:
        for photo_id, encoded in photos.items():
            t.put(str(photo_id).encode("ascii"), encoded)


def write_photos_table(path: Path, post_ids: dict[int, int | None]) -> None:
    connection = sqlite3.connect(path)
    connection.execute(
        'CREATE TABLE "photos" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,'
        '"post_id" integer,"path" varchar(255) NOT NULL)'
    )
    rows = [(i, post_id, f"/photos/{i}_400.jpg") for i, post_id in post_ids.items()]
    connection.executemany("INSERT INTO photos VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()


def many_photos(num_photos: int, size: tuple[int, int] = (40, 30)) -> RawModanet:
    """Photos 1..num_photos, each of a post of its own, with one dress each."""
    raw = RawModanet()
    for photo_id in range(1, num_photos + 1):
        raw.add_photo(photo_id, post_id=photo_id, size=size)
        raw.annotate(1000 + photo_id, photo_id, 6, [box_polygon(2, 3, 12, 23)])
    return raw


def _image_entry(photo_id: int, width: int, height: int) -> dict:
    name = f"{photo_id:07d}.jpg"
    return {"file_name": name, "width": width, "height": height, "id": photo_id, "license": 3}
