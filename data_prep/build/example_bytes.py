"""A prepared example <-> bytes that hold data alone, never code, whatever a file was made to say.

Layout: the length of a json (4 bytes), the json, then the encoded photo and masks one after the
other; the json has {"num_bytes": n} in their places. No library serves: pickle runs code, and json
has no bytes.
"""

import io
import json
import struct
from collections import Counter

from data_prep.build.examples import PreparedExample
from data_prep.readers.raw_dataset import Conversion, Note

# 1 was pickle, 2 had notes without details, 3 no category_attributes, 4 no num_crowds.
FORMAT_NUMBER = 5
_LENGTH = struct.Struct("<I")
_BYTES_KEY = "num_bytes"


def bytes_from_example(example: PreparedExample) -> bytes:
    """Encodes an example; its features' files are read and left at their beginning."""
    files: list[bytes] = []
    conversion = example.conversion
    content = {
        "file_name": conversion.file_name,
        "left_out_reason": conversion.left_out_reason,
        "dropped": conversion.dropped,
        "repairs": conversion.repairs,
        "image_id": example.image_id,
        "features": _without_files(example.features, files),
        "image_json": example.image_json,
        "annotation_jsons": example.annotation_jsons,
        "category_counts": list(example.category_counts.items()),
        "category_attributes": sorted(example.category_attributes),
        "num_crowds": example.num_crowds,
        "digest": example.digest.hex(),
    }
    encoded = json.dumps(content, default=lambda number: number.item()).encode()
    return b"".join([_LENGTH.pack(len(encoded)), encoded, *files])


def example_from_bytes(encoded: bytes) -> PreparedExample:
    """Decodes what bytes_from_example has made."""
    (length,) = _LENGTH.unpack_from(encoded)
    content = json.loads(encoded[_LENGTH.size : _LENGTH.size + length])
    return PreparedExample(
        conversion=Conversion(
            content["file_name"],
            left_out_reason=content["left_out_reason"],
            dropped=[Note(*note) for note in content["dropped"]],
            repairs=[Note(*note) for note in content["repairs"]],
        ),
        image_id=content["image_id"],
        features=_with_files(content["features"], io.BytesIO(encoded[_LENGTH.size + length :])),
        image_json=content["image_json"],
        annotation_jsons=tuple(content["annotation_jsons"]),
        category_counts=Counter(dict(content["category_counts"])),
        category_attributes=frozenset((c, a) for c, a in content["category_attributes"]),
        num_crowds=content["num_crowds"],
        digest=bytes.fromhex(content["digest"]),
    )


def _without_files(value, files: list[bytes]):
    if isinstance(value, io.BytesIO):
        files.append(value.getvalue())
        return {_BYTES_KEY: len(files[-1])}
    if isinstance(value, dict):
        return {key: _without_files(part, files) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_files(part, files) for part in value]
    return value


def _with_files(value, files: io.BytesIO):
    if isinstance(value, dict):
        if value.keys() == {_BYTES_KEY}:
            return io.BytesIO(files.read(value[_BYTES_KEY]))
        return {key: _with_files(part, files) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_files(part, files) for part in value]
    return value
