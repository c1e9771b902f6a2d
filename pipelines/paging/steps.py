"""What verdicts have done to multipliers, step by step, the newest last: to be shown and taken back; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from streamgauge.anomaly import thresholds
from streamgauge.anomaly.thresholds import DAY, EVERY, Lesson, Verdict
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.paging.judged import Told, name_of

KEPT: Final = 16  # steps that can be taken back, one after the other
REACH: Final = 14 * DAY  # and how old the oldest may be
Moved = tuple[tuple[SeriesKey, float, float], ...]  # series or pool, its multiplier before and after; sorted


class Step(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One verdict that has moved multipliers."""

    revision: int  # of the setting that said so
    time: float
    notification: str
    verdict: Verdict
    author: str
    told: Told  # what the verdict was about
    before: Verdict  # what had been said of the incident, `none` for nothing
    was_by: str  # who had said so
    moved: Moved


def moves(before: Mapping[SeriesKey, Lesson], after: Mapping[SeriesKey, Lesson]) -> Moved:
    """The multipliers that differ."""
    changed = ((key, before.get(key, Lesson()).factor, after[key].factor) for key in sorted(after))
    return tuple((key, was, now) for key, was, now in changed if was != now)


def taken_back(lessons: Mapping[SeriesKey, Lesson], step: Step) -> dict[SeriesKey, Lesson]:
    """The multipliers that the step has moved are as they were; also above what a day allows, for a person says so."""
    restored = {
        key: msgspec.structs.replace(lessons[key], factor=was, opened=was)
        for key, was, _ in step.moved if key in lessons
    }  # fmt: skip
    return {**lessons, **restored}


def recent(steps: Sequence[Step], now: float) -> tuple[Step, ...]:
    """Those that can still be taken back."""
    return tuple(step for step in steps[-KEPT:] if now - step.time <= REACH)


def said_before(lessons: Mapping[SeriesKey, Lesson], told: Told, verdict: Verdict) -> tuple[Verdict, str]:
    """Another verdict on an incident than this one, and who gave it; `none` where there is no other."""
    labels = (label for key in told.series if key in lessons for label in lessons[key].labels)
    other = (one for one in labels if one.incident == told.incident and one.verdict != verdict)
    return next(((one.verdict, one.author) for one in other), ("none", ""))


def shown(lessons: Mapping[SeriesKey, Lesson], steps: Sequence[Step]) -> dict[str, Any]:
    """Multipliers with the labels behind them, and the steps that can be taken back; as JSON shows it."""
    factors = thresholds.in_force(lessons)
    own = {key for key in lessons if key.worker != EVERY}
    return {"thresholds": [
        {
            **key._asdict(), "factor": factors.get(key, 1.0),
            "verdicts": lessons[key].threshold.verdicts if key in lessons else 0,
            "labels": [msgspec.structs.asdict(label) for label in lessons.get(key, Lesson()).labels],
        }
        for key in sorted({*factors, *own})
    ], "steps": [_step(step) for step in steps]}  # fmt: skip


def _step(step: Step) -> dict[str, Any]:
    return {
        "revision": step.revision, "time": step.time, "notification": step.notification, "verdict": step.verdict,
        "author": step.author, "about": name_of(step.told.series[0]),
        "moved": [
            {**key._asdict(), "name": name_of(key), "is_pool": key.worker == EVERY, "before": was, "after": now}
            for key, was, now in step.moved
        ],
    }  # fmt: skip
