"""The runs of a job, from what the store keeps of it; pure.

A run begins when the job does, or when most of its workers begin anew (a roll-out), and ends with the next one or when
all workers are gone. What it ran with is what its workers said (`Tracer.configured`), what was released in it what
`Tracer.event("pushed", VERSION)` and the like told.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from streamgauge.pipelines.stream import rollouts
from streamgauge.tracer.arguments import CONFIGURED

RELEASES: Final = ("pushed", "deployed", "released", "rolled_back")
LATE: Final = 3  # slides of the shortest window without data after which a run is stale, as on the page
MOST_RELEASES: Final = 20  # the newest ones that a run shows
BEFORE: Final = rollouts.WITHIN / 1e6  # seconds for which workers say what they run with before they are most of them

State = Literal["starting", "running", "stale", "stopped"]


class Run(NamedTuple):
    """One life of a job. Times are seconds since the epoch."""

    name: str  # its begin, 2026-01-31T12:00:00Z
    start: float
    end: float | None  # None while it goes on
    state: State
    began: Literal["started", "rolled out"]
    configuration: dict[str, Any]
    releases: tuple[str, ...]  # `pushed v7`, oldest first

    def until(self, now: float) -> float:
        """Its end, or now."""
        return now if self.end is None else self.end


class _Begin(NamedTuple):
    at: float
    how: Literal["started", "rolled out"]


def runs_of(
    changes: Sequence[Mapping[str, Any]], episodes: Iterable[Mapping[str, Any]], *, last: float | None, now: float,
    slide: float,
) -> list[Run]:  # fmt: skip
    """The runs, oldest first.

    Args:
        changes: of the job, by time (`Query.changes`).
        episodes: its anomalies, among them the roll-outs (`Query.anomalies`).
        last: time of its newest score, None while there is none.
        now: by the clock that the job's times are of.
        slide: of its shortest window, seconds.

    >>> changes = [dict(name="begin", time=0.0, text=""), dict(name="pushed", time=60.0, text="v7"),
    ...            dict(name="end", time=90.0, text=""), dict(name="begin", time=120.0, text="")]
    >>> [(run.name, run.end, run.state, run.releases)
    ...  for run in runs_of(changes, [], last=180.0, now=200.0, slide=60.0)]
    [('1970-01-01T00:00:00Z', 90.0, 'stopped', ('pushed v7',)), ('1970-01-01T00:02:00Z', None, 'running', ())]
    """
    ends = [one["time"] for one in changes if one["name"] == "end"]
    begins = _begins(changes, episodes, ends)
    after = [begin.at for begin in begins[1:]]
    found = []
    for i, begin in enumerate(begins):
        end = min([*(at for at in ends if at >= begin.at), *after[i : i + 1]], default=None)
        told = [one for one in changes if _is_of(one["time"], begins, i, ends)]
        found.append(
            Run(
                name_of(begin.at), begin.at, end, _state(begin, end, last, now, slide), begin.how, _configuration(told),
                _releases(told),
            )
        )  # fmt: skip
    return found


def name_of(time: float) -> str:
    """A moment as runs are called by it."""
    return datetime.datetime.fromtimestamp(time, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find(runs: Sequence[Run], text: str) -> Run:
    """The run that a text means: `last`, `previous`, or the beginning of a name. Raises LookupError."""
    place = {"last": 1, "previous": 2}.get(text)
    if place is not None and len(runs) >= place:
        return runs[-place]
    fitting = [run for run in runs if text and run.name.startswith(text)]
    if len(fitting) != 1:
        known = ", ".join(run.name for run in runs[-10:]) or "none yet"
        raise LookupError(f"{len(fitting)} runs begin at {text[:40]!r}; say last, previous, or one of: {known}")
    return fitting[0]


def _begins(
    changes: Iterable[Mapping[str, Any]], episodes: Iterable[Mapping[str, Any]], ends: Sequence[float]
) -> list[_Begin]:
    """Without the roll-outs of jobs that do not run, or that only say again what a start says."""
    started = [_Begin(one["time"], "started") for one in changes if one["name"] == "begin"]
    rolled = sorted({one["start"] for one in episodes if one["metric"] == rollouts.METRIC and one["kind"] == "fact"})
    kept = []
    for at in rolled:
        before = max((begin.at for begin in started if begin.at <= at), default=None)
        if before is not None and at - before > BEFORE and not any(before <= end <= at for end in ends):
            kept.append(_Begin(at, "rolled out"))
    return sorted([*started, *kept])


def _is_of(time: float, begins: Sequence[_Begin], i: int, ends: Sequence[float]) -> bool:
    """Whether something told at `time` is of the run `i`; what is told between two runs is of the later one."""
    return (i == 0 or time >= _first(begins, i, ends)) and (
        i + 1 == len(begins) or time < _first(begins, i + 1, ends)
    )


def _first(begins: Sequence[_Begin], i: int, ends: Sequence[float]) -> float:
    """From when on things are of the run `i`: since the end before it, or some minutes before a roll-out."""
    begin = begins[i]
    if begin.how == "rolled out":
        return max(begin.at - BEFORE, begins[i - 1].at)
    return max((end for end in ends if begins[i - 1].at <= end <= begin.at), default=begin.at)


def _configuration(told: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the workers said last, by name; what is no JSON object is left out."""
    found = dict[str, Any]()
    for one in told:
        if one["name"] == CONFIGURED:
            try:
                found |= msgspec.json.decode(one["text"].encode(), type=dict[str, Any])
            except msgspec.DecodeError:
                continue
    return found


def _releases(told: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(f"{one['name']} {one['text']}".strip() for one in told if one["name"] in RELEASES)[-MOST_RELEASES:]


def _state(begin: _Begin, end: float | None, last: float | None, now: float, slide: float) -> State:
    if end is not None:
        return "stopped"
    if last is None or last <= begin.at:
        return "starting"
    return "stale" if now - last > LATE * slide else "running"
