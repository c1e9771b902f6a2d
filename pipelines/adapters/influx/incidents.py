"""Incidents from an InfluxDB: which there are, and the records that each is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from streamgauge.anomaly.types import Decision, Notification
from streamgauge.pipelines.adapters.influx.api import InfluxApi
from streamgauge.pipelines.adapters.influx.lines import name_of, of_body
from streamgauge.pipelines.adapters.influx.ql import among, number, tags
from streamgauge.pipelines.adapters.stores import incidents as shape

_AT_ONCE: Final = 50  # identities in one query
_notification: Final = msgspec.msgpack.Decoder(Notification)
_decision: Final = msgspec.msgpack.Decoder(Decision)


class _Episode(NamedTuple):
    """What the notifications of one episode say, without their bodies."""

    job: str
    name: str
    first: float
    last: float
    is_open: bool


def incidents(api: InfluxApi, job: str | None, start: float, end: float, limit: int) -> list[dict[str, Any]]:
    """The newest `limit` incidents that were told of, or open, in [start, end), newest first."""
    found = [one for one in _episodes(api, job) if one.first < end and (one.last >= start or one.is_open)]
    found.sort(key=lambda one: (-one.first, one.name))
    names = [one.name for one in found[:limit]]
    told, held = _told(api, names), _held(api, names)
    return [shape.incident(told[name], held[name]) for name in names if name in told]


def incident(api: InfluxApi, name: str) -> dict[str, Any] | None:
    """The incident of a notification's id or of an episode, with the trail of what was told and decided."""
    either = f"({among('id', [name])} OR {among('episode', [name])})"
    rows = _rows(api, f'SELECT "episode" FROM "notification" WHERE {either} ORDER BY time LIMIT 1')
    if not rows:
        return None
    episode = rows[0]["episode"]
    told = _told(api, [episode])[episode]
    about = f"{among('root', [episode])} OR {among('episode', [episode])} OR "
    about += among("notification", {n.id for n in told})
    decided = [of_body(row, _decision) for row in _rows(api, f'SELECT * FROM "alert" WHERE {about}')]
    return shape.incident(told, _held(api, [episode])[episode]) | shape.trail(told, decided)


def decided(api: InfluxApi, job: str, start: float, end: float, limit: int) -> list[dict[str, Any]]:
    """What was decided and told in [start, end), the `limit` oldest."""

    def rows(table: str) -> list[dict[str, Any]]:
        where = f'{tags({"job": job})} AND "at" >= {number(start)} AND "at" < {number(end)}'
        return _rows(api, f'SELECT * FROM "{table}" WHERE {where} ORDER BY time LIMIT {limit}')

    told = [of_body(row, _notification) for row in rows("notification")]
    return shape.decided(told, [of_body(row, _decision) for row in rows("alert")], limit)


def silenced(api: InfluxApi, job: str, limit: int) -> list[dict[str, Any]]:
    """The newest `limit` alerts of a job whose last decision is that a silence holds them back."""
    where = tags({"job": job})
    rows = _rows(api, f"SELECT * FROM \"alert\" WHERE {where} AND \"state\" = 'silenced'")
    if not rows:
        return []
    first = min(row["time"] for row in rows)
    last: dict[str, float] = {}
    for row in _rows(api, f'SELECT "episode", "at" FROM "alert" WHERE {where} AND time >= {first}'):
        last[row["episode"]] = max(row["at"], last.get(row["episode"], row["at"]))
    held = [of_body(row, _decision) for row in rows if row["at"] == last[row["episode"]]]
    held.sort(key=lambda decision: (-decision.time, decision.alert.episode))
    return [shape.shown(decision) for decision in held[:limit]]


def still_open(api: InfluxApi) -> dict[str, shape.Standing]:
    """What is open now, by job."""
    open_ = [one for one in _episodes(api, None) if one.is_open]
    names = [one.name for one in open_]
    told, held = _told(api, names), _held(api, names)
    jobs = sorted({one.job for one in open_})
    return {
        job: shape.standing((told[one.name], held[one.name]) for one in open_ if one.job == job) for job in jobs
    }


def _episodes(api: InfluxApi, job: str | None) -> list[_Episode]:
    where = "" if job is None else f"WHERE {tags({'job': job})}"
    rows = _rows(api, f'SELECT "episode", "at", "status", "job" FROM "notification" {where}')
    told: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for row in rows:
        told[name_of(row["job"]), row["episode"]].append((row["status"], row["at"]))
    return [
        _Episode(of_job, name, min(at for _, at in said), max(at for _, at in said), shape.is_open(said))
        for (of_job, name), said in sorted(told.items())
    ]


def _told(api: InfluxApi, episodes: Sequence[str]) -> dict[str, list[Notification]]:
    """The notifications of each episode that has one, in order."""
    found: dict[str, list[Notification]] = defaultdict(list)
    for names in _slices(episodes):
        for row in _rows(api, f'SELECT * FROM "notification" WHERE {among("episode", names)}'):
            found[row["episode"]].append(of_body(row, _notification))
    return {name: shape.in_order(told) for name, told in found.items()}


def _held(api: InfluxApi, episodes: Sequence[str]) -> dict[str, list[Decision]]:
    """The decisions to suppress an alert under each root, oldest first."""
    found: dict[str, list[Decision]] = defaultdict(list)
    for names in _slices(episodes):
        where = f"\"state\" = 'suppressed' AND {among('root', names)}"
        for row in _rows(api, f'SELECT * FROM "alert" WHERE {where}'):
            found[row["root"]].append(of_body(row, _decision))
    for decisions in found.values():
        decisions.sort(key=lambda decision: decision.time)
    return found


def _slices(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(names), _AT_ONCE):
        yield names[at : at + _AT_ONCE]


def _rows(api: InfluxApi, query: str) -> list[dict[str, Any]]:
    return [row for series in api.ask(query) for row in series.rows]
