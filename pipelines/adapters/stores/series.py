"""What a series is to a reader, and how much one changed between two ranges; the same for every store."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from streamgauge.pipelines.adapters.sqlite.schema import levels

K = TypeVar("K")
LABELS: Final = ("worker", "domain", "entity", "metric")
MOST_POINTS: Final = 100_000  # of one answer
MOST_SQUARED: Final = 1e150  # values beyond are not compared: their squares would not add up to a number
MOST_ADDED: Final = 1e300  # and those beyond have no mean
LONG: Final = 48 * 3600.0  # ranges from here on are compared by hourly means where a series has them
# A spread is taken as at least this share of the level, so that a series that hardly moved ranks below one that broke
_LEAST_SPREAD: Final = 0.05
_HOURS: Final = 4 * 3600.0  # in a shorter range the hours at its ends would say what was outside of it
_FEW: Final = 4  # values from which a spread is believed


class Labels(NamedTuple):
    """The identity of a series."""

    job: str
    worker: str
    domain: str
    entity: str
    metric: str


class Moments(NamedTuple):
    """Of the known values of a series in a range."""

    n: int
    mean: float
    squares: float  # sum of squared deviations from the mean


def check_match(match: Mapping[str, str]) -> None:
    """Raises ValueError for a label that series do not have."""
    unknown = sorted(set(match) - set(LABELS))
    if unknown:
        raise ValueError(f"series are matched by {', '.join(LABELS)}, got {', '.join(unknown)} (pipelines.adapters)")


def difference(before: Moments, after: Moments) -> dict[str, Any]:
    """How far the mean moved, in units of the spread before (Glass's delta); `before` has two values at least.

    The spread of both ranges together would hide what broke within the range: an explosion spreads it beyond measure.
    It is used only where there were few values before.

    >>> difference(Moments(5, 1.0, 1.0), Moments(5, 3.0, 4e9))["effect"]
    4.0
    """
    both = math.sqrt((before.squares + after.squares) / (before.n + after.n - 2))
    own = math.sqrt(before.squares / (before.n - 1)) if before.n >= _FEW else both
    spread = max(own, _LEAST_SPREAD * max(abs(before.mean), abs(after.mean)))
    effect = (after.mean - before.mean) / spread if spread > 0 else 0.0
    return {"before": before.mean, "after": after.mean, "spread": spread, "effect": effect}


def compared(
    windows: Iterable[tuple[str, float]], moments: Callable[[str, float, float, bool], Mapping[K, Moments]],
    start: float, end: float, before: tuple[float, float] | None = None,
) -> Iterator[tuple[K, dict[str, Any]]]:  # fmt: skip
    """How far each series moved from `before` to [start, end).

    Args:
        windows: names and steps, seconds.
        moments: of every series of a window in a range; of its hourly means if the last argument is true.
        start: seconds.
        end: seconds.
        before: another range; None: that of the same length before it.
    """
    ranges = ((2 * start - end, start) if before is None else before, (start, end))
    for window, step in windows:
        former, latter = (_moments(moments, window, step, *one) for one in ranges)
        for key, after in latter.items():
            if key in former and former[key].n >= 2:
                yield key, difference(former[key], after)


def _moments(
    moments: Callable[[str, float, float, bool], Mapping[K, Moments]], window: str, step: float, start: float,
    end: float,
) -> Mapping[K, Moments]:  # fmt: skip
    """Of a long range by the hour; of one of some hours, too, where nothing but its hours are kept."""
    has_hours = "r3600" in levels(step)
    found = moments(window, start, end, has_hours and end - start >= LONG)
    return moments(window, start, end, True) if not found and has_hours and end - start >= _HOURS else found


def rank(found: Iterable[dict[str, Any]], anomalous: Container[int], limit: int) -> list[dict[str, Any]]:
    """The `limit` that changed most, those with an anomaly before the others.

    Where much changes at once, the distance alone says little: whatever was near zero moves by 20 of its least spread.
    """
    told = [item | {"anomaly": item["id"] in anomalous} for item in found]
    told.sort(key=lambda one: (not one["anomaly"], -abs(one["effect"]), one["id"]))
    return told[:limit]


def unrepeated(ranked: Iterable[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """The first `limit`, without the workers' series that say what their job's says: of one worker all do.

    >>> names = ("domain", "entity", "metric", "before", "after", "anomaly")
    >>> said = dict(zip(names, ("sample", "", "volume", 1.0, 2.0, False), strict=True))
    >>> both = [said | {"worker": ""}, said | {"worker": "w0"}]
    >>> [one["worker"] for one in unrepeated(both, 50)]
    ['']
    """
    rows = list(ranked)
    of_jobs = {_said(row) for row in rows if not row["worker"]}
    return [row for row in rows if not row["worker"] or _said(row) not in of_jobs][:limit]


def _said(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("domain", "entity", "metric", "before", "after", "anomaly"))


def labels_of(anomalies: Iterable[Mapping[str, Any]]) -> set[Labels]:
    """The series of episodes as they are shown."""
    return {Labels(*(one[name] for name in Labels._fields)) for one in anomalies}
