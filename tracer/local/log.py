"""The embedded durable log: one SQLite file that several processes append to and read from, with no server.

Guarantee: what `send` and `commit` acknowledged survives `kill -9` of any process, is never duplicated and never half
there; with `sync="full"` it survives a power cut too (every transaction is then fsynced; `"normal"` fsyncs only at
checkpoints, so a power cut may take the last transactions, whole ones, from the end). A torn tail is cut off when the
file is next opened. An append from another process is noticed by `wait` in about 10 ms.

Every fault is a `tracer.transport.LogError`: locked or full for now (retryable); damaged, foreign or unwritable (not).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from streamgauge.tracer.local import forks, tables
from streamgauge.tracer.local import rows as state_rows
from streamgauge.tracer.local.sqlite_file import FileError, Sync, explained, open_file, read_only
from streamgauge.tracer.transport import COMPACTED, LogError, Message, check_compacted

_TRIM_SLICE: Final = 500  # messages deleted in one transaction, so that no producer waits long
_STEPS: Final = (0.001, 0.002, 0.004, 0.008, 0.016)  # seconds between looks of `wait`, then 20 ms


class LocalLog:
    """A log in the file `path`, created if missing. Safe to share between threads and to carry across a fork.

    A file that can never be used is told here, one that is locked or full for now by the first call.

    Args:
        path: the file; its folder is made if that is missing (workers may start before the pipeline), not more.
        sync: `"normal"` or `"full"`, see the module.
        busy: seconds that a call waits for other processes' transactions before it raises a retryable LogError.
        max_bytes: bound on the file's size; beyond it `send` raises a retryable LogError until `trim` makes room.
        clock: wall time, stamped on messages for `trim_older`.
        heeds: whether `send` keeps to the limit that the file's pipeline has set; the pipeline itself does not.
    """

    def __init__(
        self, path: str | Path, *, sync: Sync = "normal", busy: float = 5.0,
        max_bytes: int | None = None, clock: Callable[[], float] = time.time, heeds: bool = True,
    ) -> None:
        if sync not in ("normal", "full"):
            raise ValueError(f"sync must be 'normal' or 'full', got {sync!r} (streamgauge.tracer.local.log)")
        self._path = Path(path).absolute()
        self._sync, self._busy, self._max_bytes, self._clock, self._heeds = sync, busy, max_bytes, clock, heeds
        self._changed = threading.Condition(threading.RLock())
        self._connection: sqlite3.Connection | None = None
        self._seen = threading.local()
        forks.register(self)
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
            self._heed(connection)
            topics = {topic: tables.topic(connection, topic) for topic in dict.fromkeys(one[0] for one in messages)}
            rows = []
            for topic, key, value in messages:
                number, offset = topics[topic]
                rows.append((number * tables.SPAN + offset, now, key, value))
                topics[topic] = (number, offset + 1)
            connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?)", rows)
            connection.executemany("UPDATE topics SET next = ?2 WHERE id = ?1", topics.values())
            for row, (topic, key, _) in zip(rows, messages, strict=True):
                if topic in COMPACTED:
                    tables.compact(connection, topics[topic][0], key, row[0])
        with self._changed:
            self._changed.notify_all()

    def logs(self, topic: str) -> Sequence[str]:
        """A topic is one log, under its own name."""
        return (topic,)

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages of a log from `offset` on; trimmed and compacted ones are skipped."""
        with self._transaction("DEFERRED") as connection:
            number = tables.number(connection, log)
            if number is None:
                return []
            base = number * tables.SPAN
            rows = connection.execute(
                "SELECT id, key, value FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (base + max(offset, 0), base + tables.SPAN, limit),
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
            return {topic: tables.bounds(connection, topic)}

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

    def value_of(self, topic: str, key: str) -> bytes | None:
        """The last value of one key of a compacted topic; its cost does not grow with the other keys."""
        check_compacted(topic)
        with self._transaction("DEFERRED") as connection:
            row = connection.execute(
                "SELECT m.value FROM topics t JOIN latest l ON l.topic = t.id JOIN messages m ON m.id = l.id"
                " WHERE t.name = ? AND l.key = ?",
                (topic, key),
            ).fetchone()
        return bytes(row[0]) if row and row[0] else None

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
            number = tables.number(connection, topic)
        return 0 if number is None else self._delete(number, before, float("inf"))

    def trim_older(self, than: float) -> int:
        """Delete what was appended before the wall time `than` from every topic that is not compacted."""
        with self._transaction("DEFERRED") as connection:
            topics = connection.execute("SELECT id, name FROM topics ORDER BY id").fetchall()
        return sum(self._delete(number, tables.SPAN, than) for number, name in topics if name not in COMPACTED)

    def limit(self, size: int) -> None:
        """Let all who heed it send nothing while the file holds more than `size` bytes."""
        self.commit(tables.LIMIT, {}, b"%d" % size)

    def consumers(self) -> list[str]:
        """The names of all who ever committed offsets."""
        with self._transaction("DEFERRED") as connection:
            found = connection.execute("SELECT DISTINCT consumer FROM offsets ORDER BY consumer").fetchall()
        return [name for (name,) in found]

    def used(self) -> int:
        """Bytes of the file that hold something."""
        with self._transaction("DEFERRED") as connection:
            return tables.used(connection)

    def trim_to(self, size: int, gone: Collection[str] = ()) -> int:
        """Delete the oldest messages that all consumers have committed until at most `size` bytes are used; how many.

        `gone` are consumers that nobody waits for any more. Less is deleted where the rest is unread.
        """
        deleted = 0
        while self.used() > size:
            with self._transaction("DEFERRED") as connection:
                oldest = tables.oldest_read(connection, gone)
            if oldest is None:
                break
            deleted += self._delete_slice(*oldest, float("inf"))[0]
        if deleted:
            self._shrink()
        return deleted

    def close(self) -> None:
        """Release the file. A closed log opens again when it is used."""
        with self._changed:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def hold(self) -> None:
        """Before a fork (see `forks`)."""
        self._changed.acquire()
        self.close()

    def release(self) -> None:
        """Behind it, in the parent."""
        self._changed.release()

    def renew(self) -> None:
        """Behind it, in the child."""
        self._changed = threading.Condition(threading.RLock())  # the old one may have waiters that did not cross
        self._seen = threading.local()

    def _connect(self) -> None:
        with self._changed, self._faults():
            self._connected()

    @contextmanager
    def _transaction(self, mode: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[sqlite3.Connection]:
        """A transaction on this process's connection; every fault leaves it as LogError."""
        with self._changed, self._faults():
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
                self._path, tables.SHAPE, sync=self._sync, busy=self._busy, max_bytes=self._max_bytes
            )
        return self._connection

    def _readable(self) -> sqlite3.Connection:
        """The connection; on a disk too full for what SQLite makes beside the file, one that only reads, for once."""
        try:
            return self._connected()
        except FileError as fault:
            if fault.fault not in ("full", "failing") or not self._path.exists():
                raise
            return read_only(self._path, tables.SHAPE)

    def _version(self, seen: tuple[int, int]) -> tuple[int, int]:
        """(a number that changes with the file, messages so far); the second is looked up only if the first changed."""
        with self._changed, self._faults():
            connection = self._connected()
            # data_version tells of other connections' writes, total_changes of this one's
            number = int(connection.execute("PRAGMA data_version").fetchone()[0])
            number += connection.total_changes * tables.SPAN
            if number == seen[0]:
                return seen
            total = connection.execute("SELECT coalesce(sum(next), 0) FROM topics").fetchone()
            return number, int(total[0])

    def _delete(self, topic: int, before: int, than: float) -> int:
        """Delete from the topic's old end while offset < before and time < than."""
        deleted, is_done = 0, False
        while not is_done:
            some, is_done = self._delete_slice(topic, before, than)
            deleted += some
        self._shrink()
        return deleted

    def _delete_slice(self, topic: int, before: int, than: float) -> tuple[int, bool]:
        """A bounded number of the same; how many went, and whether there are no more."""
        base = topic * tables.SPAN
        with self._transaction("IMMEDIATE") as connection:
            rows = connection.execute(
                "SELECT id, time FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (base, base + before, _TRIM_SLICE),
            ).fetchall()
            kept = next((row for row, time_ in rows if time_ >= than), None)
            end = kept if kept is not None else rows[-1][0] + 1 if rows else base
            deleted = connection.execute("DELETE FROM messages WHERE id >= ? AND id < ?", (base, end)).rowcount
        return deleted, kept is not None or len(rows) < _TRIM_SLICE

    def _heed(self, connection: sqlite3.Connection) -> None:
        if not self._heeds:
            return
        limit, used = tables.limit(connection), tables.used(connection)
        if limit is not None and used > limit:
            text = f"it holds {used} bytes, and takes no more than {limit} until they are read ([retention] log_bytes)"
            raise FileError("full", self._path, text)

    def _shrink(self) -> None:
        """Give free pages at the file's end back, a bounded number: the rest is reused anyway."""
        with self._changed, self._faults():
            self._connected().execute(f"PRAGMA incremental_vacuum({_TRIM_SLICE})").fetchall()
