"""What an interrupted run has done, kept in an SQLite file: the same command goes on from it.

A kill, whenever it comes, loses nothing that was put; a power cut the last entries at most.
"""

import contextlib
import sqlite3
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

_APPLICATION_ID = 0x74667367  # "tfsg": SQLite's own field for whose file it is
_CHECKPOINT_PAGES = 256  # of 4 KB: the file grows by a megabyte at a time


class Journal:
    """Bytes by key, in the order in which they were first put; use as a context manager.

    One process at a time: its folder is locked (folder_lock). A file of another program, kind or
    format number is told of in a line on stderr, removed, and begun anew.

    Args:
        path: Made where missing.
        kind: Whose journal it is, as "a build".
        format_number: Of what the values mean; raised where that changes.

    Raises:
        ValueError: It is damaged, or cannot be written.
    """

    def __init__(self, path: Path, kind: str, format_number: int):
        self._path = path
        self._about = kind, format_number
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._named_errors():
            self._database = self._open()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends it; the file stays."""
        with contextlib.suppress(sqlite3.Error):  # what a full disk did not take is made again
            self._database.close()

    def put(self, key: str, value: bytes) -> None:
        """Keeps a value, in place of an earlier one of the same key.

        Raises:
            ValueError: It cannot be written.
        """
        with self._named_errors():
            self._database.execute(
                "INSERT INTO entries (key, crc, value) VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET crc = excluded.crc, value = excluded.value",
                (key, _checksum(key, value), value),
            )

    def get(self, key: str) -> bytes | None:
        """Returns a key's value; None where there is none.

        Raises:
            ValueError: It is damaged.
        """
        with self._named_errors():
            select = "SELECT crc, value FROM entries WHERE key = ?"
            row = self._database.execute(select, (key,)).fetchone()
        if row is None:
            return None
        return self._checked(key, *row)

    def __getitem__(self, key: str) -> bytes:
        """Returns the value of a key that has one.

        Raises:
            ValueError: It is damaged.
        """
        value = self.get(key)
        if value is None:  # it is among the keys, but not in their index
            raise self._damaged(f"entry {key}")
        return value

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Reads everything, one by one.

        Raises:
            ValueError: An entry is damaged.
        """
        with self._named_errors():
            rows = self._database.execute("SELECT key, crc, value FROM entries ORDER BY rowid")
            for key, crc, value in rows:
                yield key, self._checked(key, crc, value)

    def keys(self) -> set[str]:
        """Returns the keys that have a value."""
        with self._named_errors():
            return {key for (key,) in self._database.execute("SELECT key FROM entries")}

    def clear(self) -> None:
        """Forgets everything."""
        with self._named_errors():
            self._database.execute("DELETE FROM entries")

    def _checked(self, key, crc, value) -> bytes:
        if not isinstance(value, bytes) or _checksum(str(key), value) != crc:
            raise self._damaged(f"entry {key}")
        return value

    def _open(self) -> sqlite3.Connection:
        database = _connect(self._path)
        found = _about(database)
        if found is not None and found != self._about:
            database.close()
            print(f"{self._path}: {_why_anew(found, self._about)}; beginning anew", file=sys.stderr)
            remove_journal(self._path)
            database, found = _connect(self._path), None
        if found is None:
            database.execute("BEGIN")
            database.execute("CREATE TABLE about (kind TEXT, format_number INTEGER)")
            database.execute("INSERT INTO about VALUES (?, ?)", self._about)
            database.execute(
                "CREATE TABLE entries (rowid INTEGER PRIMARY KEY, key TEXT UNIQUE, crc INTEGER, "
                "value BLOB)"
            )
            database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            database.execute("COMMIT")
        return database

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise ValueError(
                f"{self._path}: the journal of {self._about[0]} cannot be written ({error}); see "
                "that the disk has space and run the same command again."
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, what: str) -> ValueError:
        return ValueError(
            f"{self._path}: is damaged ({what}); remove the file and run the same command again."
        )


def remove_journal(path: Path) -> None:
    """Removes a journal and what SQLite may have beside it; no error where there is none."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    # Alone in the file: then the log needs no shared memory, which network disks do not have.
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    with contextlib.suppress(sqlite3.DatabaseError):  # another program's file: _about tells
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return database


def _about(database: sqlite3.Connection) -> tuple | None:
    """Returns (kind, format number); ("", 0) of another program's file; None of a new one."""
    try:
        (number,) = database.execute("PRAGMA application_id").fetchone()
        (num_tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if number == 0 and num_tables == 0:
            return None
        if number != _APPLICATION_ID:
            return "", 0
        return database.execute("SELECT kind, format_number FROM about").fetchone() or ("", 0)
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            return "", 0
        raise
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            return "", 0
        raise


def _why_anew(found: tuple, wanted: tuple) -> str:
    if found[0] != wanted[0]:
        return "is of an earlier version, or no journal"
    return f"has format {found[1]}, expected {wanted[1]}"


def _checksum(key: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key.encode("utf-8", "surrogatepass")))
