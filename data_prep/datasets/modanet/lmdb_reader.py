"""Reads an LMDB file's values by key, safely whatever bytes the file has.

LMDB's own library trusts its file and maps it into memory: one flipped byte in a page can make it
read outside the file, which kills the process without a word. Here every page, offset and length
is checked, and nothing is mapped. Format: lib/mdb.c of https://github.com/LMDB/lmdb, version 1.
"""

import os
import struct
from pathlib import Path
from typing import NamedTuple

_MAGIC, _FORMAT_VERSION = 0xBEEFC0DE, 1
_PAGE_HEAD = struct.Struct("<QHHHH")  # its number, -, flags, end of offsets, start of nodes
_HEAD_BYTES = 16
_OVERFLOW_PAGES = struct.Struct("<I")  # where an overflow page has lower and upper, 12 bytes in
_META = struct.Struct("<IIQQ 48s IHHQQQQQ QQ")
_NODE = struct.Struct("<HHHH")  # low and high half of the value's size, flags, size of the key
_BRANCH, _LEAF, _OVERFLOW, _META_PAGE = 1, 2, 4, 8  # page flags
_KINDS = _BRANCH | _LEAF | _OVERFLOW | _META_PAGE
_BIG_VALUE = 1  # node flag: the value lies in overflow pages
_NO_PAGE = 2**64 - 1
_MAX_CACHED_PAGES = 512


class LmdbDamage(ValueError):
    """A part of the file that is not what it should be; others may still be read."""


class _Meta(NamedTuple):
    page_bytes: int
    depth: int
    root: int
    last_page: int
    transaction: int


class LmdbReader:
    """The values of an LMDB file's main database.

    Args:
        path: of data.mdb.

    Raises:
        ValueError: The file is no LMDB, of another version, or cut short.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file = path.open("rb", buffering=0)
        try:
            self._meta = self._read_meta()
        except ValueError:
            self._file.close()
            raise
        self._pages: dict[int, bytes] = {}  # branches, which most look-ups share

    def get(self, key: bytes) -> bytes | None:
        """Gives a key's value; None where it is not there.

        Raises:
            LmdbDamage: A page on the way to it is damaged.
        """
        number = self._meta.root
        if number == _NO_PAGE:
            return None
        for _ in range(self._meta.depth):
            page, kind = self._tree_page(number)
            nodes = _node_offsets(page)
            if kind == _LEAF:
                return self._value(page, nodes, key)
            number = _child(page, nodes, key)
        raise LmdbDamage(f"no leaf within {self._meta.depth} pages of the root")

    def _read_meta(self) -> _Meta:
        """The later of the two meta pages that is whole."""
        head = os.pread(self._file.fileno(), 1 << 17, 0)
        metas = [_parsed_meta(head, 0)]
        page_sizes = [metas[0].page_bytes] if metas[0] else [2**k for k in range(9, 17)]
        metas += [_parsed_meta(head, size) for size in page_sizes]
        found = [meta for meta in metas if meta is not None]
        if not found:
            raise ValueError(
                f"{self._path}: not an LMDB of version {_FORMAT_VERSION}, or a damaged one; "
                "expected PaperDoll's photos.lmdb, get it again."
            )
        meta = max(found, key=lambda meta: meta.transaction)
        expected = (meta.last_page + 1) * meta.page_bytes
        got = self._path.stat().st_size
        if got < expected:
            raise ValueError(
                f"{self._path}: cut short, got {got} bytes, expected {expected}; get it again."
            )
        return meta

    def _read_pages(self, number: int, num_bytes: int) -> bytes:
        if not 2 <= number <= self._meta.last_page:
            raise LmdbDamage(f"page {number} of {self._meta.last_page + 1}")
        start = number * self._meta.page_bytes
        pages = os.pread(self._file.fileno(), num_bytes, start)
        if len(pages) != num_bytes:
            raise LmdbDamage(f"page {number} passes the end of the file")
        if _PAGE_HEAD.unpack_from(pages)[0] != number:
            raise LmdbDamage(f"page {number} has another page's number")
        return pages

    def _tree_page(self, number: int) -> tuple[bytes, int]:
        page = self._pages.get(number)
        if page is None:
            page = self._read_pages(number, self._meta.page_bytes)
        kind = _PAGE_HEAD.unpack_from(page)[2] & _KINDS
        if kind not in (_BRANCH, _LEAF):
            raise LmdbDamage(f"page {number} is neither branch nor leaf")
        if kind == _BRANCH and number not in self._pages:
            if len(self._pages) >= _MAX_CACHED_PAGES:
                self._pages.clear()
            self._pages[number] = page
        return page, kind

    def _value(self, page: bytes, nodes: tuple[int, ...], key: bytes) -> bytes | None:
        index = _last_not_above(page, nodes, key, first=0)
        if index < 0 or _key(page, nodes[index]) != key:
            return None
        node = nodes[index]
        low, high, flags, key_bytes = _NODE.unpack_from(page, node)
        start, num_bytes = node + _NODE.size + key_bytes, low | high << 16
        if not flags & _BIG_VALUE:
            value = page[start : start + num_bytes]
            if len(value) != num_bytes:
                raise LmdbDamage("a value passes the end of its page")
            return value
        if start + 8 > len(page):
            raise LmdbDamage("a value's page number passes the end of its page")
        return self._big_value(int.from_bytes(page[start : start + 8], "little"), num_bytes)

    def _big_value(self, number: int, num_bytes: int) -> bytes:
        page_bytes = self._meta.page_bytes
        num_pages = -(-(_HEAD_BYTES + num_bytes) // page_bytes)
        if number + num_pages - 1 > self._meta.last_page:
            raise LmdbDamage("a value passes the end of the file")
        pages = self._read_pages(number, _HEAD_BYTES + num_bytes)
        is_overflow = _PAGE_HEAD.unpack_from(pages)[2] & _KINDS == _OVERFLOW
        if not is_overflow or _OVERFLOW_PAGES.unpack_from(pages, 12)[0] != num_pages:
            raise LmdbDamage(f"page {number} does not begin a value of {num_bytes} bytes")
        return pages[_HEAD_BYTES:]


def _parsed_meta(head: bytes, start: int) -> _Meta | None:
    if len(head) < start + _HEAD_BYTES + _META.size:
        return None
    fields = _META.unpack_from(head, start + _HEAD_BYTES)
    magic, version, _, _, free_pages = fields[:5]
    _, _, depth, _, _, _, _, root, last_page, transaction = fields[5:]
    (page_bytes,) = struct.unpack_from("<I", free_pages)  # LMDB keeps it in this database's pad
    is_meta = _PAGE_HEAD.unpack_from(head, start)[2] & _KINDS == _META_PAGE
    is_sound = page_bytes in (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536) and depth < 64
    is_sound = is_sound and (root == _NO_PAGE or 2 <= root <= last_page)
    if not is_meta or (magic, version) != (_MAGIC, _FORMAT_VERSION) or not is_sound:
        return None
    return _Meta(page_bytes, depth, root, last_page, transaction)


def _node_offsets(page: bytes) -> tuple[int, ...]:
    lower = _PAGE_HEAD.unpack_from(page)[3]
    num_nodes = (lower - _HEAD_BYTES) // 2
    if num_nodes < 1 or lower > len(page):
        raise LmdbDamage("a page without nodes")
    return struct.unpack_from(f"<{num_nodes}H", page, _HEAD_BYTES)


def _key(page: bytes, node: int) -> bytes:
    if node + _NODE.size > len(page):
        raise LmdbDamage("a node passes the end of its page")
    key_bytes = _NODE.unpack_from(page, node)[3]
    key = page[node + _NODE.size : node + _NODE.size + key_bytes]
    if len(key) != key_bytes:
        raise LmdbDamage("a key passes the end of its page")
    return key


def _child(page: bytes, nodes: tuple[int, ...], key: bytes) -> int:
    # The first key of a branch stands for everything below the second.
    node = nodes[_last_not_above(page, nodes, key, first=1)]
    if node + _NODE.size > len(page):
        raise LmdbDamage("a node passes the end of its page")
    low, high, top, _ = _NODE.unpack_from(page, node)
    return low | high << 16 | top << 32


def _last_not_above(page: bytes, nodes: tuple[int, ...], key: bytes, first: int) -> int:
    """Index of the last of the nodes from `first` on whose key is not above; first - 1: none."""
    low, high = first, len(nodes)
    while low < high:
        middle = (low + high) // 2
        if _key(page, nodes[middle]) <= key:
            low = middle + 1
        else:
            high = middle
    return low - 1
