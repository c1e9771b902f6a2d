"""What a notification says: the words that a person on call reads at night; pure, tested as golden text.

Values read in the unit that the metric's name implies: rates and shares in percent, delays, ages and lags as durations.
Times are the job's local ones; the onset is given in UTC too.
"""

from __future__ import annotations

import datetime
import math
import zoneinfo
from collections import Counter
from collections.abc import Sequence
from typing import Final

from streamgauge.anomaly.suppression.topology import base_of, worker_of
from streamgauge.anomaly.suppression.wording import duration, lag, place
from streamgauge.anomaly.types import Alert, Anomaly, Notification, Suppressed
from streamgauge.tracer.printable import printable

SHOWN: Final = 5  # folded alerts that are listed; the rest is counted
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PERCENT: Final = (
    "_rate", "_share", "overdue", "expired", "coverage", "keep_up", "cpu", "memory", "trace_loss", "dead_units",
    "pipeline_failing",
)  # fmt: skip
_SECONDS: Final = ("delay", "_age", "_lag", "silence", "step_time", "close_time")
_COUNTED: Final = ("nonfinite", "restarts")
_LOOK: Final = {
    "feature": "where {entity} comes from and how it is joined{at}; what was deployed shortly before",
    "source": "the source itself and what fills it; what was deployed shortly before",
    "labels": "the label producer and the join; the training input is sound as far as it is measured",
    "samples": "the producer of the samples{at}: its volume, replays and offsets; the model has trained on what came",
    "watermark": "why the worker{at} reads nothing though it lives: its input, its consumer's offsets, its threads",
    "heartbeat": "whether the process{at} is alive: its host, its exit reason, its last log lines",
    "model": "stop pushing this model; learning rate and last input{at}; restart from the last finite snapshot",
    "train": "what changed in training{at}: code, learning rate, labels and features of the same time",
    "prediction": "the features with the largest drift of the same time, and the model that predicts{at}",
    "serving": "the export and push of the model",
}


def describe(anomaly: Anomaly) -> str:
    """What an anomaly shows, without its place.

    >>> describe(Anomaly(kind="anomaly", job="flights", worker="LGA", domain="sample", entity="feature:tailnum",
    ...     metric="missing_rate", severity="page", start=0.0, time=0.0, value=1.0, expected=0.003))
    'missing_rate 100 % (normal 0.3 %)'
    """
    if anomaly.kind == "fact" and anomaly.text:
        return anomaly.text
    if anomaly.value is None:
        return anomaly.text or anomaly.metric
    expected = f" (normal {_value(anomaly.metric, anomaly.expected)})" if anomaly.expected is not None else ""
    return f"{anomaly.metric} {_value(anomaly.metric, anomaly.value)}{expected}"


def text(notification: Notification, timezone: str, workers: int = 0) -> str:
    """The whole text of a notification, several lines; `workers` is how many the job has."""
    zone = zoneinfo.ZoneInfo(timezone)
    lines = [headline(notification, timezone, workers)]
    if notification.status == "resolved":
        lines.append(_over(notification, zone))
        lines += _folded(notification.suppressed)
        return "\n".join(map(printable, lines))
    lines += [_onset(notification, zone, timezone), _why(notification)]
    if notification.grouped:
        told = ", ".join(place(alert.node) for alert in notification.grouped[:SHOWN])
        lines.append(f"It explains what was told before: {told}.")
    lines += _folded(notification.suppressed)
    lines.append(f"Look at: {_look(notification.root)}.")
    return "\n".join(map(printable, lines))


def headline(notification: Notification, timezone: str, workers: int = 0) -> str:
    """The first line: severity while it fires, job, where, what, since when."""
    zone, root = zoneinfo.ZoneInfo(timezone), notification.root
    prefix = {"firing": "", "update": "still: ", "resolved": "over: "}[notification.status]
    if notification.reason.decision == "handed over":
        return printable(f"[{root.job}] handed over: {notification.reason.text}")
    where = _where(notification, workers)
    return printable(f"[{root.job}] {prefix}{where}: {root.text} since {_clock(root.start, zone)}")


def _where(notification: Notification, workers: int) -> str:
    """The root's place; the workers that share it, and the whole job if they are most of its workers."""
    root = notification.root
    base = base_of(root.node)
    beside = {item.alert.worker for item in notification.suppressed if base_of(item.alert.node) == base} - {""}
    shared = sorted({root.worker, *beside}) if root.worker else sorted(beside)
    if not root.worker or len(shared) < 2:
        return place(root.node)
    name = base.replace(":", " ").replace("%40", "@")
    named = ", ".join(shared[:SHOWN]) + (f" and {len(shared) - SHOWN} more" if len(shared) > SHOWN else "")
    return f"{name} of the whole job ({named})" if 2 * len(shared) > workers else f"{name} at {named}"


def _onset(notification: Notification, zone: datetime.tzinfo, name: str) -> str:
    root = notification.root
    found = duration(max(0.0, root.arrival - root.start))
    told = duration(max(0.0, notification.time - root.arrival))
    parts = [f"Onset {_clock(root.start, zone)} {name} ({_clock(root.start, datetime.UTC)} UTC), found {found} later"]
    if notification.time > root.arrival and notification.status == "firing":
        parts.append(f"held {told} for a cause to show")
    return ", ".join(parts) + f"; severity {root.severity}."


def _why(notification: Notification) -> str:
    reason = notification.reason
    return f"Why you are told: {reason.decision}, {reason.text}."


def _over(notification: Notification, zone: datetime.tzinfo) -> str:
    root = notification.root
    end = root.end if root.end is not None else notification.time
    if notification.reason.decision == "handed over":
        return f"This part was over at {_clock(end, zone)}; what still fires was told for itself or waits."
    return f"It was over at {_clock(end, zone)}, after {duration(end - root.start)}."


def _folded(suppressed: Sequence[Suppressed]) -> list[str]:
    if not suppressed:
        return ["Nothing is folded beneath it."]
    kinds = Counter(base_of(item.alert.node).partition(":")[0] for item in suppressed)
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    counted = ", ".join(f"{count} of {kind}" for kind, count in ordered)
    lines = [f"Folded beneath it, {len(suppressed)}: {counted}."]
    for item in suppressed[:SHOWN]:
        path = f" ({' -> '.join(item.reason.path)})" if len(item.reason.path) > 1 else ""
        lines.append(f"  - {place(item.alert.node)}: {item.alert.text}, {lag(item.reason.gap)}{path}")
    if len(suppressed) > SHOWN:
        lines.append(f"  - and {len(suppressed) - SHOWN} more")
    return lines


def _look(root: Alert) -> str:
    base, worker = base_of(root.node), worker_of(root.node)
    kind, _, name = base.partition(":")
    at = f" at {worker}" if worker else ""
    return _LOOK.get(kind, "what changed here{at} shortly before").format(entity=name or kind, at=at)


def _value(metric: str, value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    name = metric.partition("@")[0]
    for suffix in ("_p50", "_p95", "_p99", "_mean", "_max"):
        name = name.removesuffix(suffix)
    if name in _COUNTED:
        return f"{value:g}"
    if name.endswith(_SECONDS):
        return duration(value)
    if name.endswith(_PERCENT):
        return f"{_short(100.0 * value)} %"
    return _short(value)


def _short(value: float) -> str:
    """Three digits at most that matter, no exponent for ordinary sizes.

    >>> _short(0.3), _short(100.0), _short(1234.4), _short(0.00012)
    ('0.3', '100', '1234', '0.00012')
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _clock(time: float, zone: datetime.tzinfo) -> str:
    local = datetime.datetime.fromtimestamp(time, zone)
    return f"{local.day} {_MONTHS[local.month - 1]} {local:%H:%M}"
