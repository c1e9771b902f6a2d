"""The embedded durable log: one SQLite file that several processes append to and read from, with no server.

Guarantee: what `send` and `commit` acknowledged survives `kill -9` of any process, is never duplicated and never half
there; with `sync="full"` it survives a power cut too (every transaction is then fsynced; `"normal"` fsyncs only at
checkpoints, so a power cut may take the last transactions, whole ones, from the end). A torn tail is cut off when the
file is next opened. An append from another process is noticed by `wait` in about 10 ms.

Every fault is a `tracer.transport.LogError`: locked or full for now (retryable); damaged, foreign or unwritable (not).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final, Literal

from streamgauge.tracer.local import rows as state_rows
from streamgauge.tracer.local.sqlite_file import FileError, Shape, Sync, explained, open_file
from streamgauge.tracer.transport import COMPACTED, LogError, Message, check_compacted

SPAN: Final = 1 << 40  # a message's id is topic x span + offset, so a topic is one range of one B-tree
_TRIM_SLICE: Final = 500  # messages deleted in one transaction, so that no producer waits long
_STEPS: Final = (0.001, 0.002, 0.004, 0.008, 0.016)  # seconds between looks of `wait`, then 20 ms
_SHAPE: Final = Shape(
    application=0x53474C31,  # "SGL1"
    version=1,
    schema=(
        "CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, next INTEGER NOT NULL)",
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, time REAL NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL)",
        "CREATE TABLE latest (topic INTEGER, key TEXT, id INTEGER NOT NULL, PRIMARY KEY (topic, key)) WITHOUT ROWID",
        "CREATE TABLE consumers (name TEXT PRIMARY KEY, state BLOB) WITHOUT ROWID",
        "CREATE TABLE offsets (consumer TEXT, topic TEXT, next INTEGER NOT NULL, PRIMARY KEY (consumer, topic))"
        " WITHOUT ROWID",
    ),
)
_open_logs: weakref.WeakSet[LocalLog] = weakref.WeakSet()
_held_for_fork: list[LocalLog] = []


class LocalLog:
    """A log in the file `path`, created if missing. Safe to share between threads and to carry across a fork.

    A file that can never be used is told here, one that is locked or full for now by the first call.

    Args:
        path: the file; its folder is made if that is missing (workers may start before the pipeline), not more.
        sync: `"normal"` or `"full"`, see the module.
        busy: seconds that a call waits for other processes' transactions before it raises a retryable LogError.
        max_bytes: bound on the file's size; beyond it `send` raises a retryable LogError until `trim` makes room.
        clock: wall time, stamped on messages for `trim_older`.
    """

    def __init__(
        self, path: str | Path, *, sync: Sync = "normal", busy: float = 5.0,
        max_bytes: int | None = None, clock: Callable[[], float] = time.time,
    ) -> None:
        if sync not in ("normal", "full"):
            raise ValueError(f"sync must be 'normal' or 'full', got {sync!r} (streamgauge.tracer.local.log)")
        self._path = Path(path).absolute()
        self._sync, self._busy, self._max_bytes, self._clock = sync, busy, max_bytes, clock
        self._changed = threading.Condition(threading.RLock())
        self._connection: sqlite3.Connection | None = None
        self._seen = threading.local()
        _close_before_fork()
        _open_logs.add(self)
        with suppress(OSError):  # the opening says it better
            self._path.parent.mkdir(exist_ok=True)
        try:
            self._connect()
        except LogError as error:
            if not error.retryable:
                raise

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Append (topic, key, value) in order, all or nothing, durable against `kill -9` when it returns."""
        if not messages:
            return
        now = self._clock()
        with self._transaction("IMMEDIATE") as connection:
            topics = {topic: _topic(connection, topic) for topic in dict.fromkeys(topic for topic, _, _ in messages)}
            rows = []
            for topic, key, value in messages:
                number, offset = topics[topic]
                rows.append((number * SPAN + offset, now, key, value))
                topics[topic] = (number, offset + 1)
            connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?)", rows)
            connection.executemany("UPDATE topics SET next = ?2 WHERE id = ?1", topics.values())
            for row, (topic, key, _) in zip(rows, messages, strict=True):
                if topic in COMPACTED:
                    _compact(connection, topics[topic][0], key, row[0])
        with self._changed:
            self._changed.notify_all()

    def logs(self, topic: str) -> Sequence[str]:
        """A topic is one log, under its own name."""
        return (topic,)

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages of a log from `offset` on; trimmed and compacted ones are skipped."""
        with self._transaction("DEFERRED") as connection:
            number = _number(connection, log)
            if number is None:
                return []
            base = number * SPAN
            rows = connection.execute(
                "SELECT id, key, value FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (base + max(offset, 0), base + SPAN, limit),
            ).fetchall()
        return [Message(log, key, value, row - base) for row, key, value in rows]

    def first(self, log: str) -> int:
        """The offset of the oldest message that is still there, `end` if there is none."""
        return self.bounds(log)[log][0]

    def end(self, log: str) -> int:
        """The offset that the next message of the log will have."""
        return self.bounds(log)[log][1]

    def bounds(self, topic: str) -> Mapping[str, tuple[int, int]]:
        """The offset of the oldest message that is still there, and `end`; equal where there is none."""
        with self._transaction("DEFERRED") as connection:
            return {topic: _bounds(connection, topic)}

    def wait(self, timeout: float) -> bool:
        """Wait until something was appended since this thread's last `wait` returned, at most `timeout` seconds.

        A consumer therefore waits, reads all its topics, and waits again, without missing anything; one that shares its
        thread with another takes a LocalLog of its own.
        """
        deadline = time.monotonic() + timeout
        seen: tuple[int, int] = getattr(self._seen, "version", (-1, 0))
        steps = iter(_STEPS)
        while True:
            version = self._version(seen)
            remaining = deadline - time.monotonic()
            if version[1] != seen[1] or remaining <= 0:
                self._seen.version = version
                return version[1] != seen[1]
            seen = version
            with self._changed:
                self._changed.wait(min(next(steps, 0.02), remaining))

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """The last value by key of a compacted topic, keys in order."""
        check_compacted(topic)
        with self._transaction("DEFERRED") as connection:
            rows = connection.execute(
                "SELECT l.key, m.value FROM latest l JOIN messages m ON m.id = l.id JOIN topics t ON t.id = l.topic"
                " WHERE t.name = ? AND length(m.value) > 0 ORDER BY l.key",
                (topic,),
            ).fetchall()
        return dict(rows)

    def commit(
        self, consumer: str, offsets: Mapping[str, int], state: bytes | None = None,
        rows: Mapping[tuple[str, str], bytes | None] | None = None,
    ) -> None:  # fmt: skip
        """Store a consumer's next offsets, its state and rows of it if given, in one transaction.

        Rows go by key and name; None takes one away, and those that are not named stay as they are.
        """
        with self._transaction("IMMEDIATE") as connection:
            connection.execute("INSERT OR IGNORE INTO consumers VALUES (?, NULL)", (consumer,))
            connection.executemany(
                "INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)",
                [(consumer, topic, offset) for topic, offset in sorted(offsets.items())],
            )
            if state is not None:
                connection.execute("UPDATE consumers SET state = ? WHERE name = ?", (state, consumer))
            if rows:
                state_rows.change(connection, consumer, rows)

    def committed(self, consumer: str) -> tuple[dict[str, int], bytes | None]:
        """What `commit` stored last for this consumer."""
        with self._transaction("DEFERRED") as connection:
            state = connection.execute("SELECT state FROM consumers WHERE name = ?", (consumer,)).fetchone()
            rows = connection.execute("SELECT topic, next FROM offsets WHERE consumer = ? ORDER BY topic", (consumer,))
            return dict(rows.fetchall()), state[0] if state else None

    def rows(self, consumer: str, key: str) -> Sequence[tuple[str, bytes]]:
        """The rows of one key that `commit` stored, by name."""
        with self._transaction("DEFERRED") as connection:
            return state_rows.of_key(connection, consumer, key)

    def trim(self, topic: str, before: int) -> int:
        """Delete the messages of a topic with an offset below `before`, in slices; returns how many went.

        A consumer that had not read them skips them, as on any log with a retention.
        """
        if topic in COMPACTED:
            raise LogError(f"topic {topic!r} is compacted, not trimmed: an empty value removes a key", retryable=False)
        with self._transaction("DEFERRED") as connection:
            number = _number(connection, topic)
        return 0 if number is None else self._delete(number, before, float("inf"))

    def trim_older(self, than: float) -> int:
        """Delete what was appended before the wall time `than` from every topic that is not compacted."""
        with self._transaction("DEFERRED") as connection:
            topics = connection.execute("SELECT id, name FROM topics ORDER BY id").fetchall()
        return sum(self._delete(number, SPAN, than) for number, name in topics if name not in COMPACTED)

    def close(self) -> None:
        """Release the file. A closed log opens again when it is used."""
        with self._changed:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> None:
        with self._changed, self._faults():
            self._connected()

    @contextmanager
    def _transaction(self, mode: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[sqlite3.Connection]:
        """A transaction on this process's connection; every fault leaves it as LogError."""
        with self._changed, self._faults():
            connection = self._connected()
            connection.execute(f"BEGIN {mode}")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

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
        if self._connection is None:
            self._connection = open_file(
                self._path, _SHAPE, sync=self._sync, busy=self._busy, max_bytes=self._max_bytes
            )
        return self._connection

    def _version(self, seen: tuple[int, int]) -> tuple[int, int]:
        """(a number that changes with the file, messages so far); the second is looked up only if the first changed."""
        with self._changed, self._faults():
            connection = self._connected()
            # data_version tells of other connections' writes, total_changes of this one's
            number = int(connection.execute("PRAGMA data_version").fetchone()[0]) + connection.total_changes * SPAN
            if number == seen[0]:
                return seen
            total = connection.execute("SELECT coalesce(sum(next), 0) FROM topics").fetchone()
            return number, int(total[0])

    def _delete(self, topic: int, before: int, than: float) -> int:
        """Delete from the topic's old end while offset < before and time < than."""
        base, deleted = topic * SPAN, 0
        while True:
            with self._transaction("IMMEDIATE") as connection:
                rows = connection.execute(
                    "SELECT id, time FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                    (base, base + before, _TRIM_SLICE),
                ).fetchall()
                kept = next((row for row, time_ in rows if time_ >= than), None)
                end = kept if kept is not None else rows[-1][0] + 1 if rows else base
                deleted += connection.execute("DELETE FROM messages WHERE id >= ? AND id < ?", (base, end)).rowcount
            if kept is not None or len(rows) < _TRIM_SLICE:
                self._shrink()
                return deleted

    def _shrink(self) -> None:
        """Give free pages at the file's end back, a bounded number: the rest is reused anyway."""
        with self._changed, self._faults():
            self._connected().execute(f"PRAGMA incremental_vacuum({_TRIM_SLICE})").fetchall()


def _number(connection: sqlite3.Connection, topic: str) -> int | None:
    row = connection.execute("SELECT id FROM topics WHERE name = ?", (topic,)).fetchone()
    return int(row[0]) if row else None


def _bounds(connection: sqlite3.Connection, topic: str) -> tuple[int, int]:
    """(offset of the oldest message that is still there, of the next one); equal where there is none."""
    row = connection.execute("SELECT id, next FROM topics WHERE name = ?", (topic,)).fetchone()
    if row is None:
        return 0, 0
    base, end = row[0] * SPAN, int(row[1])
    oldest = "SELECT min(id) FROM messages WHERE id >= ? AND id < ?"
    first = connection.execute(oldest, (base, base + SPAN)).fetchone()[0]
    return (end if first is None else int(first) - base), end


def _topic(connection: sqlite3.Connection, topic: str) -> tuple[int, int]:
    """(number, next offset) of a topic, which is made if it is new."""
    connection.execute("INSERT OR IGNORE INTO topics (name, next) VALUES (?, 0)", (topic,))
    number, offset = connection.execute("SELECT id, next FROM topics WHERE name = ?", (topic,)).fetchone()
    return int(number), int(offset)


def _compact(connection: sqlite3.Connection, topic: int, key: str, message: int) -> None:
    """Make `message` the only one of its key."""
    old = connection.execute("SELECT id FROM latest WHERE topic = ? AND key = ?", (topic, key)).fetchone()
    if old is not None:
        connection.execute("DELETE FROM messages WHERE id = ?", old)
    connection.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?)", (topic, key, message))


@cache
def _close_before_fork() -> None:
    """SQLite keeps its file locks in the process's memory, so a connection may not cross a fork: close, open later."""
    os.register_at_fork(before=_hold_all, after_in_parent=_release_all, after_in_child=_renew_all)


def _hold_all() -> None:
    _held_for_fork.extend(_open_logs)
    for log in _held_for_fork:
        log._changed.acquire()
        log.close()


def _release_all() -> None:
    for log in _held_for_fork:
        log._changed.release()
    _held_for_fork.clear()


def _renew_all() -> None:
    for log in _held_for_fork:
        log._changed = threading.Condition(threading.RLock())  # the old one may have waiters that did not cross
        log._seen = threading.local()
    _held_for_fork.clear()
