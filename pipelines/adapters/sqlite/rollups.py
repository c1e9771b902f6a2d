"""Rollups of points: count, sum, minimum and maximum over 10 s, 60 s and an hour, always made again, never added to.

Each level is made from the next finer one that the window has, so a touched hour reads 60 rows a series, not 3,600.
"""

from __future__ import annotations

import math
import sqlite3
from typing import NamedTuple

from streamgauge.pipelines.adapters.sqlite.schema import ROLLUPS, bucket_end, levels


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
        self._connection.execute("INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?)", (job, name, *window))

    def refresh(self) -> None:
        """Make the touched buckets again."""
        for level, length in ROLLUPS.items():
            buckets = dict.fromkeys(
                (job, name, bucket_end(end, length))
                for job, name, end in self._touched
                if level in levels(self.windows[job, name].step)
            )
            for job, name, end in buckets:
                below = [finer for finer in levels(self.windows[job, name].step) if ROLLUPS[finer] < length]
                self._make(level, below[-1] if below else "points", job, name, end)
        self._touched.clear()

    def _make(self, level: str, source: str, job: str, name: str, end: float) -> None:
        parts = "count(p.value), sum(p.value), min(p.value), max(p.value)"
        if source != "points":
            parts = "sum(p.n), sum(p.sum), min(p.min), max(p.max)"
        self._connection.execute(
            f"INSERT OR REPLACE INTO {level} SELECT p.sid, :end, {parts} FROM series s JOIN {source} p ON p.sid = s.id"
            " AND p.ts > :start AND p.ts <= :end WHERE s.job = :job AND s.window = :window GROUP BY p.sid",
            {"end": end, "start": end - ROLLUPS[level], "job": job, "window": name},
        )


def _seen(window: Window, end: float) -> Window:
    distance = end - window.newest
    if distance <= 0:
        return window
    return window._replace(newest=end, step=min(window.step, distance) if window.step else distance)
