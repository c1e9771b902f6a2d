"""Runs, and two of them compared, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from streamgauge.pipelines.runs.history import Run

SHOWN: Final = 30  # series that differ most
_UNITS: Final = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


def as_lines(runs: Sequence[Run], now: float) -> Iterator[str]:
    """A line a run, the newest first, and what it ran with under it."""
    for run in reversed(runs):
        yield f"{run.name}  {run.state:<8} {length(run.until(now) - run.start):>8}  {run.began}"
        if run.configuration:
            yield "  ran with " + ", ".join(f"{name}={value}" for name, value in sorted(run.configuration.items()))
        if run.releases:
            yield "  " + ", ".join(run.releases)


def compared_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What `comparison.compare` says, the first run's values before the second's."""
    first, second = found["first"]["name"], found["second"]["name"]
    of = "all of each" if found["span"] is None else f"the first {length(found['span'])} of each"
    yield f"{first} -> {second}, {of}"
    for one in found["configuration"]:
        yield f"  {one['name']}: {_value(one['first'])} -> {_value(one['second'])}"
    for one in found["scores"]:
        yield f"  score {one['domain']}: {_number(one['first'])} -> {_number(one['second'])}"
    yield f"  incidents: {found['incidents']['first']} -> {found['incidents']['second']}"
    for one in found["series"][:SHOWN]:
        place = " ".join(filter(None, (one["domain"], one["entity"], one["metric"])))
        where = f" at {one['worker']}" if one["worker"] else ""
        change = f"{_number(one['before'])} -> {_number(one['after'])}"
        yield f"  {one['effect']:+10.1f} sigma  {place}{where}: {change}{'  anomaly' if one['anomaly'] else ''}"


def length(seconds: float) -> str:
    """Seconds as people say them.

    >>> length(90.0), length(7200.0), length(0.5), length(200000.0)
    ('1.5 min', '2 h', '0.5 s', '2.3 d')
    """
    name, unit = next(((name, unit) for name, unit in _UNITS if seconds >= unit), ("s", 1.0))
    return f"{round(seconds / unit, 1):g} {name}"


def _value(value: Any) -> str:
    return "-" if value is None else str(value)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
