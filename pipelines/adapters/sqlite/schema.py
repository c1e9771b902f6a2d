"""The tables of the embedded store, and which levels of detail a series has.

A point's `ts` is the end of its window; a rollup's is the end of its bucket (ts - length, ts]. Reals keep every bit of
a float64 (whole numbers take 1 to 6 bytes), and clustering by (series, ts) makes a chart one range of one B-tree.
Each row carries a checksum (`checks.py`); those that a release before version 2 wrote have none.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from streamgauge.tracer.local.sqlite_file import Shape

ROLLUPS: Final[dict[str, float]] = {"r10": 10.0, "r60": 60.0, "r3600": 3600.0}  # table: seconds of a bucket
FIELDS: Final = ("value", "rows", "error", "floor", "reference", "low", "high")


class Table(NamedTuple):
    """A table: its columns with their types, those that say what a row is about, and its key beside the checksum."""

    columns: dict[str, str]
    identity: tuple[str, ...]
    key: str
    options: str

    def statement(self, name: str) -> str:
        """What makes it."""
        columns = ", ".join(f"{column} {kind}" for column, kind in self.columns.items())
        return f"CREATE TABLE {name} ({columns}, crc INTEGER, {self.key}){self.options}"


def _clustered(columns: str, identity: str) -> Table:
    return _table(columns, identity, f"PRIMARY KEY ({identity})", " WITHOUT ROWID")


def _table(columns: str, identity: str, key: str, options: str = "") -> Table:
    return Table(dict(column.split(" ") for column in columns.split(", ")), tuple(identity.split(", ")), key, options)


_POINT: Final = ", ".join(f"{name} REAL" for name in FIELDS)
_ROLLUP: Final = _clustered("sid INTEGER, ts REAL, n INTEGER, sum REAL, min REAL, max REAL", "sid, ts")

TABLES: Final[dict[str, Table]] = {
    # step: the smallest distance between two window ends seen; newest: the last end; horizon: raw points are gone up to
    # here and are not written again
    "windows": _clustered("job TEXT, window TEXT, step REAL, newest REAL, horizon REAL", "job, window"),
    "series": _table(
        "job TEXT, window TEXT, worker TEXT, domain TEXT, entity TEXT, metric TEXT",
        "job, worker, domain, entity, metric",
        "id INTEGER PRIMARY KEY, UNIQUE (job, worker, domain, entity, metric)",
    ),
    "points": _clustered(f"sid INTEGER, ts REAL, start REAL, {_POINT}, revision INTEGER", "sid, ts"),
    **dict.fromkeys(ROLLUPS, _ROLLUP),
    "scores": _clustered(
        "job TEXT, domain TEXT, ts REAL, start REAL, micropoints INTEGER, coverage REAL, cap TEXT, revision INTEGER",
        "job, domain, ts",
    ),
    # beside `scores`, so that a line of scores does not read their parts
    "breakdowns": _clustered("job TEXT, domain TEXT, ts REAL, revision INTEGER, parts BLOB", "job, domain, ts"),
    "anomalies": _clustered(
        "job TEXT, fingerprint TEXT, start REAL, time REAL, end REAL, number INTEGER, body BLOB",
        "job, fingerprint, start",
    ),
    "decisions": _clustered(
        "job TEXT, episode TEXT, time REAL, state TEXT, decision TEXT, root TEXT, notification TEXT, body BLOB",
        "job, episode, time, state, decision",
    ),
    "notifications": _clustered(
        "id TEXT, status TEXT, time REAL, job TEXT, episode TEXT, body BLOB", "id, status, time"
    ),
    "changes": _clustered("job TEXT, time REAL, name TEXT, worker TEXT, text TEXT", "job, time, name, worker, text"),
    "counters": _clustered("job TEXT, number INTEGER, time REAL, counts BLOB", "job"),
    "dead_letters": _table(  # with a rowid: the order of arrival
        "identity TEXT, reason TEXT, text TEXT, topic TEXT, key TEXT, bytes INTEGER, data BLOB",
        "identity",
        "PRIMARY KEY (identity)",
    ),
    "profiles": _clustered(
        "job TEXT, worker TEXT, window TEXT, ts REAL, start REAL, revision INTEGER, sketches BLOB",
        "job, worker, window, ts",
    ),
}

SHAPE: Final = Shape(
    application=0x53475331,  # "SGS1"
    version=2,
    schema=(
        *(table.statement(name) for name, table in TABLES.items()),
        "CREATE INDEX series_of_window ON series (job, window)",
        "CREATE INDEX anomalies_by_start ON anomalies (job, start)",
        "CREATE INDEX decisions_by_root ON decisions (root, state)",
        "CREATE INDEX decisions_by_notification ON decisions (notification)",
        "CREATE INDEX notifications_by_episode ON notifications (episode, time)",
        "CREATE INDEX notifications_by_time ON notifications (job, time)",
    ),
    steps={1: tuple(f"ALTER TABLE {name} ADD COLUMN crc INTEGER" for name in TABLES)},
)


def levels(step: float) -> tuple[str, ...]:
    """The rollups, finest first, that say less than the points of a window which closes every `step` seconds.

    A bucket no longer than the step would hold one point: such a series is its own rollup, and is kept as long.

    >>> levels(10.0), levels(10800.0)
    (('r60', 'r3600'), ())
    """
    return tuple(table for table, length in ROLLUPS.items() if length > step)


def bucket_end(time: float, length: float) -> float:
    """The end of the bucket (end - length, end] that holds `time`.

    >>> bucket_end(3600.0, 3600.0), bucket_end(3601.0, 3600.0)
    (3600.0, 7200.0)
    """
    return math.ceil(time / length) * length
