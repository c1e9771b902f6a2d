"""Incidents from the embedded store: which there are, and the records that each is made of."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Decision, Notification
from streamgauge.pipelines.adapters.stores import incidents as shape

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
        " (SELECT id FROM notifications WHERE episode = ?1)",
        (row[0],),
    )
    return _incident(store, row[0]) | shape.trail(told, [_decision.decode(body) for (body,) in decided])


def decided(store: sqlite3.Connection, job: str, start: float, end: float, limit: int) -> list[dict[str, Any]]:
    """What was decided and told in [start, end), the `limit` oldest."""

    def bodies(table: str) -> list[bytes]:
        query = f"SELECT body FROM {table} WHERE job = ? AND time >= ? AND time < ? ORDER BY time, 1 LIMIT ?"
        return [body for (body,) in store.execute(query, (job, start, end, limit))]

    told = [_notification.decode(body) for body in bodies("notifications")]
    return shape.decided(told, [_decision.decode(body) for body in bodies("decisions")], limit)


def silenced(store: sqlite3.Connection, job: str, limit: int) -> list[dict[str, Any]]:
    """The newest `limit` alerts of a job whose last decision is that a silence holds them back."""
    rows = store.execute(
        "SELECT body FROM decisions AS one WHERE job = ?1 AND state = 'silenced' AND time ="
        " (SELECT max(time) FROM decisions WHERE job = ?1 AND episode = one.episode)"
        " ORDER BY time DESC, episode LIMIT ?2",
        (job, limit),
    )
    return [shape.shown(_decision.decode(body)) for (body,) in rows]


def still_open(store: sqlite3.Connection, job: str) -> shape.Standing:
    """What of a job is open now."""
    rows = store.execute(
        f"SELECT episode FROM notifications WHERE job = ? GROUP BY episode HAVING {_OPEN} ORDER BY episode", (job,)
    ).fetchall()
    return shape.standing((_told(store, name), _held(store, name)) for (name,) in rows)


def _incident(store: sqlite3.Connection, episode: str) -> dict[str, Any]:
    return shape.incident(_told(store, episode), _held(store, episode))


def _told(store: sqlite3.Connection, episode: str) -> list[Notification]:
    rows = store.execute("SELECT body FROM notifications WHERE episode = ?", (episode,))
    return shape.in_order([_notification.decode(body) for (body,) in rows])


def _held(store: sqlite3.Connection, episode: str) -> list[Decision]:
    rows = store.execute("SELECT body FROM decisions WHERE root = ? AND state = 'suppressed' ORDER BY time", (episode,))
    return [_decision.decode(body) for (body,) in rows]
