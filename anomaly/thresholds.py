"""What on-call's verdicts teach a threshold: a bounded multiplier a series.

A false alarm raises the multiplier by 10 %, a true or a missed one lowers it by 5 %: in balance at 65 % true alarms,
the precision that is aimed for. It stays within 0.7 to 2.5, does not act before three verdicts, moves by at most a
quarter a day and fades by half in 30 days. One incident is one verdict, the last one given. Whoever always says "false
alarm" can widen a series' band to 2.5 times its width, never further.

Verdicts are gathered below the line that separates keyed work from the pager; the result goes back into the job's log
as a `Setting`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from streamgauge.anomaly.types import SeriesKey

Verdict = Literal["true_alarm", "false_alarm", "expected", "new_trend", "none", "missed"]

RAISE: Final = math.log(1.10)
LOWER: Final = math.log(0.95)
LOWEST: Final = math.log(0.7)
HIGHEST: Final = math.log(2.5)
LEAST_VERDICTS: Final = 3
HALF_LIFE: Final = 30 * 86400.0
DAY: Final = 86400.0
DAILY: Final = 1.25  # most that a multiplier in force is multiplied or divided by within a day
CORRECTED: Final = 200  # incidents of a series whose verdict can still be changed
FORGOTTEN: Final = 6 * HALF_LIFE  # nothing said for so long: what is left is below 2 %


class Threshold(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What verdicts amount to: a log multiplier as of `time`, and how many moved it."""

    log: float = 0.0
    verdicts: int = 0
    time: float = 0.0

    def factor(self, now: float) -> float:
        """What the configured threshold is multiplied by."""
        return math.exp(_faded(self, now)) if self.verdicts >= LEAST_VERDICTS else 1.0


class Label(msgspec.Struct, array_like=True, frozen=True):
    """What was said of one incident; `time` is when it was first judged."""

    incident: str
    verdict: Verdict
    time: float


class Lesson(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """All that was said of one series, and the multiplier in force."""

    settled: Threshold = Threshold()  # what the labels before `labels` amount to
    labels: tuple[Label, ...] = ()
    factor: float = 1.0
    day: int = 0  # of the last move
    opened: float = 1.0  # in force when that day began

    @property
    def threshold(self) -> Threshold:
        """What all labels amount to."""
        threshold = self.settled
        for label in self.labels:
            threshold = judge(threshold, label.verdict, label.time)
        return threshold


class Multipliers(msgspec.Struct, frozen=True):
    """The body of the setting `thresholds`: all multipliers that are not 1, sorted by series."""

    factors: tuple[tuple[SeriesKey, float], ...] = ()


class Excused(msgspec.Struct, frozen=True):
    """The body of the setting `expected`: what these series do before `until` is no news."""

    series: tuple[SeriesKey, ...]
    until: float


class Rejected(msgspec.Struct, frozen=True):
    """The body of the setting `true_alarm`: what these series did from the onset on is no lesson; or, `taught`, one."""

    series: tuple[SeriesKey, ...]
    onset: float
    taught: bool = False


def judge(threshold: Threshold, verdict: Verdict, now: float) -> Threshold:
    """The threshold after one verdict.

    `expected` and `new_trend` say that the change was real, so they move no threshold.

    >>> threshold = Threshold()
    >>> for _ in range(3):
    ...     threshold = judge(threshold, "false_alarm", now=0.0)
    >>> round(threshold.factor(0.0), 3)
    1.331
    """
    step = {"false_alarm": RAISE, "true_alarm": LOWER, "missed": LOWER}.get(verdict)
    if step is None:
        return threshold
    log = min(HIGHEST, max(LOWEST, _faded(threshold, now) + step))
    return Threshold(log=log, verdicts=threshold.verdicts + 1, time=now)


def learn(lesson: Lesson, incident: str, verdict: Verdict, now: float) -> Lesson:
    """Take in a verdict; another one of the same incident takes the place of the first."""
    labels = {label.incident: label for label in lesson.labels}
    first = labels[incident].time if incident in labels else now
    kept = tuple({**labels, incident: Label(incident, verdict, first)}.values())
    settled = lesson.settled
    for old in kept[:-CORRECTED]:
        settled = judge(settled, old.verdict, old.time)
    return msgspec.structs.replace(lesson, settled=settled, labels=kept[-CORRECTED:])


def move(lesson: Lesson, now: float) -> Lesson:
    """Bring the multiplier in force as near to what was taught as the day allows; in hundredths."""
    today = math.floor(now / DAY)
    opened = lesson.opened if today == lesson.day else lesson.factor
    is_forgotten = now - max((label.time for label in lesson.labels), default=0.0) > FORGOTTEN
    wanted = 1.0 if is_forgotten else lesson.threshold.factor(now)
    factor = round(min(opened * DAILY, max(opened / DAILY, wanted)), 2)
    return msgspec.structs.replace(lesson, factor=factor, day=today, opened=opened)


def in_force(lessons: Mapping[SeriesKey, Lesson]) -> dict[SeriesKey, float]:
    """All multipliers that are not 1, sorted by series.

    The job's own series is silent while a worker's fires, so it is as wide as the widest of its workers': else what was
    said to be no alarm at a worker would be told of the job instead.
    """
    factors = {key: lesson.factor for key, lesson in lessons.items()}
    for key, lesson in lessons.items():
        job = key._replace(worker="")
        if lesson.factor > 1.0:
            factors[job] = max(factors.get(job, 1.0), lesson.factor)
    return {key: factors[key] for key in sorted(factors) if factors[key] != 1.0}


def setting(factors: Mapping[SeriesKey, float]) -> bytes:
    """The multipliers in force as JSON, the body of a `Setting` named `thresholds`."""
    return msgspec.json.encode(Multipliers(tuple(factors.items())))


def _faded(threshold: Threshold, now: float) -> float:
    return threshold.log * math.exp2(-max(0.0, now - threshold.time) / HALF_LIFE)
