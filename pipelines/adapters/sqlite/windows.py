"""Closed windows of a job as the embedded store has them, oldest first: what a backtest judges again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.adapters.sqlite.read import Reader
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.metrics import Metric

_RANGE: Final = "SELECT min(ts), max(ts) FROM points JOIN series ON id = sid WHERE job = ?"
_DAY: Final = (
    "SELECT ts, window, start, worker, domain, entity, metric, value, rows, error, floor FROM points"
    " JOIN series ON id = sid WHERE job = ? AND ts > ? AND ts <= ?"
    " ORDER BY ts, ts - start, window, worker, domain, entity, metric"
)
_Row = tuple[float, str, float, str, str, str, str, float | None, float | None, float | None, float | None]


def span(path: Path, job: str) -> tuple[float, float] | None:
    """The ends of a job's first and last window, None if it has none."""
    reader = Reader(path)
    try:
        with reader.reading() as store:
            first, last = store.execute(_RANGE, (job,)).fetchone()
    finally:
        reader.close()
    return None if first is None else (first, last)


def windows(path: Path, job: str, metrics: Mapping[str, Metric], start: float, end: float) -> Iterator[Columns]:
    """Every window that ends in (start, end], by end, then length; a day of them in memory at a time.

    Series of metrics that this release does not know are left out.
    """
    reader, known = Reader(path), dict[tuple[SeriesKey, ...], tuple[SeriesKey, ...]]()
    try:
        while start < end:
            with reader.reading() as store:
                rows = store.execute(_DAY, (job, start, min(start + DAY, end))).fetchall()
            yield from _grouped(job, metrics, rows, known)
            start += DAY
    finally:
        reader.close()


def _grouped(
    job: str, metrics: Mapping[str, Metric], rows: list[_Row], known: dict[tuple[SeriesKey, ...], tuple[SeriesKey, ...]]
) -> Iterator[Columns]:
    begin = 0
    for at in range(1, len(rows) + 1):
        if at == len(rows) or rows[at][:3] != rows[begin][:3]:
            part = [row for row in rows[begin:at] if row[6] in metrics]
            if part:
                yield _window(job, metrics, part, known)
            begin = at


def _window(
    job: str, metrics: Mapping[str, Metric], rows: list[_Row], known: dict[tuple[SeriesKey, ...], tuple[SeriesKey, ...]]
) -> Columns:
    end, name, start = rows[0][:3]
    keys = tuple(SeriesKey(job, *row[3:7]) for row in rows)  # type: ignore[arg-type]
    keys = known.setdefault(keys, keys)  # one object, which all caches go by
    columns = np.array([row[7:11] for row in rows], dtype=np.float64).T
    value, size, error, floor = (np.ascontiguousarray(column) for column in columns)
    of_series = tuple(metrics[key.metric] for key in keys)
    return Columns(name, start, end, 0, end - start, keys, of_series, value, size, error, floor)
