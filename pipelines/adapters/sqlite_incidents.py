"""Incidents: the notifications of one root episode, with what folds into it and why, from the embedded store."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

from anomaly.types import Decision, Notification, Suppressed
from pipelines.adapters.sqlite_read import plain

_notification: Final = msgspec.msgpack.Decoder(Notification)
_decision: Final = msgspec.msgpack.Decoder(Decision)
# of the notifications of one episode: the last one does not say that it is resolved
_OPEN: Final = "max(time) > max(CASE status WHEN 'resolved' THEN time ELSE -1e300 END)"


def incidents(
    store: sqlite3.Connection, job: str | None, start: float, end: float, limit: int
) -> list[dict[str, Any]]:
    """The newest `limit` incidents that were told of, or open, in [start, end), newest first."""
    rows = store.execute(
        "SELECT episode, min(time) AS first FROM notifications WHERE ?1 IS NULL OR job = ?1 GROUP BY episode"
        f" HAVING first < ?3 AND (max(time) >= ?2 OR {_OPEN}) ORDER BY first DESC, episode LIMIT ?4",
        (job, start, end, limit),
    ).fetchall()
    return [_incident(store, episode) for episode, _ in rows]


def incident(store: sqlite3.Connection, name: str) -> dict[str, Any] | None:
    """The incident of a notification's id or of an episode, with the trail of what was told and decided."""
    row = store.execute(
        "SELECT episode FROM notifications WHERE id = ?1 OR episode = ?1 ORDER BY time LIMIT 1", (name,)
    ).fetchone()
    if row is None:
        return None
    told = _told(store, row[0])
    decided = store.execute(
        "SELECT body FROM decisions WHERE root = ?1 OR episode = ?1 OR notification IN"
        " (SELECT id FROM notifications WHERE episode = ?1) ORDER BY time, episode, state, decision",
        (row[0],),
    )
    return _incident(store, row[0]) | {
        "trail": [
            {"id": n.id, "time": n.time, "status": n.status, "reason": plain(n.reason), "text": n.text} for n in told
        ],
        "decisions": [_shown(_decision.decode(body)) for (body,) in decided],
    }


def silenced(store: sqlite3.Connection, job: str, limit: int) -> list[dict[str, Any]]:
    """The newest `limit` alerts of a job whose last decision is that a silence holds them back."""
    rows = store.execute(
        "SELECT body FROM decisions AS one WHERE job = ?1 AND state = 'silenced' AND time ="
        " (SELECT max(time) FROM decisions WHERE job = ?1 AND episode = one.episode)"
        " ORDER BY time DESC, episode LIMIT ?2",
        (job, limit),
    )
    return [_shown(_decision.decode(body)) for (body,) in rows]


def still_open(store: sqlite3.Connection, job: str) -> tuple[int, int]:
    """(incidents not resolved, alerts suppressed under them) of a job now."""
    rows = store.execute(
        f"SELECT episode FROM notifications WHERE job = ? GROUP BY episode HAVING {_OPEN} ORDER BY episode", (job,)
    ).fetchall()
    return len(rows), sum(len(_suppressed(store, episode, _told(store, episode))) for (episode,) in rows)


def _incident(store: sqlite3.Connection, episode: str) -> dict[str, Any]:
    told = _told(store, episode)
    first, last = told[0], told[-1]
    grouped = {alert.episode: alert for n in told for alert in n.grouped}
    return {
        "id": first.id, "episode": episode, "job": first.job, "status": last.status, "time": first.time,
        "last": last.time, "notifications": len(told), "root": plain(last.root) | {"episode": episode},
        "reason": plain(first.reason), "text": first.text, "latest": last.text,
        "suppressed": [_shown(item) for item in _suppressed(store, episode, told)],
        "grouped": [plain(alert) | {"episode": name} for name, alert in sorted(grouped.items())],
    }  # fmt: skip


def _told(store: sqlite3.Connection, episode: str) -> list[Notification]:
    order = "ORDER BY time, status = 'resolved', id"
    rows = store.execute(f"SELECT body FROM notifications WHERE episode = ? {order}", (episode,))
    return [_notification.decode(body) for (body,) in rows]


def _suppressed(store: sqlite3.Connection, episode: str, told: list[Notification]) -> list[Suppressed]:
    """What folds into an episode, by the notifications and the decisions; of one alert the last word counts."""
    words = [(n.time, item) for n in told for item in n.suppressed]
    rows = store.execute("SELECT body FROM decisions WHERE root = ? AND state = 'suppressed' ORDER BY time", (episode,))
    for (body,) in rows:
        decision = _decision.decode(body)
        words.append((decision.time, Suppressed(decision.alert, decision.reason)))
    last: dict[str, Suppressed] = {}
    for _, item in sorted(words, key=lambda word: word[0]):
        last[item.alert.episode] = item
    return sorted((item for item in last.values() if item.alert.episode != episode), key=_onset)


def _onset(item: Suppressed) -> tuple[float, str]:
    return item.alert.start, item.alert.episode


def _shown(item: Suppressed | Decision) -> dict[str, Any]:
    shown: dict[str, Any] = plain(item)
    shown["alert"]["episode"] = item.alert.episode
    return shown
