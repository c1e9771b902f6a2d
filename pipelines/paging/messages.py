"""What a notification says: the words that a person on call reads at night; pure, tested as golden text.

The first line is what a lock screen shows: how urgent, which job, where, what, since when, in `LONGEST` characters.
Then whom it hurts, the cause with its normal, what is not touched, what to do first and what not to do, what is folded
beneath it and why, and what happens next. Times are the job's local ones; the onset is given in UTC too. Words of
metrics and places are in `words`.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from streamgauge.anomaly.suppression.topology import base_of, worker_of
from streamgauge.anomaly.suppression.wording import duration, entity, lag, listed, place, places
from streamgauge.anomaly.types import Alert, Notification, Suppressed
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.paging import gate, words
from streamgauge.pipelines.paging.hints import hints
from streamgauge.tracer.printable import printable

LONGEST: Final = 120  # characters of the first line
SHOWN: Final = 5  # folded alerts that are listed; the rest is counted
NAMED: Final = 3  # features that a first line has room for
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_URGENCY: Final = {"info": "INFO", "ticket": "TICKET", "page": "PAGE", "page-now": "PAGE NOW"}
_MANY: Final = {"feature": "features", "heartbeat": "workers"}
_WHY: Final = {
    "root": "it is taken for the root", "outlived cause": "it went on after its cause was over",
    "unknown node": "nothing is known upstream of it", "unsuppressed": "somebody asked for it",
    "repeat": "nobody has acknowledged it",
}  # fmt: skip


def text(notification: Notification, job: JobConfig, *, workers: int = 0, sound: Sequence[str] = ()) -> str:
    """The whole text of a notification, several lines.

    Args:
        notification: what is told.
        job: its job; only the time zone and the times of paging are read.
        workers: how many the job has.
        sound: kinds of places at which nothing is open.
    """
    zone = zoneinfo.ZoneInfo(job.timezone)
    lines = [headline(notification, job.timezone, workers)]
    if notification.status == "resolved":
        lines += [_over(notification, zone), *_folded(notification.suppressed)]
        return "\n".join(map(printable, lines))
    action = _action(notification.root)
    lines += [
        _impact(notification, zone, action),
        f"Cause: {_cause(notification)}, {notification.root.text}.",
        _why(notification),
        _onset(notification, zone, job.timezone),
        *_not_touched(sound),
        f"Look at: {_filled(action.first, notification.root)}.",
        f"Careful: {_filled(action.never, notification.root)}.",
    ]
    if notification.grouped:
        told = ", ".join(place(alert.node) for alert in notification.grouped[:SHOWN])
        lines.append(f"It explains what was told before: {told}.")
    about = [notification.root, *notification.grouped, *(item.alert for item in notification.suppressed)]
    lines += [f"Hint: {hint}." for hint in hints(about)]
    lines += [*_folded(notification.suppressed), _next(notification, zone, job)]
    return "\n".join(map(printable, lines))


def headline(notification: Notification, timezone: str, workers: int = 0) -> str:
    """The first line; where it is too long what is normal goes first, then the end of what it says."""
    zone, root = zoneinfo.ZoneInfo(timezone), notification.root
    head = f"{_prefix(notification)} [{root.job}] "
    if notification.reason.decision == "handed over":
        return _cut(printable(f"{head}{notification.reason.text}"), LONGEST)
    begin = f"{head}{_where(notification, workers)}: "
    since = f" since {_clock(root.start, zone)}"
    room = max(LONGEST - len(since), 20)
    what = root.text if len(printable(begin + root.text)) <= room else root.text.partition(" (")[0]
    return _cut(printable(begin + what), room) + since


def _prefix(notification: Notification) -> str:
    urgency = _URGENCY[notification.root.severity]
    if notification.reason.decision == "handed over":
        return "OVER IN PART"
    if notification.status == "resolved":
        return "OVER"
    is_repeat = notification.status == "update" and notification.reason.decision == "repeat"
    return f"STILL {urgency}" if is_repeat else urgency


def _cut(line: str, room: int) -> str:
    return line if len(line) <= room else line[: room - 3].rstrip() + "..."


def _where(notification: Notification, workers: int) -> str:
    """The root's place; the features or workers that share it, and the whole job if they are most of its workers."""
    root = notification.root
    if features := _features(notification):
        return f"{len(features)} features ({listed(features, NAMED)})"
    base = base_of(root.node)
    beside = {item.alert.worker for item in notification.suppressed if base_of(item.alert.node) == base} - {""}
    shared = sorted({root.worker, *beside}) if root.worker else sorted(beside)
    if not root.worker or len(shared) < 2:
        return place(root.node)
    return places(base, listed(shared, SHOWN), is_whole=2 * len(shared) > workers)


def _cause(notification: Notification) -> str:
    features = _features(notification)
    return f"features {listed(features, SHOWN)} of the whole job" if features else place(notification.root.node)


def _features(notification: Notification) -> list[str]:
    """The features of the whole job that state the root's fact, the root first; none where it is alone."""
    root, kind = notification.root, "feature:"
    alike = [
        item.alert.node for item in notification.suppressed
        if item.alert.metric == root.metric and item.reason.decision == "grouped" and not item.alert.worker
    ]  # fmt: skip
    names = [name.removeprefix(kind).replace("%40", "@") for name in (root.node, *alike) if name.startswith(kind)]
    return names if len(names) > 1 and not root.worker and root.node.startswith(kind) else []


def _impact(notification: Notification, zone: datetime.tzinfo, action: words.Action) -> str:
    root = notification.root
    said = _filled(action.impact, root)
    if root.severity not in ("page", "page-now"):
        return f"Impact: {said}."
    at = _clock(root.start, zone, notification.time)
    if base_of(root.node) == gate.SERVING:
        return f"Impact: {said}. The gate holds no push for it, as a push ends it."
    good = "" if root.domain == "system" else f"; the last good model is from before {at}"
    return f"Impact: {said}. The gate holds model pushes while this is open{good}."


def _why(notification: Notification) -> str:
    reason = notification.reason
    known = _WHY.get(reason.decision)
    return f"Why you are told: {known}; {reason.text}." if known else f"Why you are told: {reason.text}."


def _onset(notification: Notification, zone: datetime.tzinfo, name: str) -> str:
    root = notification.root
    found = duration(max(0.0, root.arrival - root.start))
    local, utc = _clock(root.start, zone), _clock(root.start, datetime.UTC)
    since = f"Since {local} {name}" if name == "UTC" else f"Since {local} {name} ({utc} UTC)"
    parts = [since, f"found {found} later"]
    if notification.time > root.arrival and notification.status == "firing":
        parts.append(f"held {duration(notification.time - root.arrival)} for a cause to show")
    return ", ".join(parts) + "."


def _not_touched(sound: Sequence[str]) -> Iterator[str]:
    if sound:
        yield f"Nothing is open at: {', '.join(_MANY.get(kind, entity(kind)) for kind in sound)}."


def _over(notification: Notification, zone: datetime.tzinfo) -> str:
    root = notification.root
    end = root.end if root.end is not None else notification.time
    if notification.reason.decision == "handed over":
        return f"This part was over at {_clock(end, zone)}; what still fires was told for itself or waits."
    return f"It was over at {_clock(end, zone)}, after {duration(end - root.start)}."


def _folded(suppressed: Sequence[Suppressed]) -> Iterator[str]:
    if not suppressed:
        yield "Nothing is folded beneath it."
        return
    kinds = Counter(base_of(item.alert.node).partition(":")[0] for item in suppressed)
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    counted = ", ".join(f"{count} of {entity(kind)}" for kind, count in ordered)
    yield f"Folded beneath it, {len(suppressed)}: {counted}."
    for item in suppressed[:SHOWN]:
        yield f"  - {place(item.alert.node)}: {item.alert.text}, {lag(item.reason.gap)}{_way(item)}"
    if len(suppressed) > SHOWN:
        yield f"  - and {len(suppressed) - SHOWN} more"


def _way(item: Suppressed) -> str:
    """Through which places it follows from the root, if any lie between."""
    between = [place(node) for node in item.reason.path[1:-1]]
    return f", by way of {', '.join(between)}" if between else ""


def _next(notification: Notification, zone: datetime.tzinfo, job: JobConfig) -> str:
    """What happens if nobody does anything."""
    if notification.root.severity not in ("page", "page-now"):
        return "Next: nobody is woken for it; that it is over is told here."
    paging, end = job.paging, "that it is over is told here"
    if paging.repeat <= 0:
        return f"Next: it is not told again; {end}."
    times = [notification.first + after for after in paging.remind if notification.first + after > notification.time]
    again = "at " + ", ".join(_clock(time, zone, notification.time) for time in times) if times else ""
    again = again or f"every {duration(paging.repeat)}"
    others = ""
    if notification.informed and not notification.is_escalated:
        at = _clock(notification.first + paging.involve, zone, notification.time)
        others = f"; from {at} on {', '.join(notification.informed)} too"
    return f"Next: told again {again}{others}, until somebody acknowledges it; {end}."


def _action(root: Alert) -> words.Action:
    return words.ACTIONS.get(base_of(root.node).partition(":")[0], words.OTHER)


def _filled(text: str, root: Alert) -> str:
    kind, _, name = base_of(root.node).partition(":")
    worker = worker_of(root.node)
    return text.replace("{at}", f" at {worker}" if worker else "").replace("{it}", (name or kind).replace("%40", "@"))


def _clock(time: float, zone: datetime.tzinfo, now: float | None = None) -> str:
    """A local time; without its date if that is the date of `now`."""
    local = datetime.datetime.fromtimestamp(time, zone)
    if now is not None and local.date() == datetime.datetime.fromtimestamp(now, zone).date():
        return f"{local:%H:%M}"
    return f"{local.day} {_MONTHS[local.month - 1]} {local:%H:%M}"
