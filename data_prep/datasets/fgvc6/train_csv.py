"""FGVC6's train.csv: an index that stays small, and one photo's rows -> RawPhoto.

The file is some gigabytes of run lengths; only where each row lies is held in memory. Columns are
found by their names: tables that went through pandas or a spreadsheet have them in another order,
with an index of its own, or other separators.
"""

import csv
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.annotations.segmentations import EncodedPixels
from data_prep.readers.photo_conversion import RawInstance, RawPhoto
from data_prep.readers.raw_dataset import Note
from tfseg.structures.coco_values import mark_length

_COLUMNS = ("ImageId", "EncodedPixels", "Height", "Width", "ClassId")
_ATTRIBUTES = "AttributesIds"  # a column of its own in the edition of 2020
_IMAGE_NAME = re.compile(rb"[^\x00-\x1f,;]*[^\x00-\x1f,;/. ]")
_CLASS_ID = re.compile(r"(\d{1,6})(\.0)?((?:_\d{1,6})*)")
_MAX_SIDE = 65_535  # of a JPEG
_MAX_ROW = 1 << 28  # characters; masks of a photo of 40 megapixels have a hundredth of it
_MALFORMED = "malformed_row"  # the report's key


csv.field_size_limit(_MAX_ROW)


class Columns(NamedTuple):
    """How the file's rows are written.

    Attributes:
        names: in the file's order.
        separator: "," or what European tables and pandas write.
    """

    names: tuple[str, ...]
    separator: str = ","

    @classmethod
    def of_header(cls, path: Path, header: bytes) -> "Columns":
        """Reads the first line; ValueError names the columns got and expected."""
        try:
            text = header[mark_length(header) :].decode("utf-8", "replace").strip()
        except ValueError as error:
            raise ValueError(f"{path}: {error}.") from None
        for separator in (",", ";", "\t"):
            names = tuple(name.strip().strip('"') for name in text.split(separator))
            twice = [name for name in _COLUMNS if names.count(name) > 1]
            if twice:
                raise ValueError(f"{path}: the column {twice[0]} is there twice; take one out.")
            if set(_COLUMNS) <= set(names):
                return cls(names, separator)
        missing = [name for name in _COLUMNS if name not in text]
        raise ValueError(
            f"{path}: got the columns {text[:100]!r}, expected {', '.join(_COLUMNS)} in any order"
            f"{'; missing: ' + ', '.join(missing) if missing else ''}; give FGVC6's train.csv."
        )

    def values(self, text: str) -> dict[str, str]:
        """A row's values by column.

        Raises:
            ValueError: It has another number of values.
        """
        row = next(csv.reader([text], delimiter=self.separator))
        if len(row) != len(self.names):
            raise ValueError(f"got {len(row)} values, expected {len(self.names)}")
        return {name: value.strip() for name, value in zip(self.names, row, strict=True)}


class CsvRecord(NamedTuple):
    """One photo and its rows as texts, parsed only where they are worked on.

    Attributes:
        image_id: ours.
        file_name: such as "00000663ed1ff0c4e0132b9b9ac53f6e.jpg".
        rows: (line of the file from 1, text).
        columns: of the texts.
    """

    image_id: int
    file_name: str
    rows: tuple[tuple[int, str], ...]
    columns: Columns = Columns(_COLUMNS)

    def raw_photo(self) -> RawPhoto:
        """Parses the rows; rows that cannot be read are dropped and counted."""
        instances, sizes_hw, dropped = [], set(), []
        for line, text in self.rows:
            try:
                instance, size_hw = _parsed(line, self.columns.values(text))
            except (ValueError, StopIteration, csv.Error) as error:
                dropped.append(Note(_MALFORMED, line, self.file_name, f"line {line}: {error}"))
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
        columns: how its rows are written.
        file_names: of the photos, sorted, without folders; an ImageId without an ending is a .jpg.
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
            header = file.readline(1000)
            self.columns = Columns.of_header(path, header)
            offset = len(header)
            place = self.columns.names.index("ImageId")
            separator = self.columns.separator.encode()
            for line, text in enumerate(iter(lambda: file.readline(_MAX_ROW), b""), start=2):
                if len(text) == _MAX_ROW:
                    raise ValueError(f"{path}: line {line} has {_MAX_ROW:,} bytes and more.")
                if text.strip():
                    self.num_rows += 1
                    # The columns before it are short; the run lengths are not cut up for it.
                    values = text.split(separator, place + 1)
                    name = values[place].strip(b'" \r\n\t') if len(values) > place else b""
                    name = name.replace(b"\\", b"/").rpartition(b"/")[2]
                    if _IMAGE_NAME.fullmatch(name) and _is_text(name):
                        name = name if b"." in name else name + b".jpg"
                        number = numbers.setdefault(name, len(numbers))
                        rows.extend((number, line, offset, len(text)))
                    else:
                        self.lines_without_image.append(line)
                offset += len(text)
        if not rows:
            lines = ", ".join(map(str, self.lines_without_image[:3]))
            got = f" (no ImageId in line {lines})" if lines else ""
            raise ValueError(f"{path}: has no rows, expected one a mask{got}; download it again.")
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


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parsed(line: int, values: dict[str, str]) -> tuple[RawInstance, tuple[int, int]]:
    # 00000663ed1ff0c4e0132b9b9ac53f6e.jpg,6068157 7 6073371 20 6078584 34,5214,3676,6_20_30
    class_id = _CLASS_ID.fullmatch(values["ClassId"])
    if not class_id:
        raise ValueError(f"got the ClassId {values['ClassId'][:40]!r}, expected such as 6 or 6_20")
    attributes = f"{class_id[3]}_{values.get(_ATTRIBUTES, '')}".replace(",", "_")
    attribute_ids = {int(word) for word in attributes.split("_") if word.strip()}
    instance = RawInstance(
        record_id=line,
        raw_category_id=int(class_id[1]),
        segmentation=EncodedPixels(values["EncodedPixels"]),
        # A ClassId of a category alone says nothing: of most masks no attribute was looked for.
        attribute_ids=tuple(sorted(attribute_ids)) or None,
    )
    return instance, (_side("Height", values), _side("Width", values))


def _side(column: str, values: dict[str, str]) -> int:
    text = values[column]
    try:
        number = float(text)  # pandas writes whole numbers beside a gap as 5214.0
    except ValueError:
        number = 0.5
    if not (number.is_integer() and 1 <= number <= _MAX_SIDE):
        raise ValueError(f"got the {column} {text[:40]!r}, expected 1..{_MAX_SIDE}")
    return int(number)
