"""Damages raw data sets at random, in the ways that files, networks and hands damage them."""

import random
import re
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[random.Random, Path], None]

_NUMBER = re.compile(rb"(?<=[:\[, ])-?\d+(?:\.\d+)?")
_STRANGE_VALUES = (
    *(b"NaN", b"Infinity", b"-Infinity", b"-7", b"0", b"1e308", b"3.5", b"1" + b"0" * 400),
    *(b"9223372036854775808", b"16777216", b"null", b"true", b'"text"', b"[]", b"{}", b"[[]]"),
)
_STRANGE_CELLS = (
    *(b"NaN", b"", b"-3", b"0", b"1e308", b"9" * 400, b"3.5", b"inf", b"\x00", b"\xff\xfe"),
    *(b'"', b"1 2 3", b"0 5", b"-1 5", b"5 0", b"a b", b"10 5 3 5", b"7_x", b"99", b"6_999999999"),
)


def cut_short(rng: random.Random, path: Path) -> None:
    contents = path.read_bytes()
    path.write_bytes(contents[: rng.randrange(1, max(2, len(contents)))])


def empty(rng: random.Random, path: Path) -> None:
    path.write_bytes(b"")


def flip_bytes(rng: random.Random, path: Path) -> None:
    contents = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 3, 50])):
        contents[rng.randrange(len(contents))] ^= rng.randrange(1, 256)
    path.write_bytes(contents)


def something_else(rng: random.Random, path: Path) -> None:
    contents = (
        *(b"<html><body>Not found</body></html>", b"\x00" * 5000, b"[" * 200_000, b"{}", b"[]"),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n",
        rng.randbytes(3000),
    )
    path.write_bytes(rng.choice(contents))


def missing(rng: random.Random, path: Path) -> None:
    path.unlink()


def a_folder(rng: random.Random, path: Path) -> None:
    path.unlink()
    path.mkdir()


def strange_value(rng: random.Random, path: Path) -> None:
    """Of a json: one number becomes something else."""
    contents = path.read_bytes()
    found = rng.choice(list(_NUMBER.finditer(contents)))
    path.write_bytes(
        contents[: found.start()] + rng.choice(_STRANGE_VALUES) + contents[found.end() :]
    )


def without_a_key(rng: random.Random, path: Path) -> None:
    """Of a json: one key is called otherwise."""
    contents = path.read_bytes()
    found = rng.choice(list(re.finditer(rb'"\w+":', contents)))
    path.write_bytes(contents[: found.start()] + b'"other":' + contents[found.end() :])


def strange_cell(rng: random.Random, path: Path) -> None:
    """Of a csv: one cell of one row becomes something else."""
    lines = path.read_bytes().splitlines(keepends=True)
    row = rng.randrange(1, len(lines))
    cells = lines[row].rstrip(b"\n").split(b",")
    cells[rng.randrange(len(cells))] = rng.choice(_STRANGE_CELLS)
    lines[row] = b",".join(cells) + b"\n"
    path.write_bytes(b"".join(lines))


def wrong_columns(rng: random.Random, path: Path) -> None:
    """Of a csv: columns in another order, one too few, one too many, other separators."""
    rows = [line.split(b",") for line in path.read_bytes().splitlines()]
    how = rng.choice(["order", "fewer", "more", "separator", "no header", "names"])
    if how == "order":
        order = rng.sample(range(5), 5)
        order = order if order != sorted(order) else order[::-1]
        rows = [[row[i] for i in order] for row in rows]
    elif how == "fewer":
        gone = rng.randrange(5)
        rows = [row[:gone] + row[gone + 1 :] for row in rows]
    elif how == "more":
        rows = [[b"0", *row] for row in rows]
    elif how == "no header":
        rows = rows[1:]
    elif how == "names":
        rows[0] = [name.lower() for name in rows[0]]
    separator = b";" if how == "separator" else b","
    path.write_bytes(b"\n".join(map(separator.join, rows)) + b"\n")


def huge_picture(rng: random.Random, path: Path) -> None:
    """A PNG whose head says that it has billions of pixels."""
    import struct
    import zlib

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(999))), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        parts += [struct.pack(">I", len(body)), kind, body, checksum]
    path.write_bytes(b"".join(parts))


ANY_FILE = (cut_short, empty, flip_bytes, flip_bytes, something_else, missing, a_folder)
OF_SUFFIX: dict[str, tuple[Damage, ...]] = {
    ".json": (*ANY_FILE, *([strange_value] * 6), *([without_a_key] * 3)),
    ".csv": (*ANY_FILE, *([strange_cell] * 5), *([wrong_columns] * 3)),
    ".jpg": (*ANY_FILE, huge_picture),
    ".png": (*ANY_FILE, huge_picture),
    ".mdb": (*ANY_FILE, *([flip_bytes] * 5)),
    ".gz": ANY_FILE,
    ".sqlite3": ANY_FILE,
}


_WEIGHTS = {".json": 4, ".csv": 8, ".mdb": 4}  # photos are the same everywhere


def damage_a_file(rng: random.Random, raw_dir: Path) -> tuple[Path, str]:
    """Damages one file, of a kind that has much to go wrong more often.

    Returns:
        The file and the damage's name.
    """
    by_suffix: dict[str, list[Path]] = {}
    for path in sorted(raw_dir.rglob("*")):
        if path.is_file() and path.suffix in OF_SUFFIX and path.name != "lock.mdb":
            by_suffix.setdefault(path.suffix, []).append(path)
    suffix = rng.choice([s for s in sorted(by_suffix) for _ in range(_WEIGHTS.get(s, 1))])
    path = rng.choice(by_suffix[suffix])
    damage = rng.choice(OF_SUFFIX[suffix])
    damage(rng, path)
    return path, damage.__name__
