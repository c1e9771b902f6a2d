"""What a notification was about, as far as people can judge it: the series, the incident, how loud it was; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec

from streamgauge.anomaly.suppression.wording import place
from streamgauge.anomaly.thresholds import EVERY, LEAST_VERDICTS, STEPS, Lesson, Verdict, counted
from streamgauge.anomaly.types import Alert, Domain, Notification, SeriesKey, Severity, fingerprint


class Told(msgspec.Struct, array_like=True, frozen=True):
    """What one notification was about."""

    incident: str
    series: tuple[SeriesKey, ...]  # none: a fact
    severity: Severity
    start: float


def told_of(notification: Notification) -> Told:
    """What can be judged of it."""
    root = notification.root
    return Told(root.episode, _series(notification), root.severity, root.start)


def with_job(series: Sequence[SeriesKey]) -> tuple[SeriesKey, ...]:
    """And the job's own ones, which were silent because a worker's spoke for them."""
    return tuple(sorted({*series, *(key._replace(worker="") for key in series)}))


def is_fact(alert: Alert) -> bool:
    """Whether it is of a declared limit or of what never holds: it has no threshold."""
    return alert.fingerprint == fingerprint("fact", *_key(alert))


def allowed(verdict: Verdict, severity: Severity) -> Verdict:
    """The verdict as it counts: nobody can raise the threshold of what pages at once."""
    return "none" if verdict == "false_alarm" and severity == "page-now" else verdict


def name_of(key: SeriesKey) -> str:
    """A series in words.

    >>> name_of(SeriesKey("flights", "LGA", "sample", "feature:tailnum", "missing_rate"))
    'missing_rate of feature tailnum at LGA'
    """
    if key.worker == EVERY:
        return f"{key.metric} of all others"
    return f"{key.metric} of {place(key.node)}"


def unmoved(told: Told, verdict: Verdict, lesson: Lesson) -> str:
    """Why a verdict on this has moved no threshold."""
    count, at = lesson.threshold.verdicts, f"{name_of(told.series[0])} stays at {lesson.factor:.2f}"
    if allowed(verdict, told.severity) != verdict:
        return f"{at}: what pages at once is never raised"
    if count < LEAST_VERDICTS:
        return f"{at}, {count} of {LEAST_VERDICTS} verdicts"
    left_out = sum(label.verdict in STEPS for label in lesson.labels) - len(counted(lesson.labels))
    return f"{at}: {left_out} verdicts of one person are more than those of all others" if left_out else at


def _series(notification: Notification) -> tuple[SeriesKey, ...]:
    """The root's series, and the same one of each worker where the job as a whole was told."""
    root = notification.root
    beneath = (*(item.alert for item in notification.suppressed), *notification.grouped) if not root.worker else ()
    same = [alert for alert in beneath if _key(alert)._replace(worker="") == _key(root)]
    keys = {_key(alert) for alert in (root, *same) if not is_fact(alert) and alert.domain in get_args(Domain)}
    return tuple(sorted(keys))


def _key(alert: Alert) -> SeriesKey:
    return SeriesKey(alert.job, alert.worker, alert.domain, alert.entity, alert.metric)  # type: ignore[arg-type]
