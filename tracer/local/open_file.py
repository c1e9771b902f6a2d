"""The log's file as one process has it open: a connection that its threads share, opened anew behind a fork."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from streamgauge.tracer.local import forks, tables
from streamgauge.tracer.local.sqlite_file import FileError, Sync, explained, open_file, place_of, read_only
from streamgauge.tracer.transport import LogError

_log = logging.getLogger(__name__)


class OpenFile:
    """One connection for all threads of a process; `changed` guards it, and is notified of what was appended here.

    `seen` holds what each thread's `wait` saw last. A file that was deleted or replaced under an open connection takes
    what is written into nowhere: one who `follows` goes on in the new one, for the others that is a fault.
    """

    def __init__(self, path: Path, *, sync: Sync, busy: float, max_bytes: int | None, follows: bool) -> None:
        self._path, self._sync, self._busy, self._max_bytes = path, sync, busy, max_bytes
        self._follows, self._place = follows, place_of(path)
        self.changed = threading.Condition(threading.RLock())
        self.seen = threading.local()
        self._connection: sqlite3.Connection | None = None
        forks.register(self)

    def connect(self) -> None:
        """Open the file, if it is not open."""
        with self.used():
            pass

    @contextmanager
    def used(self) -> Iterator[sqlite3.Connection]:
        """The connection, outside of a transaction; every fault leaves it as LogError."""
        with self.changed, self._faults():
            yield self._connected()

    @contextmanager
    def transaction(self, mode: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[sqlite3.Connection]:
        """A transaction on this process's connection; every fault leaves it as LogError."""
        with self.changed, self._faults():
            connection = self._connected() if mode == "IMMEDIATE" else self._readable()
            connection.execute(f"BEGIN {mode}")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if connection is not self._connection:
                    connection.close()

    def close(self) -> None:
        """Release the file; its next use opens it again."""
        with self.changed:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def hold(self) -> None:
        """Before a fork (see `forks`)."""
        self.changed.acquire()
        self.close()

    def release(self) -> None:
        """Behind it, in the parent."""
        self.changed.release()

    def renew(self) -> None:
        """Behind it, in the child."""
        self.changed = threading.Condition(threading.RLock())  # the old one may have waiters that did not cross
        self.seen = threading.local()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except FileError as fault:
            raise LogError(str(fault), retryable=fault.retryable) from fault
        except sqlite3.Error as error:
            cause = explained(error, self._path)
            raise LogError(str(cause), retryable=cause.retryable) from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and place_of(self._path) != self._place:
            if not self._follows:
                raise FileError("replaced", self._path, "it was deleted or replaced while it was in use")
            _log.warning("%s was deleted or replaced; what comes from now on goes into the new one", self._path)
            self.close()
        if self._connection is None:
            self._connection = open_file(
                self._path, tables.SHAPE, sync=self._sync, busy=self._busy, max_bytes=self._max_bytes
            )
            self._place = place_of(self._path)
        return self._connection

    def _readable(self) -> sqlite3.Connection:
        """The connection; on a disk too full for what SQLite makes beside the file, one that only reads, for once."""
        try:
            return self._connected()
        except FileError as fault:
            if fault.fault not in ("full", "failing") or not self._path.exists() or not self._path.stat().st_size:
                raise  # one that has just been made has no tables to read
            return read_only(self._path, tables.SHAPE)
