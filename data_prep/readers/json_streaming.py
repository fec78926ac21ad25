"""The elements of the lists at a json file's top level, one at a time, and where each lies.

COCO's jsons are a hundred megabytes and more; a window of the file is held, not the file.
"""

import codecs
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tfseg.structures.coco_values import mark_length

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
_ENDS = tuple(" \t\n\r,:]}")  # what may follow a value
_READ_BYTES = 1 << 20
_CUT_SHORT = "the file may be cut short, download it again."


class Element(NamedTuple):
    """One element of a list, or the list's beginning.

    Attributes:
        key: of the list.
        position: in the list from 0; None: the list begins.
        value: parsed.
        start: first byte in the file.
        num_bytes: of the element's text.
    """

    key: str
    position: int | None
    value: Any = None
    start: int = 0
    num_bytes: int = 0


def list_elements(path: Path, keys: Collection[str]) -> Iterator[Element]:
    """Walks the file; lists of other keys are checked and passed over.

    Args:
        path: a json object, UTF-8.
        keys: whose values are lists.

    Raises:
        ValueError: It is not such a file; the message names it.
    """
    with path.open("rb") as file:
        window = _Window(path, file)
        window.expect_object()
        while window.peek() != "}":
            key, _, _ = window.decode()
            window.expect(":")
            if key not in keys:
                window.decode()
            elif window.peek() != "[":
                raise ValueError(f"{path}: not a COCO json: '{key}' is not a list.")
            else:
                yield Element(key, None)
                yield from _elements(window, key)
            if window.peek() != "}":
                window.expect(",")
        window.expect("}")
        window.expect_end()


def _elements(window: "_Window", key: str) -> Iterator[Element]:
    window.expect("[")
    index = 0
    while window.peek() != "]":
        yield Element(key, index, *window.decode())
        index += 1
        if window.peek() != "]":
            window.expect(",")
    window.expect("]")


class _Window:
    """A part of the file as text; it moves on, and grows where an element needs it."""

    def __init__(self, path: Path, file):
        self._path = path
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._position = 0  # in the text
        self._passed_bytes = self._byte_order_mark()  # of the file, before the position
        self._passed_characters = 0
        self._is_whole = False  # nothing of the file is left

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            space = _SPACE.match(self._text, self._position)
            self._pass(space.end() if space else self._position)
            if self._position < len(self._text) or not self._grow():
                return self._text[self._position : self._position + 1]

    def _byte_order_mark(self) -> int:
        """Passes over UTF-8's mark; returns its bytes."""
        try:
            length = mark_length(self._file.read(len(codecs.BOM_UTF8)))
        except ValueError as error:
            raise ValueError(f"{self._path}: {error}.") from None
        self._file.seek(length)
        return length

    def _next_text(self) -> str:
        return repr(self._text[self._position : self._position + 20])

    def expect_object(self) -> None:
        """Passes over the brace that the file begins with; says what it begins with instead."""
        first = self.peek()
        if first == "[":
            raise ValueError(
                f"{self._path}: is a list, as results of a detector are; expected an object with "
                "the lists images, annotations and categories: the ground truth's json."
            )
        if first == "":
            raise ValueError(f"{self._path}: is empty, expected a COCO json; get it again.")
        if first != "{":
            raise ValueError(
                f"{self._path}: not a json: it begins with {self._next_text()}, expected '{{'; see "
                "what was downloaded."
            )
        self.expect("{")

    def expect_end(self) -> None:
        """Finds what follows the json's last brace: of two jsons in one file, one was lost."""
        if self.peek():
            raise ValueError(
                f"{self._path}: goes on after the json's end (character "
                f"{self._passed_characters}): got {self._next_text()}, expected nothing; take it "
                "out, or make one json of the two."
            )

    def expect(self, character: str) -> None:
        """Passes over a character that has to be there."""
        if self.peek() != character:
            raise ValueError(
                f"{self._path}: not valid json at character {self._passed_characters}: got "
                f"{self._next_text()}, expected '{character}'; {_CUT_SHORT}"
            )
        self._pass(self._position + 1)

    def decode(self) -> tuple[Any, int, int]:
        """Passes over a value: it, its first byte, and its bytes."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._position)
            except RecursionError:
                raise ValueError(f"{self._path}: not valid json (nested too deep).") from None
            except ValueError as error:
                behind = getattr(error, "pos", self._position) - self._position
                if not self._grow():
                    raise self._not_valid(error, behind) from error
                continue
            # A number at the window's end may go on behind it: 12 of 12.5.
            if self._text[end : end + 1] in _ENDS or not self._grow():
                start = self._passed_bytes
                self._pass(end)
                return value, start, self._passed_bytes - start

    def _not_valid(self, error: ValueError, behind: int) -> ValueError:
        """The error of a value that is none, `behind` characters from where it begins."""
        got = self._text[self._position + behind :][:20]
        is_cut = not got.strip() or str(error).startswith("Unterminated")
        advice = _CUT_SHORT if is_cut else f"got {got!r}; see what wrote it."
        return ValueError(f"{self._path}: not valid json ({error}); {advice}")

    def _pass(self, position: int) -> None:
        passed = self._text[self._position : position]
        self._passed_bytes += len(passed) if passed.isascii() else len(passed.encode())
        self._passed_characters += len(passed)
        self._position = position

    def _grow(self) -> bool:
        """Drops what was passed and reads on; False where nothing is left."""
        if self._is_whole:
            return False
        self._text = self._text[self._position :]
        self._position = 0
        # As much again as there is: an element of any size is tried a few times only.
        read = self._file.read(max(_READ_BYTES, len(self._text)))
        self._is_whole = not read
        try:
            self._text += self._decoder.decode(read, final=self._is_whole)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{self._path}: not a text file ({error}), expected a COCO json."
            ) from error
        return not self._is_whole
