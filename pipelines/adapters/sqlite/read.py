"""Reading the embedded store: connections that cannot write, one a thread, each reading a snapshot."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from streamgauge.pipelines.ports import StoreBusy
from streamgauge.tracer.local.sqlite_file import explained, place_of


class Reader:
    """Snapshots of the store in `path`: what one `reading` sees does not change under it."""

    def __init__(self, path: str | Path, *, busy: float = 5.0) -> None:
        self._path, self._busy = Path(path).absolute(), busy
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, in one snapshot. Raises StoreBusy, or FileError for a file that cannot be read."""
        try:
            connection = self._connected()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            fault = explained(error, self._path)
            raise (StoreBusy(str(fault)) if fault.retryable else fault) from error

    def close(self) -> None:
        """Release the file. Call it when no thread reads any more."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
            self._local = threading.local()

    def _connected(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        place = place_of(self._path)
        if connection is not None and place != self._local.place:  # deleted or replaced: the new one is read
            self._forget(connection)
            connection = None
        if connection is None:
            # mode=rw, not ro: a reader of a write-ahead file takes part in its locks; query_only keeps it from writing
            address = f"file:{quote(str(self._path))}?mode=rw"
            connection = sqlite3.connect(
                address, uri=True, timeout=self._busy, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA query_only = 1")
            connection.execute("PRAGMA mmap_size = 268435456")
            with self._lock:
                self._open.append(connection)
            self._local.connection, self._local.place = connection, place
        return connection

    def _forget(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._open.remove(connection)
        self._local.connection = None
        connection.close()
