"""Series and their points from the embedded store: which there are, a chart's columns, and which changed most."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from streamgauge.pipelines.adapters.sqlite.schema import FIELDS, ROLLUPS, levels
from streamgauge.pipelines.adapters.stores.answers import finite
from streamgauge.pipelines.adapters.stores.series import (
    LABELS,
    MOST_POINTS,
    MOST_SQUARED,
    Labels,
    Moments,
    check_match,
    compared,
    rank,
    unrepeated,
)


def series(store: sqlite3.Connection, job: str, match: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
    """The series whose labels equal those in `match`, by name, each with its last point."""
    check_match(match)
    where = "".join(f" AND s.{label} = ?" for label in LABELS if label in match)
    rows = store.execute(
        "SELECT s.id, s.worker, s.domain, s.entity, s.metric, s.window, w.step FROM series s JOIN windows w"
        f" ON w.job = s.job AND w.window = s.window WHERE s.job = ?{where}"
        " ORDER BY s.domain, s.entity, s.metric, s.worker LIMIT ?",
        (job, *(match[label] for label in LABELS if label in match), limit),
    ).fetchall()
    names = ("id", *LABELS, "window", "step")
    return [dict(zip(names, row, strict=True)) | {"job": job, **_last(store, row[0])} for row in rows]


def points(store: sqlite3.Connection, sid: int, start: float, end: float, buckets: int) -> dict[str, Any]:
    """One series in [start, end) as columns, at the coarsest level that has `buckets` buckets and reaches back."""
    row = store.execute(
        "SELECT s.job, s.worker, s.domain, s.entity, s.metric, s.window, w.step FROM series s"
        " JOIN windows w ON w.job = s.job AND w.window = s.window WHERE s.id = ?",
        (sid,),
    ).fetchone()
    if row is None:
        return {}
    step = row[-1]
    level = _level(store, sid, start, end, buckets, step)
    named = {"id": sid} | dict(zip(("job", *LABELS, "window"), row[:-1], strict=True))
    resolution = step if level == "points" else ROLLUPS[level]
    columns = _raw(store, sid, start, end) if level == "points" else _rolled(store, sid, level, start, end)
    return {"series": named, "level": "raw" if level == "points" else level, "step": resolution, **columns}


def changed(
    store: sqlite3.Connection, job: str, start: float, end: float, anomalous: Iterable[Labels], limit: int,
    before: tuple[float, float] | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The series whose mean in [start, end) differs most from that in `before`, or as long before it."""
    windows = store.execute("SELECT window, step FROM windows WHERE job = ? ORDER BY window", (job,)).fetchall()

    def moments(window: str, low: float, high: float, is_hourly: bool) -> dict[int, Moments]:
        table, value = ("r3600", "p.sum / p.n") if is_hourly else ("points", "p.value")
        return _moments(store, table, value, job, window, low, high)

    found = ({"id": sid} | moved for sid, moved in compared(windows, moments, start, end, before))
    ids = {sid for labels in anomalous for sid in _ids(store, labels)}
    return unrepeated((item | _labels(store, item["id"]) for item in rank(found, ids, 2 * limit)), limit)


def _last(store: sqlite3.Connection, sid: int) -> dict[str, Any]:
    row = store.execute("SELECT ts, value FROM points WHERE sid = ? ORDER BY ts DESC LIMIT 1", (sid,)).fetchone()
    if row is None:  # raw points are gone, or there were none
        return {"end": None, "value": None}
    return {"end": row[0], "value": finite(row[1])}


def _level(store: sqlite3.Connection, sid: int, start: float, end: float, buckets: int, step: float) -> str:
    """The coarsest level with enough buckets; a still coarser one if that reaches further back into the range."""
    tables = ["points", *levels(step)]
    fits = [table for table in tables if table == "points" or (end - start) / ROLLUPS[table] >= buckets]
    best, oldest = fits[-1], _oldest(store, fits[-1], sid)
    for table in tables[len(fits) :]:
        reach = _oldest(store, table, sid)
        if oldest > start and reach < oldest:
            best, oldest = table, reach
    return best


def _oldest(store: sqlite3.Connection, table: str, sid: int) -> float:
    oldest = store.execute(f"SELECT min(ts) FROM {table} WHERE sid = ?", (sid,)).fetchone()[0]
    return math.inf if oldest is None else float(oldest)


def _raw(store: sqlite3.Connection, sid: int, start: float, end: float) -> dict[str, Any]:
    rows = store.execute(
        f"SELECT ts, {', '.join(FIELDS)}, revision FROM points WHERE sid = ? AND ts >= ? AND ts < ?"
        " ORDER BY ts LIMIT ?",
        (sid, start, end, MOST_POINTS),
    ).fetchall()
    columns = _columns(("time", *FIELDS, "revision"), rows)
    return columns | {"min": columns["value"], "max": columns["value"]}


def _rolled(store: sqlite3.Connection, sid: int, level: str, start: float, end: float) -> dict[str, Any]:
    rows = store.execute(
        f"SELECT ts, sum / n, min, max, n FROM {level} WHERE sid = ? AND ts >= ? AND ts < ? ORDER BY ts LIMIT ?",
        (sid, start, end + ROLLUPS[level], MOST_POINTS),  # the bucket that holds the range's end belongs to it
    ).fetchall()
    return _columns(("time", "value", "min", "max", "count"), rows)


def _columns(names: tuple[str, ...], rows: list[Any]) -> dict[str, Any]:
    columns = zip(*rows, strict=True) if rows else [() for _ in names]
    return {name: [finite(value) for value in column] for name, column in zip(names, columns, strict=True)}


def _moments(
    store: sqlite3.Connection, table: str, value: str, job: str, window: str, start: float, end: float
) -> dict[int, Moments]:
    """Of each series' known values, in two passes, as one loses digits."""
    rows = store.execute(
        f"WITH p AS MATERIALIZED (SELECT p.sid, {value} AS v FROM series s JOIN {table} p ON p.sid = s.id"
        f" AND p.ts >= ?1 AND p.ts < ?2 WHERE s.job = ?3 AND s.window = ?4 AND abs({value}) <= {MOST_SQUARED!r}),"
        " m AS MATERIALIZED (SELECT sid, count(*) AS n, avg(v) AS mean FROM p GROUP BY sid)"
        " SELECT m.sid, m.n, m.mean, sum((v - mean) * (v - mean)) FROM p JOIN m USING (sid) GROUP BY m.sid",
        (start, end, job, window),
    )
    return {sid: Moments(n, mean, squares) for sid, n, mean, squares in rows}


def _ids(store: sqlite3.Connection, labels: Labels) -> list[int]:
    where = " AND ".join(f"{name} = ?" for name in Labels._fields)
    return [sid for (sid,) in store.execute(f"SELECT id FROM series WHERE {where}", labels)]


def _labels(store: sqlite3.Connection, sid: int) -> dict[str, Any]:
    row = store.execute("SELECT job, worker, domain, entity, metric FROM series WHERE id = ?", (sid,)).fetchone()
    return dict(zip(("job", *LABELS), row, strict=True))
