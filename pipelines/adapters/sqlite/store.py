"""The embedded store: what the operators and the pager emit, in one SQLite file with one writer.

A batch is one transaction. Writing it again changes nothing: every record has an identity, an older revision (of
points, scores, profiles) or number (of anomalies, counters) never overwrites a newer one, and rollups are made again
from the points of the buckets that a batch touched, never added to. NaN is stored as NULL: unknown.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from streamgauge.anomaly.types import Anomaly, Decision, Notification, Score
from streamgauge.pipelines.adapters.sqlite.checks import counted_row_of, crcs, newest_of, row_of, teach
from streamgauge.pipelines.adapters.sqlite.retention import Purge
from streamgauge.pipelines.adapters.sqlite.rollups import Rollups
from streamgauge.pipelines.adapters.sqlite.schema import FIELDS, SHAPE, TABLES
from streamgauge.pipelines.adapters.stores.answers import part_place
from streamgauge.pipelines.config.schema import Retention
from streamgauge.pipelines.ports import StoreBusy, Stored
from streamgauge.pipelines.wire.by_keys import ByKeys
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter, PointColumns, Profiles
from streamgauge.tracer.local.sqlite_file import (
    FileError,
    Sync,
    beside,
    explained,
    open_file,
    place_of,
    take_away,
)

_NUMBER_BYTES: Final = 40  # of a series' number in a list
_DEAD_BYTES: Final = 65_536  # of a dead letter's bytes that are kept
_encode: Final = msgspec.msgpack.Encoder().encode


_POINT: Final = newest_of("points", "revision", counted_row_of("points"))
_SCORE: Final = newest_of("scores", "revision")
_BREAKDOWN: Final = newest_of("breakdowns", "revision")
_ANOMALY: Final = newest_of("anomalies", "number")
_COUNTERS: Final = newest_of("counters", "time")  # numbers begin anew with a job's state
_PROFILES: Final = newest_of("profiles", "revision")
_DECISION: Final = f"INSERT OR REPLACE INTO {row_of('decisions')}"
_NOTIFICATION: Final = f"INSERT OR REPLACE INTO {row_of('notifications')}"
_CHANGE: Final = f"INSERT OR IGNORE INTO {row_of('changes')}"
_DEAD_LETTER: Final = f"INSERT OR IGNORE INTO {row_of('dead_letters')}"
_SERIES: Final = (
    f"INSERT INTO {row_of('series')} ON CONFLICT ({', '.join(TABLES['series'].identity)})"
    " DO UPDATE SET window = excluded.window, crc = excluded.crc WHERE window != excluded.window"
)


class SqliteStore:
    """The `Store` port on the file `path`, created if missing. One thread of one process writes.

    Args:
        path: the file; its folder must exist.
        retention: how long what is kept, by each job's own clock, and how large the file may grow.
        sync: `"normal"` survives `kill -9`, `"full"` also a power cut.
        busy: seconds to wait for a lock before StoreBusy.
    """

    def __init__(
        self, path: str | Path, *, retention: Retention | None = None, sync: Sync = "normal", busy: float = 5.0
    ) -> None:
        self._path = Path(path).absolute()
        self._keep, self._sync, self._busy = retention or Retention(), sync, busy
        self._series = ByKeys[tuple[str, str, bytes], list[int]]()
        self._open()

    def _open(self) -> None:
        with self._faults():
            # `purge` holds the file to max_bytes; twice that is the wall it never passes, even between two purges.
            most = 2 * self._keep.max_bytes
            self._connection = open_file(self._path, SHAPE, sync=self._sync, busy=self._busy, max_bytes=most)
            teach(self._connection)
            self._connection.execute("PRAGMA cache_size = -65536")
            self._connection.execute("PRAGMA wal_autocheckpoint = 8000")
            self._rollups = Rollups(self._connection)
            self.identity = _identity(self._connection)
            self._place, self._beside = place_of(self._path), beside(self._path)
        self._purge = Purge(self._connection, self._keep, self._rollups)

    def write(self, records: Iterable[Stored]) -> None:
        """Write all, in one transaction. Raises StoreBusy when the caller should keep them and try again.

        Where the file was deleted or replaced, what is there now is written to; `identity` tells.
        """
        if place_of(self._path) != self._place:
            self._connection.close()
            take_away(self._beside)
            self._series.clear()
            self._open()
        with self._transaction():
            for record in records:
                _WRITERS[type(record)](self, record)
            self._rollups.refresh()

    def purge(self, seconds: float = 0.05) -> bool:
        """Forget what is older than its retention, working for about `seconds`; True if there is more to forget.

        Call it when there is nothing to write. Raises StoreBusy as `write` does.
        """
        with self._transaction():
            return self._purge.step(seconds)

    def health(self) -> dict[str, Any]:
        """Nothing: what is written is where it belongs."""
        return {}

    @property
    def held_bytes(self) -> int:
        """Of numbers of series, beside what SQLite keeps of the file. Any thread may ask."""
        return self._series.bytes

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._faults():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._series.clear()  # it may name series that the rollback takes away
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self._rollups.reload()
                self._purge.reset()
                raise

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            fault = explained(error, self._path)
            raise (StoreBusy(str(fault)) if fault.retryable else fault) from error
        except FileError as fault:
            raise (StoreBusy(str(fault)) if fault.retryable else fault) from fault

    def _points(self, record: PointColumns) -> None:
        if not self._rollups.touch(record.job, record.window, record.end):
            return  # from before the horizon: its rollups are all there is, and they know more than this replay
        ids, columns = self._ids(record), [record.column(name) for name in FIELDS]
        same = [np.full(len(ids), value) for value in (record.end, record.start, record.revision)]
        checks = crcs([np.asarray(ids), *same[:2], *columns, same[2]])
        rows = zip(
            ids, repeat(record.end), repeat(record.start), *(column.tolist() for column in columns),
            repeat(record.revision), checks,
        )  # fmt: skip
        self._connection.executemany(_POINT, rows)

    def _ids(self, record: PointColumns) -> list[int]:
        """The series numbers of a record's keys; new series get one."""
        cached = (record.job, record.window, record.keys)
        ids = self._series.get(cached)
        if ids is None:
            keys = [(record.job, record.window, *key) for key in msgspec.msgpack.decode(record.keys)]
            self._connection.executemany(_SERIES, keys)
            labels = "job = ?1 AND worker = ?3 AND domain = ?4 AND entity = ?5 AND metric = ?6"
            find = f"SELECT id FROM series WHERE {labels}"
            ids = [self._connection.execute(find, key).fetchone()[0] for key in keys]
            self._series.keep(cached, ids, len(record.keys) + _NUMBER_BYTES * len(ids))
        return ids

    def _score(self, score: Score) -> None:
        identity = (score.job, score.domain, score.end)
        fields = (score.start, score.micropoints, score.coverage, score.cap, score.revision)
        self._connection.execute(_SCORE, identity + fields)
        self._connection.execute(_BREAKDOWN, (*identity, score.revision, _encode(score.parts)))

    def _anomaly(self, anomaly: Anomaly) -> None:
        identity = (anomaly.job, anomaly.fingerprint, anomaly.start)
        self._connection.execute(_ANOMALY, (*identity, anomaly.time, anomaly.end, anomaly.number, _encode(anomaly)))

    def _decision(self, decision: Decision) -> None:
        reason = decision.reason
        row = (
            decision.job, decision.alert.episode, decision.time, decision.state, reason.decision, reason.root,
            decision.notification, _encode(decision),
        )  # fmt: skip
        self._connection.execute(_DECISION, row)

    def _notification(self, sent: Notification) -> None:
        row = (sent.id, sent.status, sent.time, sent.job, sent.root.episode, _encode(sent))
        self._connection.execute(_NOTIFICATION, row)

    def _change(self, change: Change) -> None:
        row = (change.job, change.time, change.name, change.worker, change.text)
        self._connection.execute(_CHANGE, row)

    def _counters(self, counters: Counters) -> None:
        row = (counters.job, counters.number, counters.time, _encode(counters.counts))
        self._connection.execute(_COUNTERS, row)

    def _dead_letter(self, dead: DeadLetter) -> None:
        row = (
            dead.identity, dead.reason, dead.text, dead.topic, dead.key, len(dead.data), dead.data[:_DEAD_BYTES],
        )  # fmt: skip
        self._connection.execute(_DEAD_LETTER, row)

    def _profiles(self, profiles: Profiles) -> None:
        identity = (profiles.job, profiles.worker, part_place(profiles.window, profiles.part), profiles.end)
        row = (*identity, profiles.start, profiles.revision, _encode(profiles.sketches))
        self._connection.execute(_PROFILES, row)


def _identity(connection: sqlite3.Connection) -> str:
    """What tells this store from every other, given to it once; a table that other releases do not look at."""
    connection.execute("CREATE TABLE IF NOT EXISTS identity (value TEXT NOT NULL)")
    found = connection.execute("SELECT value FROM identity").fetchone()
    if found is None:  # written only once: a store opens while it is locked or has no room
        connection.execute("INSERT INTO identity VALUES (?)", (uuid.uuid4().hex,))
        found = connection.execute("SELECT value FROM identity").fetchone()
    return str(found[0])


_WRITERS: Final[dict[type[Any], Callable[[SqliteStore, Any], None]]] = {
    PointColumns: SqliteStore._points,
    Score: SqliteStore._score,
    Anomaly: SqliteStore._anomaly,
    Decision: SqliteStore._decision,
    Notification: SqliteStore._notification,
    Change: SqliteStore._change,
    Counters: SqliteStore._counters,
    DeadLetter: SqliteStore._dead_letter,
    Profiles: SqliteStore._profiles,
}
