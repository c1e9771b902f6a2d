"""One SQLite file of ours: open it, make sure that it is ours, and say in words what is wrong with it.

Every fault is a FileError: `fault` is one of the `Fault` words, `retryable` says whether waiting can help.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Fault = Literal["busy", "full", "damaged", "foreign", "newer", "unwritable", "failing", "crowded", "failed", "replaced"]
Sync = Literal["normal", "full"]

PAGE_BYTES: Final = 4096
_WORDS: Final[dict[int, tuple[str, Fault]]] = {  # by SQLite's code: its message, and what it is to us
    5: ("database is locked", "busy"),
    6: ("database table is locked", "busy"),
    15: ("locking protocol", "busy"),
    13: ("database or disk is full", "full"),
    10: ("disk I/O error", "failing"),  # a quota, a limit or a disk that is away: no record's fault
    11: ("database disk image is malformed", "damaged"),
    26: ("file is not a database", "damaged"),
    14: ("unable to open database file", "unwritable"),
    8: ("attempt to write a readonly database", "unwritable"),
    3: ("access permission denied", "unwritable"),
    23: ("not authorized", "unwritable"),
}
_REMEDIES: Final[dict[Fault, str]] = {
    "busy": "another process holds it; try again",
    "full": "free disk space, or raise its size limit or shorten its retention",
    "damaged": "stop what uses it, move it (with its -wal and -shm) away, and start again with a new one or a copy",
    "foreign": "give another path",
    "newer": "upgrade Streamgauge, or move it away and start again with a new one",
    "unwritable": "its folder must exist and be writable for this user",
    "failing": "look at the disk and its quotas; it is tried again",
    "crowded": "this process has no file left to open; raise its limit (ulimit -n); it is tried again",
    "failed": "see the cause",
    "replaced": "start the pipeline again, it begins with what is there now",
}


class Shape(NamedTuple):
    """What makes a file ours: SQLite's application_id, the version of its tables, how to make them, and the way up."""

    application: int
    version: int
    schema: tuple[str, ...]
    steps: Mapping[int, tuple[str, ...]] = MappingProxyType({})  # by version: what makes its tables the next one's


class FileError(Exception):
    """A file of ours could not be used; the message names the file and the remedy."""

    def __init__(self, fault: Fault, path: Path, cause: str) -> None:
        super().__init__(f"{path}: {cause} ({fault}); {_REMEDIES[fault]}")
        self.fault: Fault = fault
        self.retryable = fault in ("busy", "full", "failing", "crowded")


def explained(error: sqlite3.Error, path: Path) -> FileError:
    """What SQLite's error means for the one who runs the program."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        found = _WORDS.get(code & 0xFF, ("", "failed"))[1]
    else:  # before Python 3.11 there is only the message
        found = next((fault for message, fault in _WORDS.values() if str(error).startswith(message)), "failed")
    return FileError("crowded" if found == "unwritable" and _is_crowded() else found, path, str(error))


def _is_crowded() -> bool:
    """Whether this process may open no file more; SQLite says that as it says that a folder is missing."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


def open_file(path: Path, shape: Shape, *, sync: Sync, busy: float, max_bytes: int | None = None) -> sqlite3.Connection:
    """A connection in write-ahead mode that any thread may use (one at a time), its tables made if the file is new.

    `max_bytes` bounds the size of the file; more is a `full` fault. Raises FileError.
    """
    deadline = time.monotonic() + busy
    while True:
        try:
            return _opened(path, shape, sync, busy, max_bytes)
        except sqlite3.Error as error:
            fault = explained(error, path)
            # Two processes that make the same file at once meet here: switching to write-ahead mode does not wait.
            if fault.fault != "busy" or time.monotonic() >= deadline:
                raise fault from error
            time.sleep(0.01)
        except UnicodeDecodeError as error:  # Python reads SQLite's message, which names a table that is no text
            raise FileError("damaged", path, "its tables have names that are no text") from error


def place_of(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one under the same name; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def beside(path: Path) -> dict[Path, tuple[int, int] | None]:
    """What lies beside an open file, and belongs to it alone: its write-ahead file and the index of that."""
    return {side: place_of(side) for side in (path.with_name(path.name + end) for end in ("-wal", "-shm"))}


def take_away(left: dict[Path, tuple[int, int] | None]) -> None:
    """Remove what lay beside a file that was deleted or replaced: SQLite would take it for the new one's."""
    for side, place in left.items():
        if place is not None and place_of(side) == place:
            side.unlink(missing_ok=True)


def read_only(path: Path, shape: Shape) -> sqlite3.Connection:
    """A connection that needs no room on the disk: its index of the write-ahead file lies in memory.

    So no other process can use the file meanwhile: close it soon. Raises FileError, or sqlite3.Error.
    """
    connection = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # before the first look: then no shared memory is made
        connection.execute("PRAGMA query_only = 1")
        _check_ours(connection, path, shape)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(path: Path, shape: Shape, sync: Sync, busy: float, max_bytes: int | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=False)
    try:
        if _is_new(connection):  # on one that has tables `auto_vacuum` is written again at each opening: room, a lock
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _check_ours(connection, path, shape)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {sync}")
        connection.execute("PRAGMA temp_store = MEMORY")  # sorting opens no file, which may be the one too many
        connection.execute("PRAGMA journal_size_limit = 67108864")
        if max_bytes is not None:
            connection.execute(f"PRAGMA max_page_count = {max(max_bytes // PAGE_BYTES, 1)}")
        _make_tables(connection, shape)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection) -> bool:
    """Whether nobody has made a table in it."""
    return not any(_pragma(connection, name) for name in ("application_id", "user_version", "schema_version"))


def _check_ours(connection: sqlite3.Connection, path: Path, shape: Shape) -> None:
    if _is_new(connection):
        return
    application = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    if application != shape.application:
        raise FileError("foreign", path, "this is a database of another program")
    if version > shape.version:
        raise FileError("newer", path, f"its tables have version {version}, this program knows {shape.version}")


def _make_tables(connection: sqlite3.Connection, shape: Shape) -> None:
    """Make the tables, or those of an older release into this one's; another process may be doing the same."""
    if not _missing(connection, shape):
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in _missing(connection, shape):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {shape.application}")
    connection.execute(f"PRAGMA user_version = {shape.version}")
    connection.execute("COMMIT")


def _missing(connection: sqlite3.Connection, shape: Shape) -> tuple[str, ...]:
    """The statements between what the file holds and its shape."""
    if _pragma(connection, "application_id") != shape.application:
        return shape.schema
    version = _pragma(connection, "user_version")
    return tuple(statement for before in range(version, shape.version) for statement in shape.steps[before])


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
