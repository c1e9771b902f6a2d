"""The table of a job's features over a range: utility, missing, dispersion, change, usage, owner, cost, history; pure.

Read from what the store keeps, so it costs the job nothing. Utility is the information value of the label counts of all
windows in the range that do not overlap, merged: over a week its floor is far below that of one window.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from streamgauge.pipelines.config.schema import Feature, JobConfig
from streamgauge.pipelines.features.judgement import judged
from streamgauge.pipelines.features.similar import similar
from streamgauge.pipelines.paging.waking import owner_of
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.statistics import information_value
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.summaries import Bins

PREFIX: Final = "feature:"
READ: Final = ("missing_rate", "dispersion", "psi", "distinct", "iv")  # series that the table reads
BUCKETS: Final = 30  # of a history
MOST: Final = 20_000  # series looked at
MOST_WINDOWS: Final = 200  # whose label counts are merged, the newest ones
MOST_EPISODES: Final = 5_000
COLUMNS: Final = (
    "name", "decision", "reason", "utility", "utility_floor", "utility_excess", "positives", "missing", "dispersion",
    "change", "episodes", "redundancy", "usage", "owner", "cost", "source", "kind", "similar",
)  # fmt: skip


def table(
    query: Query, job: JobConfig, start: float, end: float, jobs: Sequence[JobConfig] = ()
) -> list[dict[str, Any]]:
    """One row a feature, declared or seen, JSON-ready, those to drop first; `jobs` are all that are configured.

    Args:
        query: the store.
        job: whose features.
        start: of the range, seconds since the epoch.
        end: of the range.
        jobs: what `usage` counts: how many of them declare a feature of this name.
    """
    declared = {feature.name: feature for feature in job.features}
    series = _series(query, job.name)
    names = sorted({*declared, *series})
    worth = utility(tiled(query, job, start, end))
    episodes = _episodes(query.anomalies(job.name, start, end, MOST_EPISODES))
    rows = []
    for name in names:
        histories = {metric: _history(query, sid, start, end) for metric, sid in series.get(name, {}).items()}
        row = _row(name, declared.get(name), histories, worth.get(name), episodes.get(name, 0))
        row["owner"] = owner_of(f"{PREFIX}{name}", job)
        row["usage"] = max(1, sum(any(one.name == name for one in other.features) for other in jobs))
        rows.append(row)
    for row, found in zip(rows, similar(rows), strict=True):
        row["similar"] = found
        row["decision"], row["reason"] = judged(row)
    order = {"drop": 0, "contact": 1, "keep": 2}
    return sorted(rows, key=lambda row: (order[row["decision"]], row["name"]))


def tiled(query: Query, job: JobConfig, start: float, end: float) -> Iterator[Mapping[str, Any]]:
    """Stored long windows of the range side by side, newest first: asked for one by one, they are large."""
    long = [window for window in job.windows if window.kind == "long"]
    if not long:
        return
    window = min(long, key=lambda one: (one.length, one.name))
    for i in range(min(MOST_WINDOWS, int((end - start) // window.length))):
        at = end - i * window.length
        found = query.profiles(job.name, "", at - window.slide, at)
        yield from [one for one in found if one["window"] == window.name][-1:]


def newest(query: Query, job: str) -> float | None:
    """Just behind the newest data of a job, by its own clock; None where there are none yet."""
    found = next((row for row in query.jobs() if row["job"] == job and row.get("last_data") is not None), None)
    return None if found is None else float(found["last_data"]) + 1.0


def utility(windows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """By feature: information value, floor and positives, of windows, newest first; overlapping ones are left out."""
    parts: dict[str, list[tuple[bytes, ...]]] = {}
    taken = math.inf
    for window in windows:
        if window["end"] > taken:
            continue
        taken = window["start"]
        for sketch in (one for one in window["sketches"] if one["kind"] == Bins.KIND):
            columns = tuple(map(base64.b64decode, sketch["columns"]))
            parts.setdefault(sketch["entity"].removeprefix(PREFIX), []).append(columns)
    return {name: _worth(columns) for name, columns in parts.items()}


def _worth(columns: Sequence[tuple[bytes, ...]]) -> dict[str, float | None]:
    try:
        bins = Bins.fold(columns[::-1])
    except (RecordError, ValueError):
        return {"utility": None, "utility_floor": None, "utility_excess": None, "positives": 0.0}
    found = information_value(bins)
    positives = int(bins.positives.sum()) + bins.other[0] + bins.missing[0]
    return {
        "utility": _finite(found.value), "utility_floor": _finite(found.floor), "utility_excess": _finite(found.excess),
        "positives": float(positives),
    }  # fmt: skip


def _series(query: Query, job: str) -> dict[str, dict[str, int]]:
    """By feature and metric the number of its series, of the job as a whole."""
    found: dict[str, dict[str, int]] = {}
    for one in query.series(job, {"domain": "sample", "worker": ""}, MOST):
        if one["entity"].startswith(PREFIX) and one["metric"] in READ:
            found.setdefault(one["entity"].removeprefix(PREFIX), {}).setdefault(one["metric"], one["id"])
    return found


def _episodes(anomalies: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in anomalies:
        if one["entity"].startswith(PREFIX):
            name = one["entity"].removeprefix(PREFIX)
            counts[name] = counts.get(name, 0) + 1
    return counts


def _history(query: Query, sid: int, start: float, end: float) -> list[float | None]:
    """The series as means of equal spans of the range, None where nothing is known."""
    found = query.points(sid, start, end, BUCKETS)
    sums: list[list[float]] = [[] for _ in range(BUCKETS)]
    for time, value in zip(found.get("time", ()), found.get("value", ()), strict=True):
        if value is not None:  # a rollup's last bucket may end behind the range
            sums[max(0, min(BUCKETS - 1, int((time - start) / (end - start) * BUCKETS)))].append(value)
    return [math.fsum(values) / len(values) if values else None for values in sums]


def _row(
    name: str, feature: Feature | None, histories: Mapping[str, list[float | None]],
    worth: Mapping[str, float | None] | None, episodes: int,
) -> dict[str, Any]:  # fmt: skip
    nothing = {"utility": None, "utility_floor": None, "utility_excess": None, "positives": 0.0}
    means = {metric: _mean(values) for metric, values in histories.items()}
    return {
        "name": name, **(worth or nothing), "missing": means.get("missing_rate"), "dispersion": means.get("dispersion"),
        "change": means.get("psi"), "distinct": means.get("distinct"), "episodes": episodes, "redundancy": None,
        "owner": "", "cost": feature.cost if feature else None,
        "source": feature.source if feature else "", "kind": feature.kind if feature else "",
        "optional": feature.optional if feature else False, "declared": feature is not None,
        "history": {"utility": histories.get("iv", []), "missing": histories.get("missing_rate", [])},
    }  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
