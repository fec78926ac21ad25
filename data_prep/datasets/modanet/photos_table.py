"""PaperDoll's table of photos: which post each one belongs to.

It is published as chictopia.sql.gz, a dump that `gunzip -c chictopia.sql.gz | sqlite3` unpacks;
either form is read.
"""

import gzip
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

_PHOTOS_STATEMENT = re.compile(
    r"""(CREATE TABLE|INSERT INTO)( IF NOT EXISTS)? ["'`]?photos["'`]?[ (]"""
)
_GZIP_MAGIC = b"\x1f\x8b"


def read_post_ids(path: Path, photo_ids: set[int]) -> dict[int, int | None]:
    """Looks up which post each photo belongs to.

    Args:
        path: chictopia.sqlite3 or chictopia.sql.gz.
        photo_ids: the ones wanted, of a million.

    Returns:
        post id by photo id; ids that are not in the table are left out.

    Raises:
        ValueError: It is neither, is damaged or has no table `photos`.
    """
    try:
        with closing(_connect(path)) as connection:
            _check_is_table(connection)
            rows = connection.execute("SELECT id, post_id FROM photos")
            return {photo_id: post_id for photo_id, post_id in rows if photo_id in photo_ids}
    except (sqlite3.Error, EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: cannot read its table `photos` ({error}); expected PaperDoll's "
            "chictopia.sqlite3, or chictopia.sql.gz, whole; get it again."
        ) from error


def _check_is_table(connection: sqlite3.Connection) -> None:
    """A view could yield rows without end; a virtual table runs what its name asks for."""
    found = connection.execute("SELECT type, sql FROM sqlite_master WHERE name = 'photos'")
    row = found.fetchone()
    if row is None:
        raise sqlite3.DatabaseError("no such table: photos")
    kind, made_by = row
    if kind != "table" or "VIRTUAL" in made_by[:20].upper():
        raise sqlite3.DatabaseError(f"photos is a {kind}, no plain table")


def _connect(path: Path) -> sqlite3.Connection:
    with path.open("rb") as file:
        is_dump = file.read(2) == _GZIP_MAGIC
    if is_dump:
        return _connect_dump(path)
    # immutable: reads without a lock file, which a read-only folder would not allow.
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True)


def _connect_dump(path: Path) -> sqlite3.Connection:
    """Loads the dump's table `photos`, no other, into a temporary file that SQLite removes."""
    connection = sqlite3.connect("", isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for statement in _photos_statements(lines):
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _photos_statements(lines: Iterable[str]) -> Iterator[str]:
    """Cuts out the statements; each begins a line, and a text in it may hold line ends."""
    statement, is_in_text = "", False
    for line in lines:
        if statement or (not is_in_text and _PHOTOS_STATEMENT.match(line)):
            statement += line
        is_in_text ^= line.count("'") % 2 == 1  # a quote within a text is written twice
        if statement and not is_in_text and sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement:
        raise EOFError("it ends within a statement")
