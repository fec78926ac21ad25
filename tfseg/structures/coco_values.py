"""Values of COCO jsons as tools write them: ids as text or 3.0, `iscrowd` as "0" or true.

Format: https://cocodataset.org/#format-data
"""

import codecs
import json
import re
from pathlib import Path
from typing import Any

_WHOLE_NUMBER = re.compile(r"\s*(-?[0-9]{1,18})(\.0+)?\s*")
_CROWD_WORDS = {"0": False, "1": True, "false": False, "true": True, "": False, "none": False}


def whole_number(value: Any) -> int | None:
    """Reads an id: 7, 7.0 or "7"; None for anything else, or beyond 62 bits."""
    if isinstance(value, str) and (found := _WHOLE_NUMBER.fullmatch(value)):
        value = int(found[1])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_id = isinstance(value, int) and not isinstance(value, bool) and -(2**62) < value < 2**62
    return value if is_id else None


def known_whole_number(value: Any) -> int:
    """Reads an id of a file whose ids have been checked.

    Raises:
        ValueError: It is none.
    """
    number = whole_number(value)
    if number is None:
        raise ValueError(f"got {value!r} as an id, expected a whole number")
    return number


def is_crowd(annotation: dict) -> bool:
    """Reads `iscrowd`: 0, 1, a boolean, either as text; nothing is no crowd.

    Raises:
        ValueError: It is anything else.
    """
    value = annotation.get("iscrowd")
    word = str(value).strip().lower().removesuffix(".0")
    if word not in _CROWD_WORDS:
        raise ValueError(f"has iscrowd {str(value)[:40]!r}, expected 0 or 1")
    return _CROWD_WORDS[word]


def mark_length(start: bytes) -> int:
    """Returns the length of UTF-8's byte order mark that a file begins with, which may be 0.

    Windows' editors write it; it is no damage.

    Raises:
        ValueError: It is UTF-16's.
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError(
            "is UTF-16 text, expected UTF-8; save it as UTF-8, as with "
            "`iconv -f UTF-16 -t UTF-8 OLD > NEW`"
        )
    return len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0


def read_json(path: str | Path) -> Any:
    """Reads a whole json file, with or without a byte order mark.

    Raises:
        OSError: It cannot be read.
        ValueError: It is UTF-16, or no json.
    """
    encoded = Path(path).read_bytes()
    try:
        return json.loads(encoded[mark_length(encoded) :].decode("utf-8"))
    except RecursionError:
        raise ValueError("is nested too deep") from None
