"""What on-call's verdicts teach a threshold: a bounded multiplier a series.

A false alarm raises the multiplier by 10 %, a true one takes twice that back and never goes below the configured
threshold: while a third of a series' pages are worth it, nothing moves. Only what was missed lowers it, by 5 %. It
stays within 0.7 to 2.5, does not act before three verdicts, moves by at most a quarter a day and fades by half in 30
days. One incident is one verdict, the last one given. Of one person as many verdicts count as of all others together,
or three: whoever always says "false alarm" widens a series' band to 1.33 times its width, all of a team to 2.5 times.

Few series page often enough to be judged three times, so like series (the same metric of a job, of whatever entity and
worker) are pooled: what was said of one counts half for all of them once three of them were judged, and a series' own
verdicts weigh against ten of the pool's, though never to the contrary of their own.

Verdicts are gathered below the line that separates keyed work from the pager; the result goes back into the job's log
as a `Setting`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from streamgauge.anomaly.types import SeriesKey

Verdict = Literal["true_alarm", "false_alarm", "expected", "new_trend", "none", "missed"]

RAISE: Final = math.log(1.10)
LOWER: Final = math.log(0.95)
STEPS: Final[Mapping[Verdict, float]] = {"false_alarm": RAISE, "true_alarm": -2.0 * RAISE, "missed": LOWER}
LOWEST: Final = math.log(0.7)
HIGHEST: Final = math.log(2.5)
LEAST_VERDICTS: Final = 3
HALF_LIFE: Final = 30 * 86400.0
DAY: Final = 86400.0
DAILY: Final = 1.25  # most that a multiplier in force is multiplied or divided by within a day
LEAST_SERIES: Final = 3  # that a pool is about
POOLED: Final = 10.0  # verdicts of its own that weigh as much as the pool's
LIKE: Final = 0.5  # of what a verdict says of its series, that it says of those that are like it
EVERY: Final = "*"  # worker and entity of a pool's key
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
    """What was said of one incident; `time` is when it was first judged, `author` who had the last word."""

    incident: str
    verdict: Verdict
    time: float
    author: str = ""  # those without a name are one person


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
        for label in counted(self.labels):
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


class Rollback(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A person takes back what the setting of this revision did to thresholds."""

    version: int = 1
    job: str
    revision: int
    author: str = ""
    comment: str = ""
    time: float = 0.0


def judge(threshold: Threshold, verdict: Verdict, now: float) -> Threshold:
    """The threshold after one verdict.

    `expected` and `new_trend` say that the change was real, so they move no threshold. A true alarm takes back what
    false ones have raised and no more: that a page was right is no reason for others that were none.

    >>> threshold = Threshold()
    >>> for _ in range(3):
    ...     threshold = judge(threshold, "false_alarm", now=0.0)
    >>> round(threshold.factor(0.0), 3)
    1.331
    """
    step = STEPS.get(verdict)
    if step is None:
        return threshold
    before = _faded(threshold, now)
    lowest = min(0.0, before) if verdict == "true_alarm" else LOWEST
    log = min(HIGHEST, max(lowest, before + step))
    return Threshold(log=log, verdicts=threshold.verdicts + 1, time=now)


def counted(labels: Sequence[Label]) -> list[Label]:
    """Those that move a threshold: of one author the newest, as many as of all others together, but three at least.

    >>> said = [Label(f"n{n}", "false_alarm", float(n), "Ada") for n in range(9)]
    >>> [label.incident for label in counted(said)]
    ['n6', 'n7', 'n8']
    >>> len(counted([*said, *(Label(f"m{n}", "true_alarm", 9.0, "Bo") for n in range(4))]))
    8
    """
    moving = [label for label in labels if label.verdict in STEPS]
    given = Counter(label.author for label in moving)
    left = {author: max(LEAST_VERDICTS, len(moving) - count) for author, count in given.items()}
    kept = []
    for label in reversed(moving):
        if left[label.author] > 0:
            left[label.author] -= 1
            kept.append(label)
    return kept[::-1]


def learn(lesson: Lesson, incident: str, verdict: Verdict, now: float, author: str = "") -> Lesson:
    """Take in a verdict; another one of the same incident takes the place of the first."""
    labels = {label.incident: label for label in lesson.labels}
    first = labels[incident].time if incident in labels else now
    kept = tuple({**labels, incident: Label(incident, verdict, first, author)}.values())
    settled, moving = lesson.settled, counted(kept)
    for old in kept[:-CORRECTED]:
        settled = judge(settled, old.verdict, old.time) if old in moving else settled
    return msgspec.structs.replace(lesson, settled=settled, labels=kept[-CORRECTED:])


def pool_of(key: SeriesKey) -> SeriesKey:
    """The key of all series that are like this one.

    >>> pool_of(SeriesKey("flights", "LGA", "sample", "feature:tailnum", "missing_rate"))
    SeriesKey(job='flights', worker='*', domain='sample', entity='*', metric='missing_rate')
    """
    return key._replace(worker=EVERY, entity=EVERY)


def pooled(
    pool: Lesson, series: SeriesKey, incident: str, verdict: Verdict, now: float, author: str = ""
) -> Lesson:
    """Take in what was said of one of a pool's series."""
    learnt = learn(pool, f"{incident} of {series.entity}@{series.worker}", verdict, now, author)
    labels = sorted(learnt.labels, key=lambda label: (label.time, label.incident))
    return msgspec.structs.replace(learnt, labels=tuple(labels))


def move_all(lessons: Mapping[SeriesKey, Lesson], now: float) -> dict[SeriesKey, Lesson]:
    """Bring every multiplier in force as near to what it and its pool were taught as the day allows."""
    pools = {key: lesson for key, lesson in lessons.items() if key.worker == EVERY and _is_pooled(lesson)}
    moved = {}
    for key, lesson in lessons.items():
        pool = pools.get(pool_of(key))
        alone = 1.0 if key.worker == EVERY else lesson.threshold.factor(now)
        own = Threshold() if key.worker == EVERY else lesson.threshold
        moved[key] = move(lesson, now, alone if pool is None else _shared(own, pool.threshold, now))
    return moved


def move(lesson: Lesson, now: float, wanted: float | None = None) -> Lesson:
    """Bring the multiplier in force as near to what is `wanted` as the day allows; None: to what was taught."""
    today = math.floor(now / DAY)
    opened = lesson.opened if today == lesson.day else lesson.factor
    is_forgotten = now - max((label.time for label in lesson.labels), default=0.0) > FORGOTTEN
    taught = lesson.threshold.factor(now) if wanted is None else wanted
    wanted = 1.0 if is_forgotten else taught
    factor = round(min(opened * DAILY, max(opened / DAILY, wanted)), 2)
    return msgspec.structs.replace(lesson, factor=factor, day=today, opened=opened)


def in_force(lessons: Mapping[SeriesKey, Lesson]) -> dict[SeriesKey, float]:
    """All multipliers that are not 1, or another one than their pool's; sorted by series.

    The job's own series is silent while a worker's fires, so it is as wide as the widest of its workers': else what was
    said to be no alarm at a worker would be told of the job instead.
    """
    factors = {key: lesson.factor for key, lesson in lessons.items()}
    for key, lesson in lessons.items():
        job = key._replace(worker="")
        if lesson.factor > 1.0 and key.worker != EVERY:
            factors[job] = max(factors.get(job, 1.0), lesson.factor)
    usual = {key: 1.0 if key.worker == EVERY else factors.get(pool_of(key), 1.0) for key in factors}
    return {key: factors[key] for key in sorted(factors) if factors[key] != usual[key]}


def factor_of(factors: Mapping[SeriesKey, float], key: SeriesKey) -> float:
    """The multiplier of a series: its own, its pool's, or 1.

    >>> key = SeriesKey("flights", "LGA", "sample", "feature:tailnum", "missing_rate")
    >>> factor_of({pool_of(key): 1.2}, key)
    1.2
    """
    own = factors.get(key)
    return factors.get(pool_of(key), 1.0) if own is None else own


def setting(factors: Mapping[SeriesKey, float]) -> bytes:
    """The multipliers in force as JSON, the body of a `Setting` named `thresholds`."""
    return msgspec.json.encode(Multipliers(tuple(factors.items())))


def is_spent(lesson: Lesson, now: float) -> bool:
    """Whether nothing is left of all that was said."""
    return lesson.factor == 1.0 and now - max(label.time for label in lesson.labels) > FORGOTTEN


def _is_pooled(pool: Lesson) -> bool:
    """Whether enough series of a pool were judged."""
    judged = {label.incident.rpartition(" of ")[2] for label in pool.labels if label.verdict in STEPS}
    return len(judged) >= LEAST_SERIES


def _shared(own: Threshold, pool: Threshold, now: float) -> float:
    """What a series' own verdicts and its pool's amount to."""
    both = own.verdicts * _faded(own, now) + POOLED * LIKE * _faded(pool, now)
    shared = math.exp(both / (own.verdicts + POOLED))
    return 1.0 if (own.factor(now) - 1.0) * (shared - 1.0) < 0.0 else shared


def _faded(threshold: Threshold, now: float) -> float:
    return threshold.log * math.exp2(-max(0.0, now - threshold.time) / HALF_LIFE)
