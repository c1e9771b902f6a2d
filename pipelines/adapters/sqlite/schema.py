"""The tables of the embedded store, and which levels of detail a series has.

A point's `ts` is the end of its window; a rollup's is the end of its bucket (ts - length, ts]. Reals keep every bit of
a float64 (whole numbers take 1 to 6 bytes), and clustering by (series, ts) makes a chart one range of one B-tree.
"""

from __future__ import annotations

import math
from typing import Final

from streamgauge.tracer.local.sqlite_file import Shape

ROLLUPS: Final[dict[str, float]] = {"r10": 10.0, "r60": 60.0, "r3600": 3600.0}  # table: seconds of a bucket
FIELDS: Final = ("value", "rows", "error", "floor", "reference", "low", "high")
_POINT_FIELDS = ", ".join(f"{name} REAL" for name in FIELDS)


def _table(name: str, columns: str, identity: str) -> str:
    """A table clustered by its identity."""
    return f"CREATE TABLE {name} ({columns}, PRIMARY KEY ({identity})) WITHOUT ROWID"


SHAPE: Final = Shape(
    application=0x53475331,  # "SGS1"
    version=1,
    schema=(
        # step: the smallest distance between two window ends seen; newest: the last end; horizon: raw points are gone
        # up to here and are not written again
        _table("windows", "job TEXT, window TEXT, step REAL, newest REAL, horizon REAL", "job, window"),
        "CREATE TABLE series (id INTEGER PRIMARY KEY, job TEXT, window TEXT, worker TEXT, domain TEXT, entity TEXT,"
        " metric TEXT, UNIQUE (job, worker, domain, entity, metric))",
        "CREATE INDEX series_of_window ON series (job, window)",
        _table("points", f"sid INTEGER, ts REAL, start REAL, {_POINT_FIELDS}, revision INTEGER", "sid, ts"),
        *(_table(name, "sid INTEGER, ts REAL, n INTEGER, sum REAL, min REAL, max REAL", "sid, ts") for name in ROLLUPS),
        _table(
            "scores",
            "job TEXT, domain TEXT, ts REAL, start REAL, micropoints INTEGER, coverage REAL, cap TEXT,"
            " revision INTEGER",
            "job, domain, ts",
        ),
        # beside `scores`, so that a line of scores does not read their parts
        _table("breakdowns", "job TEXT, domain TEXT, ts REAL, revision INTEGER, parts BLOB", "job, domain, ts"),
        _table(
            "anomalies",
            "job TEXT, fingerprint TEXT, start REAL, time REAL, end REAL, number INTEGER, body BLOB",
            "job, fingerprint, start",
        ),
        "CREATE INDEX anomalies_by_start ON anomalies (job, start)",
        _table(
            "decisions",
            "job TEXT, episode TEXT, time REAL, state TEXT, decision TEXT, root TEXT, notification TEXT, body BLOB",
            "job, episode, time, state, decision",
        ),
        "CREATE INDEX decisions_by_root ON decisions (root, state)",
        "CREATE INDEX decisions_by_notification ON decisions (notification)",
        _table(
            "notifications", "id TEXT, status TEXT, time REAL, job TEXT, episode TEXT, body BLOB", "id, status, time"
        ),
        "CREATE INDEX notifications_by_episode ON notifications (episode, time)",
        "CREATE INDEX notifications_by_time ON notifications (job, time)",
        _table("changes", "job TEXT, time REAL, name TEXT, worker TEXT, text TEXT", "job, time, name, worker, text"),
        _table("counters", "job TEXT, number INTEGER, time REAL, counts BLOB", "job"),
        "CREATE TABLE dead_letters (identity TEXT PRIMARY KEY, reason TEXT, text TEXT, topic TEXT, key TEXT,"
        " bytes INTEGER, data BLOB)",  # with a rowid: the order of arrival
        _table(
            "profiles",
            "job TEXT, worker TEXT, window TEXT, ts REAL, start REAL, revision INTEGER, sketches BLOB",
            "job, worker, window, ts",
        ),
    ),
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
