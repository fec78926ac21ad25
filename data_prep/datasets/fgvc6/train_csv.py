"""FGVC6's train.csv: an index that stays small, and one photo's rows -> RawPhoto.

The file is some gigabytes of run lengths; only where each row lies is held in memory.
"""

import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.annotations.segmentations import EncodedPixels
from data_prep.readers.photo_conversion import RawInstance, RawPhoto
from data_prep.readers.raw_dataset import Note

_HEADER = "ImageId,EncodedPixels,Height,Width,ClassId"
_IMAGE_NAME = re.compile(rb"[0-9A-Za-z_-]+(\.[0-9A-Za-z]+)*")
_CLASS_ID = re.compile(r"\d{1,6}(_\d{1,6})*")
_MAX_SIDE = 65_535  # of a JPEG
_MALFORMED = "malformed_row"  # the report's key


class CsvRecord(NamedTuple):
    """One photo and its rows as texts, parsed only where they are worked on.

    Attributes:
        image_id: ours.
        file_name: such as "00000663ed1ff0c4e0132b9b9ac53f6e.jpg".
        rows: (line of the file from 1, text).
    """

    image_id: int
    file_name: str
    rows: tuple[tuple[int, str], ...]

    def raw_photo(self) -> RawPhoto:
        """Parses the rows; rows that cannot be read are dropped and counted."""
        instances, sizes_hw, dropped = [], set(), []
        for line, text in self.rows:
            try:
                instance, size_hw = _parsed(line, text)
            except ValueError:
                dropped.append(Note(_MALFORMED, line, self.file_name))
            else:
                instances.append(instance)
                sizes_hw.add(size_hw)
        return RawPhoto(
            image_id=self.image_id,
            file_name=self.file_name,
            annotated_hw=min(sizes_hw) if len(sizes_hw) == 1 else None,
            instances=tuple(instances),
            dropped=tuple(dropped),
            unusable_reason="rows_differ_in_size" if len(sizes_hw) > 1 else None,
        )


class TrainCsv:
    """train.csv, checked and indexed.

    Attributes:
        file_names: of the photos, sorted; an ImageId without an ending is a .jpg.
        num_rows: masks in the file.
        lines_without_image: of rows that begin with no ImageId.

    Raises:
        ValueError: It has other columns or no rows.
    """

    def __init__(self, path: Path):
        self.path = path
        numbers: dict[bytes, int] = {}  # of the names, in the order they come
        rows = array("q")  # number of the name, line, offset, bytes; one after the other
        self.lines_without_image: list[int] = []
        self.num_rows = 0
        with path.open("rb") as file:
            offset = len(self._read_header(file))
            for line, text in enumerate(file, start=2):
                if text.strip():
                    self.num_rows += 1
                    name = text[: text.find(b",")].strip(b'"')
                    if _IMAGE_NAME.fullmatch(name):
                        name = name if b"." in name else name + b".jpg"
                        number = numbers.setdefault(name, len(numbers))
                        rows.extend((number, line, offset, len(text)))
                    else:
                        self.lines_without_image.append(line)
                offset += len(text)
        if not rows:
            raise ValueError(f"{path}: has no rows, expected one a mask; download it again.")
        names = sorted(numbers)
        rank_of_number = np.empty(len(names), np.int64)
        rank_of_number[[numbers[name] for name in names]] = np.arange(len(names))
        table = np.frombuffer(rows, np.int64).reshape(-1, 4).copy()
        table[:, 0] = rank_of_number[table[:, 0]]
        self._rows = table[np.argsort(table[:, 0], kind="stable")]
        self.file_names = [name.decode() for name in names]

    def texts(self, ranks: list[int]) -> Iterator[tuple[tuple[int, str], ...]]:
        """Reads (line, text) of the rows of each photo, given by its index in file_names."""
        with self.path.open("rb") as file:
            for rank in ranks:
                rows = []
                for _, line, offset, num_bytes in self._rows_of(rank).tolist():
                    file.seek(offset)
                    rows.append((line, file.read(num_bytes).decode("utf-8", "replace")))
                yield tuple(rows)

    def _rows_of(self, rank: int) -> np.ndarray:
        first, last = np.searchsorted(self._rows[:, 0], (rank, rank + 1))
        return self._rows[first:last]

    def _read_header(self, file) -> bytes:
        header = file.readline(1000)
        columns = header.decode("utf-8", "replace").strip().replace('"', "")
        if columns.removeprefix("\ufeff") != _HEADER:
            raise ValueError(
                f"{self.path}: got the columns {columns[:80]!r}, expected {_HEADER!r}; give "
                "FGVC6's train.csv of 2019."
            )
        return header


def _parsed(line: int, text: str) -> tuple[RawInstance, tuple[int, int]]:
    # 00000663ed1ff0c4e0132b9b9ac53f6e.jpg,6068157 7 6073371 20 6078584 34,5214,3676,6_20_30
    _, pixels, height, width, class_id = (word.strip().strip('"') for word in text.split(","))
    if not _CLASS_ID.fullmatch(class_id):
        raise ValueError(f"got the ClassId {class_id!r}")
    category_id, *attribute_ids = map(int, class_id.split("_"))
    instance = RawInstance(
        record_id=line,
        raw_category_id=category_id,
        segmentation=EncodedPixels(pixels),
        attribute_ids=tuple(sorted(set(attribute_ids))),
    )
    return instance, (_side(height), _side(width))


def _side(text: str) -> int:
    number = float(text)  # pandas writes whole numbers beside a gap as 5214.0
    if not (number.is_integer() and 1 <= number <= _MAX_SIDE):
        raise ValueError(f"got the size {text!r}")
    return int(number)
