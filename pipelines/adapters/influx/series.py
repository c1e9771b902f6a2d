"""Series and their points from an InfluxDB: which there are, a chart's columns, and which changed most.

A series has no number here, so it is given one: the hash of its labels. Rollups are made by the server when asked for,
in the same buckets (end - length, end] as the embedded store's.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from streamgauge.pipelines.adapters.influx.api import InfluxApi, Series
from streamgauge.pipelines.adapters.influx.lines import name_of, seconds
from streamgauge.pipelines.adapters.influx.ql import before, bound, since, tags, within
from streamgauge.pipelines.adapters.sqlite.schema import FIELDS, ROLLUPS, bucket_end, levels
from streamgauge.pipelines.adapters.stores.series import (
    LABELS,
    MOST_ADDED,
    MOST_POINTS,
    MOST_SQUARED,
    Labels,
    Moments,
    check_match,
    compared,
    rank,
    unrepeated,
)

_ENDS: Final = 100  # of the last windows, whose smallest distance is the step
_UNKNOWN: Final = {"value": None, "min": None, "max": None, "count": 0}  # a bucket of rows without a value
_BANDS: Final = {"reference": 1, "low": 2, "high": 4}


class InfluxSeries:
    """Finds series by their numbers, and reads them."""

    def __init__(self, api: InfluxApi) -> None:
        self._api = api
        self._labels: dict[int, Labels] = {}

    def series(self, job: str, match: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
        """The series whose labels equal those in `match`, by name, each with its last point."""
        check_match(match)
        steps, newest = self._steps(job), self._newest({"job": job, **match})
        found = sorted(newest.items(), key=lambda item: item[0][2:] + item[0][:2])  # domain, entity, metric, worker
        return [
            {"id": number_of(labels)} | {name: getattr(labels, name) for name in LABELS}
            | {"window": window, "step": steps.get(window, 0.0), "job": job,
               "end": seconds(row["time"]), "value": row["value"] if row["known"] else None}
            for labels, (window, row) in found[:limit]
        ]  # fmt: skip

    def points(self, number: int, start: float, end: float, buckets: int) -> dict[str, Any]:
        """One series in [start, end) as columns, at the coarsest level that has `buckets` buckets."""
        labels = self._labels.get(number) or self._found(number)
        if labels is None:
            return {}
        window = self._newest(labels._asdict())[labels][0]
        step = self._steps(labels.job).get(window, 0.0)
        fits = [level for level in levels(step) if (end - start) / ROLLUPS[level] >= buckets]
        level = fits[-1] if fits else "raw"
        columns = self._rolled(labels, ROLLUPS[level], start, end) if fits else self._raw(labels, start, end)
        named = {"id": number, **labels._asdict(), "window": window}
        return {"series": named, "level": level, "step": ROLLUPS[level] if fits else step, **columns}

    def changed(
        self, job: str, start: float, end: float, anomalous: Iterable[Labels], limit: int,
        before: tuple[float, float] | None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """The series whose mean in [start, end) differs most from that in `before`, or as long before it."""
        windows = sorted(self._steps(job).items())
        moved = compared(windows, partial(self._moments, job), start, end, before)
        found = ({"id": number_of(labels)} | how | labels._asdict() for labels, how in moved)
        return unrepeated(rank(found, {number_of(labels) for labels in anomalous}, 2 * limit), limit)

    def _steps(self, job: str) -> dict[str, float]:
        """Seconds between the ends of windows, by the window's name; 0 while unknown."""
        last = f'GROUP BY "window" ORDER BY time DESC LIMIT {_ENDS}'
        found = self._api.ask(f'SELECT "revision" FROM "window" WHERE {tags({"job": job})} {last}')
        return {name_of(series.tags["window"]): _step([row["time"] for row in series.rows]) for series in found}

    def _newest(self, match: Mapping[str, str]) -> dict[Labels, tuple[str, dict[str, Any]]]:
        """The last row of each series, and its window."""
        where = f"WHERE {tags(match)}" if match else ""
        last = f'SELECT "value", "known" FROM "metric" {where} GROUP BY * ORDER BY time DESC LIMIT 1'
        found: dict[Labels, tuple[str, dict[str, Any]]] = {}
        for series in self._api.ask(last):
            labels, row = _labels(series), series.rows[0]
            if labels not in found or row["time"] > found[labels][1]["time"]:
                found[labels] = name_of(series.tags["window"]), row
        self._labels |= {number_of(labels): labels for labels in found}
        return found

    def _found(self, number: int) -> Labels | None:
        """A series that this process has not told of yet."""
        self._newest({})
        return self._labels.get(number)

    def _raw(self, labels: Labels, start: float, end: float) -> dict[str, Any]:
        fields = ", ".join(f'"{name}"' for name in (*FIELDS, "known", "band", "revision"))
        where = f"{tags(labels._asdict())} AND {since(start)} AND {before(end)}"
        rows = self._rows(f'SELECT {fields} FROM "metric" WHERE {where} ORDER BY time LIMIT {MOST_POINTS}')
        for row in rows:  # a row of an older revision keeps what this one does not know
            row["value"] = row["value"] if row["known"] else None
            row |= {name: row[name] if row["band"] & bit else None for name, bit in _BANDS.items()}
        columns = {name: [row[name] for row in rows] for name in (*FIELDS, "revision")}
        return {"time": _times(rows), **columns, "min": columns["value"], "max": columns["value"]}

    def _rolled(self, labels: Labels, length: float, start: float, end: float) -> dict[str, Any]:
        """The buckets that end from `start` on, with the one that holds the range's end."""
        buckets = f"{tags(labels._asdict())} AND {_buckets(start, end + length, length)}"
        every = self._rows(f'SELECT count("known") AS "rows" FROM "metric" WHERE {buckets}')
        what = 'count("value") AS "count", min("value") AS "min", max("value") AS "max"'
        known = self._rows(f'SELECT {what} FROM "metric" WHERE "known" = true AND {buckets}')
        added = f'"known" = true AND {within("value", MOST_ADDED)} AND {buckets}'
        means = self._rows(f'SELECT mean("value") AS "value", count("value") AS "n" FROM "metric" WHERE {added}')
        by_time = {row["time"]: row for row in known}
        for row in means:
            by_time[row["time"]]["value"] = row["value"] if row["n"] == by_time[row["time"]]["count"] else None
        filled = [{"value": None, **by_time.get(row["time"], _UNKNOWN)} for row in every]
        ends = [seconds(row["time"] - 1) + length for row in every]
        return {"time": ends, **{name: [row[name] for row in filled] for name in _UNKNOWN}}

    def _moments(self, job: str, window: str, start: float, end: float, is_hourly: bool) -> dict[Labels, Moments]:
        """Count, mean and sum of squared deviations of each series' known values, or of their hourly means."""
        where = f'{tags({"job": job, "window": window})} AND "known" = true AND '
        squared = within("value", MOST_SQUARED)
        told = 'count("value") AS "n", mean("value") AS "mean", stddev("value") AS "deviation"'
        if is_hourly:
            hourly = f"{where}{within('value', MOST_ADDED)} AND {_buckets(start, end, 3600.0, ', *')}"
            hours = f'SELECT mean("value") AS "value" FROM "metric" WHERE {hourly}'
            query = f"SELECT {told} FROM ({hours}) WHERE {squared} GROUP BY *"
        else:
            where += f"{squared} AND {since(start)} AND {before(end)}"
            query = f'SELECT {told} FROM "metric" WHERE {where} GROUP BY *'
        return {
            _labels(series): Moments(row["n"], row["mean"], (row["deviation"] or 0.0) ** 2 * (row["n"] - 1))
            for series in self._api.ask(query) for row in series.rows
        }  # fmt: skip

    def _rows(self, query: str) -> list[dict[str, Any]]:
        return [row for series in self._api.ask(query) for row in series.rows]


def number_of(labels: Labels) -> int:
    """The number of a series: 53 bits, so that every language reads it exactly.

    >>> number_of(Labels("ctr", "", "train", "", "auc"))
    7748265810537886
    """
    digest = hashlib.blake2b("\x1f".join(labels).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 11


def _labels(series: Series) -> Labels:
    return Labels(*(name_of(series.tags[name]) for name in Labels._fields))


def _buckets(start: float, end: float, length: float, also: str = "") -> str:
    """The condition and grouping of the buckets (e - length, e], start <= e < end; their time is e - length + 1 ns."""
    first, last = bucket_end(start, length) - length, bucket_end(end, length) - length
    begin = f"time > {bound(first)} AND time <= {bound(last)}"
    return f"{begin} GROUP BY time({round(length)}s, 1ns){also} fill(none)"


def _step(times: list[int]) -> float:
    """The smallest distance between two of the times, seconds."""
    ordered = sorted(set(times))
    gaps = [after - then for then, after in itertools.pairwise(ordered)]
    return seconds(min(gaps)) if gaps else 0.0


def _times(rows: list[dict[str, Any]]) -> list[float]:
    return [seconds(row["time"]) for row in rows]
