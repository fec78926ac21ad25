"""Reads prepared shards without TensorFlow: what is small of every record, all of a chosen one.

Walking the records' wire format lets the photos and masks, nearly all of a shard, be skipped: a
pass over a data set reads a few kilobytes a photo and holds one photo's facts.

Format: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.browse import protobuf_example

_WINDOW_BYTES = 8192
_BOX_KEYS = tuple(f"image/object/bbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
_SMALL_KEYS = {
    "image/source_id",
    "image/filename",
    "image/source",
    "image/height",
    "image/width",
    *_BOX_KEYS,
    "image/object/class/label",
    "image/object/area",
    "image/object/is_crowd",
    "image/object/attributes",
}
_PICTURE_KEYS = {"image/encoded", "image/object/mask"}


@dataclass(frozen=True)
class RecordFacts:
    """One record without its photo and masks.

    Attributes:
        shard_path: where it lies,
        offset: from this byte,
        num_bytes: so long.
        image_id: the source id, text.
        file_name: of the photo in the raw data set.
        source: the raw source's name; empty where the data set has one alone.
        height: pixels.
        width: pixels.
        category_ids: int64 [num_instances].
        boxes_xyxy: float32 [num_instances, 4], divided by the photo's size.
        areas: float32 [num_instances], mask pixels.
        crowds: bool [num_instances].
        attributes: of each instance, such as "20_30", "none", or "" where they are
            not annotated.
    """

    shard_path: str
    offset: int
    num_bytes: int
    image_id: str
    file_name: str
    source: str
    height: int
    width: int
    category_ids: np.ndarray
    boxes_xyxy: np.ndarray
    areas: np.ndarray
    crowds: np.ndarray
    attributes: tuple[str, ...]


def read_facts(shard_path: str) -> Iterator[RecordFacts]:
    """Yields the facts of a shard's records, in order.

    Raises:
        ValueError: A record is damaged.
    """
    with Path(shard_path).open("rb", buffering=0) as stream:
        window = _Window(stream.fileno())
        offset, index, size = 0, 0, os.fstat(stream.fileno()).st_size
        while offset < size:
            try:
                (num_bytes,) = struct.unpack("<Q", window.read(offset, offset + 8))
                start = offset + 12  # a checksum of the length lies between
                if start + num_bytes + 4 > size:
                    raise ValueError(f"is {num_bytes} bytes long, past the shard's end")
                features = _small_features(window, start, start + num_bytes)
                yield _facts(shard_path, start, num_bytes, features)
            except (ValueError, KeyError, IndexError, struct.error) as error:
                raise ValueError(_damage(shard_path, index, repr(error))) from error
            offset, index = start + num_bytes + 4, index + 1


def read_picture(facts: RecordFacts) -> tuple[bytes, list[bytes]]:
    """Reads a record's encoded photo and the PNG masks of its instances.

    Raises:
        ValueError: The record is damaged.
    """
    with Path(facts.shard_path).open("rb") as stream:
        stream.seek(facts.offset)
        record = stream.read(facts.num_bytes)
    try:
        found = {}
        for entry in protobuf_example.fields(record, *protobuf_example.field(record, 0)[1:]):
            key, value = protobuf_example.key_and_value(record, entry)
            if key in _PICTURE_KEYS:
                found[key] = protobuf_example.values(record, value)
        (photo,) = found["image/encoded"]
        masks = found.get("image/object/mask", [])
        if len(masks) != len(facts.category_ids):
            raise ValueError(f"{len(masks)} masks of {len(facts.category_ids)} instances")
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise ValueError(_damage(facts.shard_path, facts.image_id, repr(error))) from error
    return photo, list(masks)


def _facts(shard_path: str, offset: int, num_bytes: int, features: dict) -> RecordFacts:
    def text(key: str) -> str:
        values = features.get(key, [])
        return values[0].decode("utf-8") if values else ""

    (height,), (width,) = features["image/height"], features["image/width"]
    category_ids = np.array(features.get("image/object/class/label", []), np.int64)
    sides = [features.get(key, np.zeros(0, np.float32)) for key in _BOX_KEYS]
    areas = features.get("image/object/area", np.zeros(0, np.float32))
    crowds = np.array(features.get("image/object/is_crowd", []), bool)
    if {len(values) for values in (*sides, areas, crowds)} != {len(category_ids)}:
        raise ValueError("its lists of boxes, areas and categories differ in length")
    if height < 1 or width < 1:
        raise ValueError(f"its size is {width}x{height}")
    attributes = features.get("image/object/attributes", [])
    if len(attributes) not in (0, len(category_ids)):
        raise ValueError("its lists of attributes and categories differ in length")
    return RecordFacts(
        shard_path,
        offset,
        num_bytes,
        text("image/source_id"),
        text("image/filename"),
        text("image/source"),
        height,
        width,
        category_ids,
        np.stack(sides, axis=1),
        areas,
        crowds,
        tuple(value.decode("utf-8") for value in attributes) or ("",) * len(category_ids),
    )


def _damage(shard_path: str, record: int | str, reason: str) -> str:
    return (
        f"{shard_path}: record {record} is damaged ({reason}); run data_prep.build_tfrecords "
        "--overwrite."
    )


class _Window:
    """A file read in pieces of a few kilobytes, only where it is looked at."""

    def __init__(self, file_descriptor: int):
        self._file_descriptor = file_descriptor
        self._start = 0
        self._bytes = b""

    def read(self, start: int, end: int) -> bytes:
        """Gives the bytes start..end-1."""
        first = start - self._start
        if first < 0 or end > self._start + len(self._bytes):
            num_bytes = max(_WINDOW_BYTES, end - start)
            self._bytes = os.pread(self._file_descriptor, num_bytes, start)
            self._start, first = start, 0
        return self._bytes[first : first + end - start]


def _small_features(window: _Window, start: int, end: int) -> dict:
    """The values of _SMALL_KEYS in the Example at start..end."""
    features = {}
    _, position, example_end = protobuf_example.field(window.read(start, min(end, start + 16)), 0)
    position, example_end = start + position, start + example_end
    if example_end > end:
        raise ValueError("its features pass its end")
    while position < example_end:
        # An entry's head: its own length, then the key's.
        head = window.read(position, min(example_end, position + 96))
        _, entry_start, entry_end = protobuf_example.field(head, 0)
        key, _ = protobuf_example.key_and_value(
            head, (entry_start, min(entry_end, len(head))), only_key=True
        )
        if key in _SMALL_KEYS:
            entry = window.read(position + entry_start, position + entry_end)
            _, value = protobuf_example.key_and_value(entry, (0, len(entry)))
            features[key] = protobuf_example.values(entry, value)
        position += entry_end
    return features
