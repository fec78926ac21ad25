"""The wire format of tf.train.Example, read in place: what is not asked for is passed over.

All raise ValueError or IndexError where the bytes are not such a message.
Formats: https://protobuf.dev/programming-guides/encoding, tensorflow/core/example/feature.proto.
"""

from collections.abc import Iterator

import numpy as np

_BYTES_FIELD, _FLOAT_FIELD, _INT64_FIELD = 1, 2, 3  # of feature.proto's Feature


def key_and_value(data: bytes, span: tuple[int, int], only_key: bool = False):
    """A map entry's key and the span of its value, a Feature."""
    number, key_start, key_end = field(data, span[0])
    if number != 1 or key_end > span[1]:
        raise ValueError("a feature without a name")
    key = data[key_start:key_end].decode("utf-8")
    if only_key:
        return key, None
    number, value_start, value_end = field(data, key_end)
    if number != 2 or value_end != span[1]:
        raise ValueError(f"{key} has no value")
    return key, (value_start, value_end)


def values(data: bytes, span: tuple[int, int]) -> list | np.ndarray:
    """A Feature's list: of bytes, of ints, or float32 [n]."""
    if span[0] == span[1]:
        return []
    kind, start, end = field(data, span[0])
    if end != span[1]:
        raise ValueError("a feature with several lists")
    if kind == _BYTES_FIELD:
        return [data[first:last] for first, last in fields(data, start, end)]
    packed = b"".join(data[first:last] for first, last in fields(data, start, end))
    if kind == _FLOAT_FIELD:
        return np.frombuffer(packed, "<f4")
    if kind == _INT64_FIELD:
        values, position = [], 0
        while position < len(packed):
            value, position = _varint(packed, position)
            values.append(value)
        return values
    raise ValueError(f"a feature of kind {kind}")


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The spans of a message's fields, all of which have a length."""
    while start < end:
        _, first, start = field(data, start)
        if start > end:
            raise ValueError("a field passes the end of its message")
        yield first, start


def field(data: bytes, position: int) -> tuple[int, int, int]:
    """A length-delimited field's number and the span of its contents."""
    tag, position = _varint(data, position)
    if tag & 7 != 2:
        raise ValueError(f"a field of wire type {tag & 7}")
    length, position = _varint(data, position)
    return tag >> 3, position, position + length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
