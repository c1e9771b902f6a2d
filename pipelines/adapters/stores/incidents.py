"""Incidents: the notifications of one root episode, with what folds into it and why; from the records of any store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from streamgauge.anomaly.types import Alert, Decision, Notification, Reason, Suppressed
from streamgauge.pipelines.adapters.stores.answers import plain

MISSING: Final = "missing"  # the hard fact of a worker that is silent


class Standing(NamedTuple):
    """What of a job's incidents is open now."""

    incidents: int = 0
    suppressed: int = 0  # alerts folded beneath them
    missing: tuple[str, ...] = ()  # workers that fell silent without goodbye, by name


def standing(cases: Iterable[tuple[Sequence[Notification], Sequence[Decision]]]) -> Standing:
    """The open incidents of a job, each as (told, held) of `incident`, counted."""
    incidents = folded = 0
    missing: set[str] = set()
    for told, held in cases:
        beneath = suppressed(told, held)
        alerts = [told[-1].root, *(alert for n in told for alert in n.grouped), *(item.alert for item in beneath)]
        missing |= {alert.worker for alert in alerts if alert.metric == MISSING and alert.end is None}
        incidents, folded = incidents + 1, folded + len(beneath)
    return Standing(incidents, folded, tuple(sorted(missing)))


def in_order(told: Sequence[Notification]) -> list[Notification]:
    """As they were told."""
    return sorted(told, key=lambda n: (n.time, n.status == "resolved", n.id))


def is_open(told: Sequence[tuple[str, float]]) -> bool:
    """Whether of the (status, time) of one episode's notifications the last does not say that it is resolved."""
    resolved = [time for status, time in told if status == "resolved"]
    return not resolved or max(time for _, time in told) > max(resolved)


def incident(told: Sequence[Notification], held: Sequence[Decision]) -> dict[str, Any]:
    """One incident.

    Args:
        told: its notifications in order, at least one.
        held: the decisions to suppress an alert under this root, oldest first.
    """
    first, last = told[0], told[-1]
    episode = first.root.episode
    grouped = {alert.episode: alert for n in told for alert in n.grouped}
    return {
        "id": first.id, "episode": episode, "job": first.job, "status": last.status, "time": first.time,
        "last": last.time, "notifications": len(told), "root": plain(last.root) | {"episode": episode},
        "reason": plain(first.reason), "text": first.text, "latest": last.text,
        "suppressed": [shown(item) for item in suppressed(told, held)],
        "grouped": [plain(alert) | {"episode": name} for name, alert in sorted(grouped.items())],
    }  # fmt: skip


def trail(told: Sequence[Notification], decided: Sequence[Decision]) -> dict[str, Any]:
    """What was told and decided, in order."""
    decisions = sorted(decided, key=lambda d: (d.time, d.alert.episode, d.state, d.reason.decision))
    return {
        "trail": [
            {"id": n.id, "time": n.time, "status": n.status, "reason": plain(n.reason), "text": n.text} for n in told
        ],
        "decisions": [shown(decision) for decision in decisions],
    }


def suppressed(told: Sequence[Notification], held: Sequence[Decision]) -> list[Suppressed]:
    """What folds into an episode, by the notifications and the decisions; of one alert the last word counts."""
    words = [(n.time, item) for n in told for item in n.suppressed]
    words += [(decision.time, Suppressed(decision.alert, decision.reason)) for decision in held]
    last: dict[str, Suppressed] = {}
    for _, item in sorted(words, key=lambda word: word[0]):
        last[item.alert.episode] = item
    episode = told[0].root.episode
    return sorted((item for item in last.values() if item.alert.episode != episode), key=_onset)


def decided(told: Iterable[Notification], decisions: Iterable[Decision], limit: int) -> list[dict[str, Any]]:
    """What was decided and told as flat rows, the `limit` oldest, in order."""
    rows = [_row(one.time, one.alert, one.reason, one.state, one.notification) for one in decisions]
    rows += [_row(one.time, one.root, one.reason, f"told {one.status}", one.id) for one in told]
    return sorted(rows, key=lambda row: (row["time"], row["about"], row["what"], row["notification"]))[:limit]


def _row(time: float, alert: Alert, reason: Reason, what: str, notification: str) -> dict[str, Any]:
    return {
        "time": time, "job": alert.job, "what": what, "about": alert.episode, "place": alert.node,
        "text": f"{reason.decision}: {reason.text}", "notification": notification, "cause": reason.cause,
        "root": reason.root, "path": " > ".join(reason.path), "topology": reason.topology,
    }  # fmt: skip


def shown(item: Suppressed | Decision) -> dict[str, Any]:
    """An alert with its reason."""
    found: dict[str, Any] = plain(item)
    found["alert"]["episode"] = item.alert.episode
    return found


def _onset(item: Suppressed) -> tuple[float, str]:
    return item.alert.start, item.alert.episode
