"""Writes tiny raw data in FGVC6's own form."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.data_prep.raw_modanet import draw_jpeg

HEADER = "ImageId,EncodedPixels,Height,Width,ClassId"
CATEGORIES = ("shirt, blouse", "pants", "sleeve")
ATTRIBUTES = {20: "asymmetrical", 30: "straight"}


def image_name(number: int) -> str:
    """32 hex digits, in the order of the numbers."""
    return f"{number:032x}.jpg"


def encoded_pixels(mask: np.ndarray) -> str:
    """Written out pixel by pixel, down the columns and from 1."""
    pixels = [i for i, value in enumerate(mask.T.reshape(-1), start=1) if value]
    runs = []
    for pixel in pixels:
        if runs and pixel == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([pixel, 1])
    return " ".join(f"{start} {length}" for start, length in runs)


def box_mask(height: int, width: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[y0:y1, x0:x1] = 1
    return mask


@dataclass
class RawFgvc6:
    """Raw data in the making; `write` puts it into a folder."""

    rows: list[str] = field(default_factory=list)
    photos: dict[str, bytes] = field(default_factory=dict)
    test_photos: dict[str, bytes] = field(default_factory=dict)
    header: str = HEADER
    categories: tuple[str, ...] = CATEGORIES

    def add_photo(self, number: int, size=(40, 30), encoded: bytes | None = None) -> str:
        name = image_name(number)
        self.photos[name] = encoded or draw_jpeg(*size, seed=number)
        return name

    def add_mask(self, name: str, mask: np.ndarray, class_id: str) -> None:
        height, width = mask.shape
        self.rows.append(f"{name},{encoded_pixels(mask)},{height},{width},{class_id}")

    def write(self, raw_dir: Path) -> Path:
        for folder, photos in (("train", self.photos), ("test", self.test_photos)):
            (raw_dir / folder).mkdir(parents=True)
            for name, encoded in photos.items():
                (raw_dir / folder / name).write_bytes(encoded)
        (raw_dir / "train.csv").write_text("\n".join([self.header, *self.rows]) + "\n")
        labels = {
            "info": {"year": 2019},
            "categories": [{"id": i, "name": n, "level": 2} for i, n in enumerate(self.categories)],
            "attributes": [{"id": i, "name": n} for i, n in ATTRIBUTES.items()],
        }
        (raw_dir / "label_descriptions.json").write_text(json.dumps(labels))
        return raw_dir
