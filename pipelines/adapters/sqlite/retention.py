"""What the store forgets, and when: by each job's own clock, series by series, in slices of a few milliseconds.

A level is kept for its retention; points of a window that closes less often than a rollup's bucket are that rollup, and
are kept as long. When the file is larger than it may be, the raw points are shortened first, then 10 s, 60 s, profiles
and hours, by halves.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from typing import Final

from streamgauge.pipelines.adapters.sqlite.rollups import Rollups, Window
from streamgauge.pipelines.adapters.sqlite.schema import ROLLUPS, levels
from streamgauge.pipelines.config.schema import HOUR, Retention

_ROWS: Final = 500  # rows that one statement deletes
_DEAD_LETTERS: Final = 10_000  # newest ones kept: they carry no time
_SHORTEST: Final = 1 / 64  # of its retention, before the next level is shortened too
_ORDER: Final = ("points", "r10", "r60", "profiles", "r3600")
_RECORDS: Final = (("scores", "ts"), ("breakdowns", "ts"), ("anomalies", "time"), ("decisions", "time"),
                   ("notifications", "time"), ("changes", "time"))  # fmt: skip
_Statement = tuple[str, tuple[object, ...]]


class Purge:
    """One pass over everything that is too old after another; a pass goes on where the last step stopped."""

    def __init__(self, connection: sqlite3.Connection, retention: Retention, rollups: Rollups) -> None:
        self._connection, self._retention, self._rollups = connection, retention, rollups
        self._share = dict.fromkeys(_ORDER, 1.0)  # of its retention that a level is given
        self._done: dict[tuple[str, str], dict[str, float]] = {}  # horizons of the last pass
        self._pass: Iterator[_Statement] = iter(())
        self._current: _Statement | None = None
        self._identities: dict[str, str] = {}  # the columns of a table's primary key

    def step(self, seconds: float) -> bool:
        """Delete for about `seconds` within the caller's transaction; True if there is more to do."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            statement = self._current or next(self._pass, None)
            if statement is not None:
                deleted = self._connection.execute(*statement).rowcount
                self._current = statement if deleted == _ROWS else None
            elif not self._begin():
                self._give_back()
                return False
        return True

    def reset(self) -> None:
        """Start again with a full pass, after a transaction was rolled back."""
        self._done, self._pass, self._current = {}, iter(()), None

    def _begin(self) -> bool:
        """Start a pass; False if nothing has become too old since the last one and the file is small enough."""
        self._shorten()
        horizons = {key: self._horizons(window) for key, window in self._rollups.windows.items()}
        due = {key: at for key, at in horizons.items() if at != self._done.get(key)}
        if not due:
            return False
        for key, at in due.items():  # told before the first deletion, so that no rollup is made from half a bucket
            window = self._rollups.windows[key]
            self._rollups.set(*key, window._replace(horizon=max(window.horizon, at["points"])))
        self._done |= due
        self._pass = self._statements(due)
        return True

    def _horizons(self, window: Window) -> dict[str, float]:
        """Up to when each level of a window goes, at the end of an hour so that no bucket is cut."""
        keep = {name: getattr(self._retention, name) for name in ROLLUPS}
        own = [keep[name] for name in ROLLUPS if window.step and name not in levels(window.step)]
        keep["points"] = max([self._retention.raw, *own])
        keep["profiles"] = self._retention.profiles
        shortened = {name: keep[name] * self._share[name] for name in _ORDER} | {"records": self._retention.records}
        return {name: math.floor((window.newest - length) / HOUR) * HOUR for name, length in shortened.items()}

    def _statements(self, due: dict[tuple[str, str], dict[str, float]]) -> Iterator[_Statement]:
        for (job, window), at in due.items():
            for table in ("points", *ROLLUPS):
                is_old = f"EXISTS (SELECT 1 FROM {table} WHERE sid = s.id AND ts <= ?)"
                old = f"SELECT id FROM series s WHERE job = ? AND window = ? AND {is_old}"
                for (sid,) in self._connection.execute(old, (job, window, at[table])).fetchall():
                    yield self._delete(table, "ts", "sid = ?", (sid,), at[table])
        for job in dict.fromkeys(job for job, _ in due):
            at = max((at for (name, _), at in due.items() if name == job), key=lambda at: at["records"])
            yield self._delete("profiles", "ts", "job = ?", (job,), at["profiles"])
            for table, column in _RECORDS:
                yield self._delete(table, column, "job = ?", (job,), at["records"])
        yield (
            "DELETE FROM dead_letters WHERE rowid IN (SELECT rowid FROM dead_letters WHERE rowid <="
            f" (SELECT max(rowid) FROM dead_letters) - {_DEAD_LETTERS} LIMIT {_ROWS})",
            (),
        )

    def _delete(self, table: str, column: str, where: str, arguments: tuple[object, ...], horizon: float) -> _Statement:
        """A statement that deletes at most `_ROWS` rows up to the horizon."""
        if table not in self._identities:
            key = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
            columns = self._connection.execute(key, (table,))
            self._identities[table] = ", ".join(name for (name,) in columns)
        key = self._identities[table]
        old = f"SELECT {key} FROM {table} WHERE {where} AND {column} <= ? LIMIT {_ROWS}"
        return f"DELETE FROM {table} WHERE ({key}) IN ({old})", (*arguments, horizon)

    def _shorten(self) -> None:
        """Halve the retention of the first level that can still be shortened, if the file is too large."""
        if self._used() > self._retention.max_bytes:
            level = next((name for name in _ORDER if self._share[name] > _SHORTEST), None)
            if level is not None:
                self._share[level] /= 2

    def _used(self) -> int:
        pages, free, size = (self._pragma(name) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def _give_back(self) -> None:
        """Return free pages to the disk, a bounded number at a time; a quarter of the file is kept for what comes."""
        if self._pragma("freelist_count") > self._pragma("page_count") // 4:
            self._connection.execute("PRAGMA incremental_vacuum(500)").fetchall()

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
