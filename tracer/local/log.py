"""The embedded durable log: one SQLite file that several processes append to and read from, with no server.

Guarantee: what `send` and `commit` acknowledged survives `kill -9` of any process, is never duplicated and never half
there; with `sync="full"` it survives a power cut too (every transaction is then fsynced; `"normal"` fsyncs only at
checkpoints, so a power cut may take the last transactions, whole ones, from the end). A torn tail is cut off when the
file is next opened. An append from another process is noticed by `wait` in about 10 ms.

Every fault is a `tracer.transport.LogError`: locked or full for now (retryable); damaged, foreign or unwritable (not).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from streamgauge.tracer.local import consumers, tables
from streamgauge.tracer.local import rows as state_rows
from streamgauge.tracer.local.open_file import OpenFile
from streamgauge.tracer.local.sqlite_file import FileError, Sync
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
        heeds: whether `send` keeps to the limit that the file's pipeline has set, and goes on in a file that took the
            place of this one; the pipeline itself does neither: its state was in the old one.
    """

    def __init__(
        self, path: str | Path, *, sync: Sync = "normal", busy: float = 5.0,
        max_bytes: int | None = None, clock: Callable[[], float] = time.time, heeds: bool = True,
    ) -> None:
        if sync not in ("normal", "full"):
            raise ValueError(f"sync must be 'normal' or 'full', got {sync!r} (streamgauge.tracer.local.log)")
        self._path = Path(path).absolute()
        self._clock, self._heeds = clock, heeds
        with suppress(OSError):  # the opening says it better
            self._path.parent.mkdir(exist_ok=True)
        self._file = OpenFile(self._path, sync=sync, busy=busy, max_bytes=max_bytes, follows=heeds)
        try:
            self._file.connect()
        except LogError as error:
            if not error.retryable:
                raise

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Append (topic, key, value) in order, all or nothing, durable against `kill -9` when it returns."""
        if not messages:
            return
        now = self._clock()
        with self._file.transaction("IMMEDIATE") as connection:
            self._heed(connection)
            topics = {topic: tables.topic(connection, topic) for topic in dict.fromkeys(one[0] for one in messages)}
            rows = []
            for topic, key, value in messages:
                number, offset = topics[topic]
                rows.append((number * tables.SPAN + offset, now, key, value))
                topics[topic] = (number, offset + 1)
            connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?)", rows)
            connection.executemany("UPDATE topics SET next = ?2 WHERE id = ?1", topics.values())
            for row, (topic, key, _) in zip(rows, messages):
                if topic in COMPACTED:
                    tables.compact(connection, topics[topic][0], key, row[0])
        with self._file.changed:
            self._file.changed.notify_all()

    def logs(self, topic: str) -> Sequence[str]:
        """A topic is one log, under its own name."""
        return (topic,)

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages of a log from `offset` on; trimmed and compacted ones are skipped."""
        with self._file.transaction("DEFERRED") as connection:
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
        with self._file.transaction("DEFERRED") as connection:
            return {topic: tables.bounds(connection, topic)}

    def wait(self, timeout: float) -> bool:
        """Wait until something was appended since this thread's last `wait` returned, at most `timeout` seconds.

        A consumer therefore waits, reads all its topics, and waits again, without missing anything; one that shares its
        thread with another takes a LocalLog of its own.
        """
        deadline = time.monotonic() + timeout
        seen: tuple[int, int] = getattr(self._file.seen, "version", (-1, 0))
        steps = iter(_STEPS)
        while True:
            version = self._version(seen)
            remaining = deadline - time.monotonic()
            if version[1] != seen[1] or remaining <= 0:
                self._file.seen.version = version
                return version[1] != seen[1]
            seen = version
            with self._file.changed:
                self._file.changed.wait(min(next(steps, 0.02), remaining))

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """The last value by key of a compacted topic, keys in order."""
        check_compacted(topic)
        with self._file.transaction("DEFERRED") as connection:
            return tables.latest(connection, topic)

    def value_of(self, topic: str, key: str) -> bytes | None:
        """The last value of one key of a compacted topic; its cost does not grow with the other keys."""
        check_compacted(topic)
        with self._file.transaction("DEFERRED") as connection:
            return tables.value_of(connection, topic, key)

    def commit(
        self, consumer: str, offsets: Mapping[str, int], state: bytes | None = None,
        rows: Mapping[tuple[str, str], bytes | None] | None = None,
    ) -> None:  # fmt: skip
        """Store a consumer's next offsets, its state and rows of it if given, in one transaction.

        Rows go by key and name; None takes one away, and those that are not named stay as they are.
        """
        with self._file.transaction("IMMEDIATE") as connection:
            consumers.commit(connection, consumer, offsets, state)
            if rows:
                state_rows.change(connection, consumer, rows)

    def committed(self, consumer: str) -> tuple[dict[str, int], bytes | None]:
        """What `commit` stored last for this consumer."""
        with self._file.transaction("DEFERRED") as connection:
            return consumers.committed(connection, consumer)

    def rows(self, consumer: str, key: str) -> Sequence[tuple[str, bytes]]:
        """The rows of one key that `commit` stored, by name."""
        with self._file.transaction("DEFERRED") as connection:
            return state_rows.of_key(connection, consumer, key)

    def trim(self, topic: str, before: int) -> int:
        """Delete the messages of a topic with an offset below `before`, in slices; returns how many went.

        A consumer that had not read them skips them, as on any log with a retention.
        """
        if topic in COMPACTED:
            raise LogError(f"topic {topic!r} is compacted, not trimmed: an empty value removes a key", retryable=False)
        with self._file.transaction("DEFERRED") as connection:
            number = tables.number(connection, topic)
        return 0 if number is None else self._delete(number, before, float("inf"))

    def trim_older(self, than: float) -> int:
        """Delete what was appended before the wall time `than` from every topic that is not compacted."""
        with self._file.transaction("DEFERRED") as connection:
            topics = connection.execute("SELECT id, name FROM topics ORDER BY id").fetchall()
        return sum(self._delete(number, tables.SPAN, than) for number, name in topics if name not in COMPACTED)

    def limit(self, size: int) -> None:
        """Let all who heed it send nothing while the file holds more than `size` bytes."""
        self.commit(consumers.LIMIT, {}, b"%d" % size)

    def consumers(self) -> list[str]:
        """The names of all who ever committed offsets."""
        with self._file.transaction("DEFERRED") as connection:
            return consumers.names(connection)

    def used(self) -> int:
        """Bytes of the file that hold something."""
        with self._file.transaction("DEFERRED") as connection:
            return tables.used(connection)

    def trim_to(self, size: int, gone: Collection[str] = ()) -> int:
        """Delete the oldest messages that all consumers have committed until at most `size` bytes are used; how many.

        `gone` are consumers that nobody waits for any more. Less is deleted where the rest is unread.
        """
        deleted = 0
        while self.used() > size:
            with self._file.transaction("DEFERRED") as connection:
                oldest = consumers.oldest_read(connection, gone)
            if oldest is None:
                break
            deleted += self._delete_slice(*oldest, float("inf"))[0]
        if deleted:
            self._shrink()
        return deleted

    def close(self) -> None:
        """Release the file. A closed log opens again when it is used."""
        self._file.close()

    def _version(self, seen: tuple[int, int]) -> tuple[int, int]:
        """(a number that changes with the file, messages so far); the second is looked up only if the first changed."""
        with self._file.used() as connection:
            # data_version tells of other connections' writes, total_changes of this one's
            number = int(connection.execute("PRAGMA data_version").fetchone()[0])
            number += connection.total_changes * tables.SPAN
            return seen if number == seen[0] else (number, tables.total(connection))

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
        with self._file.transaction("IMMEDIATE") as connection:
            return tables.delete_oldest(connection, topic, before, than, _TRIM_SLICE)

    def _heed(self, connection: sqlite3.Connection) -> None:
        if not self._heeds:
            return
        limit, used = consumers.limit(connection), tables.used(connection)
        if limit is not None and used > limit:
            text = f"it holds {used} bytes, and takes no more than {limit} until they are read ([retention] log_bytes)"
            raise FileError("full", self._path, text)

    def _shrink(self) -> None:
        """Give free pages at the file's end back, a bounded number: the rest is reused anyway."""
        with self._file.used() as connection:
            connection.execute(f"PRAGMA incremental_vacuum({_TRIM_SLICE})").fetchall()
