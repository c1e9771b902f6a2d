"""An earlier run as a reference for a job: what the store keeps of it by the hour, and its last windows one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from streamgauge.pipelines.config.schema import DAY, HOUR, JobConfig, WindowSpec
from streamgauge.pipelines.ports import Query
from streamgauge.pipelines.wire.given import History, Labels
from streamgauge.pipelines.wire.releases import PUSHED, TAKEN_BACK, version_of

SPAN: Final = 28 * DAY  # what a reference looks back on
LATEST: Final = 48  # windows of the last hours: the wobble from one to the next
_MOST: Final = 20_000  # series
_LABELS: Final = ("worker", "domain", "entity", "metric")
Points = tuple[list[float], list[float]]  # begins of windows, values


class Release(NamedTuple):
    """A version that was pushed, and for how long it served."""

    version: str
    start: float
    end: float


def histories(query: Query, old: str, job: JobConfig, start: float, end: float) -> list[History]:
    """The history of every series of `old` whose windows `job` has too, in [start, end)."""
    found = query.series(old, {}, _MOST)
    last = max((one["end"] for one in found if one["end"] is not None), default=None)
    if last is None:
        return []
    end = min(end, last + 1.0)
    start = max(start, end - SPAN)
    specs = {spec.name: spec for spec in job.windows}
    by_window: dict[str, dict[Labels, Points]] = {}
    for one in found:
        spec = specs.get(one["window"])
        if spec is not None and spec.slide == one["step"]:
            label: Labels = tuple(one[name] for name in _LABELS)
            by_window.setdefault(spec.name, {})[label] = _points(query, one["id"], spec, start, end)
    return [_table(window, series) for window, series in sorted(by_window.items())]


def releases(changes: Sequence[Mapping[str, Any]], now: float) -> list[Release]:
    """The accepted versions, oldest first, each until the next one was pushed.

    Told again, as by each worker, a version is still the same release. One that was rolled back is not accepted, and
    what ran until then is of no release.

    >>> told = [("pushed", 10.0, "v1"), ("pushed", 11.0, "v1"), ("deployed", 70.0, "ada: v2 (canary)")]
    >>> changes = [{"name": name, "time": time, "text": text} for name, time, text in told]
    >>> releases(changes, 90.0)
    [Release(version='v1', start=10.0, end=70.0), Release(version='v2', start=70.0, end=90.0)]
    >>> releases([*changes, {"name": "rolled_back", "time": 80.0, "text": "v2"}], 90.0)
    [Release(version='v1', start=10.0, end=70.0)]
    """
    found: list[Release] = []
    accepted: list[bool] = []
    for one in sorted(changes, key=lambda one: float(one["time"])):
        version, time = version_of(one["text"]), float(one["time"])
        if one["name"] == TAKEN_BACK:
            for i in [i for i, release in enumerate(found) if accepted[i] and release.version == version][-1:]:
                accepted[i] = False
        elif one["name"] in PUSHED and not (found and accepted[-1] and found[-1].version == version):
            found = [*found[:-1], *(last._replace(end=time) for last in found[-1:]), Release(version, time, now)]
            accepted.append(True)
    return [release for release, is_accepted in zip(found, accepted, strict=True) if is_accepted]


def days(histories: Sequence[History], now: float) -> float:
    """How far back all of them reach; long windows begin earlier."""
    starts = [float(one.starts[0]) for one in histories if len(one.starts)]
    return max(0.0, (now - max(starts)) / DAY) if starts else 0.0


def moved(histories: Sequence[History], by: float) -> list[History]:
    """The same, later."""
    return [one._replace(starts=one.starts + by) for one in histories]


def _points(query: Query, series: int, spec: WindowSpec, start: float, end: float) -> Points:
    """Means of an hour, and the last windows in place of the last hours' means."""
    start += spec.length  # points are kept under the end of their window: one that began before is of no release
    if spec.slide >= HOUR:
        return _known(query.points(series, start, end, int(SPAN / spec.slide) + 1), spec.length)
    first, edge = float(np.ceil(start / HOUR) * HOUR), float(np.floor((end - LATEST * spec.slide) / HOUR) * HOUR)
    count = max(0, round((edge - first) / HOUR))  # whole hours, as the store has them
    hours, values = _known(query.points(series, first, edge, count), 0.0) if count else ([], [])
    edge = edge if count else start
    latest, newest = _known(query.points(series, edge, end, int((end - edge) / spec.slide) + 1), spec.length)
    return [*hours, *latest], [*values, *newest]


def _known(found: Mapping[str, Any], length: float) -> Points:
    """Begins and values of what is known; points are kept under the end of their window."""
    pairs = [(time - length, value) for time, value in zip(found["time"], found["value"], strict=True)
             if value is not None]  # fmt: skip
    return [time for time, _ in pairs], [value for _, value in pairs]


def _table(window: str, series: Mapping[Labels, Points]) -> History:
    starts = np.unique(np.concatenate([np.array(times, np.float64) for times, _ in series.values()]))
    values = np.full((len(starts), len(series)), np.nan)
    for place, (times, known) in enumerate(series.values()):
        values[np.searchsorted(starts, times), place] = known
    return History(window, tuple(series), starts, values)
