"""Two runs of a job beside each other: what they ran with, their scores, and the series that differ most; pure.

By default as far as both have come: a run of an hour is compared with the first hour of one of a month.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.runs.history import Run, runs_of

SERIES: Final = 200  # that differ most
MOST: Final = 5000  # rows of one answer of the store
PAGES: Final = 20  # of scores that are read


def read(query: Query, job: str, now: float, slide: float) -> list[Run]:
    """The runs of a job as a store knows them, oldest first."""
    last = next((row.get("last_data") for row in query.jobs() if row["job"] == job), None)
    end = now + 1.0 if last is None else max(now, last) + 1.0
    changes, episodes = query.changes(job, 0.0, end), query.anomalies(job, 0.0, end, MOST)
    return runs_of(changes, episodes, last=last, now=now, slide=slide)


def compare(query: Query, job: str, first: Run, second: Run, now: float, *, is_whole: bool = False) -> dict[str, Any]:
    """JSON-ready; of each the same length from its begin on, or with `is_whole` all of it.

    Returns:
        `span`: seconds compared, None for all. `configuration`: `{name, first, second}` of what differs. `scores`:
        mean by domain. `incidents`: how many were told in each. `series`: rows as of `Query.changed`, `before` the
        first run's mean, `after` the second's, `effect` in units of the first's spread.
    """
    lengths = [run.until(now) - run.start for run in (first, second)]
    span = None if is_whole else min(lengths)
    ranges = [
        (run.start, run.start + (length if span is None else span))
        for run, length in zip((first, second), lengths, strict=True)
    ]
    scores = [_scores(query, job, *one) for one in ranges]
    told = [sum(one["time"] >= start for one in query.incidents(job, start, end)) for start, end in ranges]
    return {
        "first": first._asdict(), "second": second._asdict(), "span": span,
        "configuration": _differences(first.configuration, second.configuration),
        "scores": [
            {"domain": name, "first": scores[0].get(name), "second": scores[1].get(name)}
            for name in sorted(scores[0].keys() | scores[1].keys(), key=lambda name: (name != "overall", name))
        ],
        "incidents": {"first": told[0], "second": told[1]},
        "series": query.changed(job, *ranges[1], SERIES, before=ranges[0]),
    }  # fmt: skip


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = sorted(first.keys() | second.keys())
    return [
        {"name": name, "first": first.get(name), "second": second.get(name)}
        for name in names if (name in first, first.get(name)) != (name in second, second.get(name))
    ]  # fmt: skip


def _scores(query: Query, job: str, start: float, end: float) -> dict[str, float]:
    """Mean score by domain."""
    sums = dict[str, list[float]]()
    for line in _lines(query, job, start, end):
        sums.setdefault(line["domain"], []).append(line["score"])
    return {name: sum(values) / len(values) for name, values in sums.items()}


def _lines(query: Query, job: str, start: float, end: float) -> Iterator[Mapping[str, Any]]:
    """The newest first, a page of the store's at a time."""
    for _ in range(PAGES):
        rows = query.scores(job, start, end, MOST)
        if len(rows) < MOST:
            yield from rows
            return
        end = rows[0]["end"] + 1e-6  # not all lines of the oldest window may be in this page
        yield from (row for row in rows if row["end"] >= end)
