"""Rollups of points: count, sum, minimum and maximum over 10 s, 60 s and an hour, always made again, never added to.

Each level is made from the next finer one that the window has, so a touched hour reads 60 rows a series, not 3,600.
"""

from __future__ import annotations

import math
import sqlite3
from typing import Final, NamedTuple

from streamgauge.pipelines.adapters.sqlite.checks import crc_of, row_of
from streamgauge.pipelines.adapters.sqlite.schema import ROLLUPS, bucket_end, levels

_WINDOW: Final = f"INSERT OR REPLACE INTO {row_of('windows')}"


class Window(NamedTuple):
    """What is known of one job's kind of window, seconds."""

    step: float  # smallest distance of two ends seen, 0 while unknown
    newest: float  # the last end
    horizon: float  # raw points up to here are gone


class Rollups:
    """Remembers which buckets the current transaction touched, and makes them again at its end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._touched: dict[tuple[str, str, float], None] = {}  # in order of arrival
        self.windows: dict[tuple[str, str], Window] = {}
        self.reload()

    def reload(self) -> None:
        """Forget the transaction that was rolled back."""
        self._touched.clear()
        rows = self._connection.execute("SELECT job, window, step, newest, horizon FROM windows ORDER BY job, window")
        self.windows = {(job, window): Window(*rest) for job, window, *rest in rows}

    def touch(self, job: str, name: str, end: float) -> bool:
        """Note that points of a window ending at `end` come; False if they are from before the horizon."""
        old = self.windows.get((job, name))
        window = Window(0.0, end, -math.inf) if old is None else _seen(old, end)
        if end <= window.horizon:
            return False
        self._touched[job, name, end] = None
        if window != old:
            self.set(job, name, window)
        return True

    def set(self, job: str, name: str, window: Window) -> None:
        """Remember and store what is known of a window."""
        self.windows[job, name] = window
        self._connection.execute(_WINDOW, (job, name, *window))

    def refresh(self) -> None:
        """Make the touched buckets again."""
        for level, length in ROLLUPS.items():
            buckets = dict.fromkeys(
                (job, name, bucket_end(end, length))
                for job, name, end in self._touched
                if level in levels(self.windows[job, name].step)
            )
            for job, name, end in buckets:
                self._make(level, job, name, end)
        self._touched.clear()

    def _make(self, level: str, job: str, name: str, end: float) -> None:
        window = self.windows[job, name]
        source, parts = made_of(level, window.step)
        row = ("p.sid", ":end", *parts)
        crc = crc_of(level, row) if end <= window.newest else "NULL"
        self._connection.execute(
            f"INSERT OR REPLACE INTO {level} SELECT {', '.join(row)}, {crc}"
            f" FROM series s JOIN {source} p ON p.sid = s.id"
            " AND p.ts > :start AND p.ts <= :end WHERE s.job = :job AND s.window = :window GROUP BY p.sid",
            {"end": end, "start": end - ROLLUPS[level], "job": job, "window": name},
        )


def made_of(level: str, step: float) -> tuple[str, tuple[str, ...]]:
    """The table that a level of such a window is made from, and the parts of a bucket: count, sum, minimum, maximum."""
    finer = [below for below in levels(step) if ROLLUPS[below] < ROLLUPS[level]]
    if finer:
        return finer[-1], ("sum(p.n)", "sum(p.sum)", "min(p.min)", "max(p.max)")
    return "points", ("count(p.value)", "sum(p.value)", "min(p.value)", "max(p.value)")


def _seen(window: Window, end: float) -> Window:
    distance = end - window.newest
    if distance <= 0:
        return window
    return window._replace(newest=end, step=min(window.step, distance) if window.step else distance)
