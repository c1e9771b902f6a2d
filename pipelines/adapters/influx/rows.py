"""What the operators and the pager emit as rows of the store's tables; an older revision never follows a newer one.

The store keeps the last row written of each identity, so here the order decides: a record whose newer form has been
given already is left out. That memory is of this process only, and need not outlive it: after a crash the log is read
again in its own order, in which the newest form of every record comes last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.types import Alert, Anomaly, Decision, Notification, Part, Score
from streamgauge.pipelines.adapters.influx.lines import Value, body, fields, joined, key, nanoseconds, shifted
from streamgauge.pipelines.adapters.influx.schema import MOST_PARTS
from streamgauge.pipelines.adapters.stores.answers import band, part_place
from streamgauge.pipelines.ports import Stored
from streamgauge.pipelines.wire.by_keys import ByKeys
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter, PointColumns, Profiles

_TEXT_BYTES: Final = 60  # of a text in a list, beside its characters
_IDENTITY_BYTES: Final = 250  # of an identity and its newest form, about
_PART_BYTES: Final = 150  # of a row of a breakdown, about
_REMEMBERED: Final = 20_000  # identities whose newest form is remembered
_MOST_TEXT: Final = 8_000  # characters of a text field
_DEAD_BYTES: Final = 4_096  # of a dead letter's bytes that its body holds
_FIELDS: Final = ("value", "rows", "error", "floor", "reference", "low", "high")
_Values = Mapping[str, Value]


class Rows:
    """Makes lines of records, in their order."""

    def __init__(self) -> None:
        self._keys = ByKeys[tuple[str, str, bytes], list[str]]()
        self._newest: dict[tuple[Any, ...], int] = {}  # revision or number by identity
        self._parts: dict[tuple[str, str, float], dict[str, None]] = {}  # rows of a score's breakdown
        self._last_arrival = 0

    def lines(self, records: Iterable[Stored], now: float) -> list[str]:
        """The lines of all records; `now` is what a dead letter, which has no time of its own, is filed under.

        Raises:
            ValueError: a record cannot be a row: its time is beyond the store's, or its body too long.
        """
        found: list[str] = []
        for record in records:
            found += _ROWS[type(record)](self, record, now)
        return found

    @property
    def bytes(self) -> int:
        """What is remembered, about. Any thread may ask."""
        return self._keys.bytes + _IDENTITY_BYTES * len(self._newest) + _PART_BYTES * MOST_PARTS * len(self._parts)

    def _is_old(self, number: int, *identity: Any) -> bool:
        """Whether a newer form of the record was given already; remembers this one if not."""
        if self._newest.get(identity, number) > number:
            return True
        self._newest.pop(identity, None)
        self._newest[identity] = number
        if len(self._newest) > _REMEMBERED:
            del self._newest[next(iter(self._newest))]
        return False

    def _points(self, record: PointColumns, now: float) -> list[str]:
        if self._is_old(record.revision, "point", record.job, record.window, record.end):
            return []
        time = nanoseconds(record.end)
        keys = self._tags(record)
        value = record.column("value")
        known, banded = np.isfinite(value), _band_of(record)
        shared = f",revision={record.revision}i,{fields({'start': record.start})}"
        columns = [
            [" known=true" if is_known else " known=false" for is_known in known.tolist()],
            *(_column(name, record.column(name)) for name in _FIELDS),
            [f",band={bits}i{shared}" for bits in banded],
        ]
        series, is_there = record.whole or (len(keys), int(known.sum()))
        window: _Values = {
            "series": series, "known": is_there, "start": record.start, "revision": record.revision,
        }  # fmt: skip
        closed = _line(key("window", {"job": record.job, "window": record.window}), window, time)
        return [*joined(keys, columns, time), closed]

    def _tags(self, record: PointColumns) -> list[str]:
        cached = (record.job, record.window, record.keys)
        found = self._keys.get(cached)
        if found is None:
            found = [
                key("metric", _series(record.job, worker, domain, entity, metric) | {"window": record.window})
                for worker, domain, entity, metric in msgspec.msgpack.decode(record.keys)
            ]
            self._keys.keep(cached, found, len(record.keys) + sum(len(text) + _TEXT_BYTES for text in found))
        return found

    def _score(self, score: Score, now: float) -> list[str]:
        if self._is_old(score.revision, "score", score.job, score.domain, score.end):
            return []
        time = nanoseconds(score.end)
        values: _Values = {
            "score": score.value, "micropoints": score.micropoints, "state": band(score.micropoints),
            "coverage": score.coverage, "cap": score.cap, "start": score.start, "revision": score.revision,
            **body(score),
        }  # fmt: skip
        line = _line(key("quality_score", {"job": score.job, "domain": score.domain}), values, time)
        return [line, *self._breakdown(score, time)]

    def _breakdown(self, score: Score, time: int) -> list[str]:
        """The largest parts; those that an earlier revision had and this one has not become 0."""
        largest = sorted(score.parts, key=lambda part: -part.micropoints)[:MOST_PARTS]
        micropoints = {_part_key(score, part): part.micropoints for part in largest}
        before = self._parts.pop((score.job, score.domain, score.end), {})
        self._parts[score.job, score.domain, score.end] = dict.fromkeys(micropoints)
        if len(self._parts) > _REMEMBERED // MOST_PARTS:
            del self._parts[next(iter(self._parts))]
        return [
            _line(name, {"points": lost / 1e6, "micropoints": lost, "revision": score.revision}, time)
            for name, lost in (dict.fromkeys(before, 0) | micropoints).items()
        ]

    def _anomaly(self, anomaly: Anomaly, now: float) -> list[str]:
        if self._is_old(anomaly.number, "anomaly", anomaly.job, anomaly.fingerprint, anomaly.start):
            return []
        is_moment = anomaly.kind == "fact"
        state = "over" if anomaly.end is not None else "moment" if is_moment else "open"
        until = anomaly.end if anomaly.end is not None else anomaly.time if is_moment else anomaly.start
        values: _Values = {
            "severity": anomaly.severity, "state": state, "until": until, "until_ms": round(until * 1e3),
            "found": anomaly.time, "value": _known(anomaly.value), "expected": _known(anomaly.expected),
            "score": anomaly.score, "detector": anomaly.detector, "text": anomaly.text[:_MOST_TEXT],
            "number": anomaly.number, **body(anomaly),
        }  # fmt: skip
        tags = _series(*anomaly.key) | {"kind": anomaly.kind}
        return [_line(key("anomaly", tags), values, nanoseconds(anomaly.start))]

    def _decision(self, decision: Decision, now: float) -> list[str]:
        alert, reason = decision.alert, decision.reason
        values: _Values = {
            "at": decision.time, "start": alert.start, "node": alert.node, "severity": alert.severity,
            "score": alert.score, "text": alert.text[:_MOST_TEXT], "reason": reason.text[:_MOST_TEXT],
            "episode": alert.episode, "cause": reason.cause, "root": reason.root, "gap": reason.gap,
            "notification": decision.notification, **body(decision),
        }  # fmt: skip
        tags = _of_alert(decision.job, alert) | {"state": decision.state, "decision": reason.decision}
        return [_line(key("alert", tags), values, shifted(decision.time, alert.episode))]

    def _notification(self, told: Notification, now: float) -> list[str]:
        root = told.root
        values: _Values = {
            "at": told.time, "id": told.id, "episode": root.episode, "node": root.node, "severity": root.severity,
            "decision": told.reason.decision, "reason": told.reason.text[:_MOST_TEXT], "text": told.text[:_MOST_TEXT],
            "suppressed": len(told.suppressed), "grouped": len(told.grouped), **body(told),
        }  # fmt: skip
        tags = _of_alert(told.job, root) | {"status": told.status}
        return [_line(key("notification", tags), values, shifted(told.time, f"{told.id} {root.episode}"))]

    def _change(self, change: Change, now: float) -> list[str]:
        values: _Values = {"at": change.time, "text": change.text[:_MOST_TEXT], **body(change)}
        tags = {"job": change.job, "worker": change.worker, "name": change.name}
        return [_line(key("change", tags), values, shifted(change.time, change.text))]

    def _counters(self, counters: Counters, now: float) -> list[str]:
        if self._is_old(nanoseconds(counters.time), "counters", counters.job) or not counters.counts:
            return []
        return [_line(key("counters", {"job": counters.job}), counters.counts, nanoseconds(counters.time))]

    def _dead_letter(self, dead: DeadLetter, now: float) -> list[str]:
        self._last_arrival = max(self._last_arrival + 1, nanoseconds(now))
        kept = msgspec.structs.replace(dead, data=dead.data[:_DEAD_BYTES])
        values: _Values = {
            "identity": dead.identity, "key": dead.key, "text": dead.text[:_MOST_TEXT], "bytes": len(dead.data),
            **body(kept),
        }  # fmt: skip
        return [_line(key("dead_letter", {"topic": dead.topic, "reason": dead.reason}), values, self._last_arrival)]

    def _profiles(self, profiles: Profiles, now: float) -> list[str]:
        place = part_place(profiles.window, profiles.part)
        if self._is_old(profiles.revision, "profile", profiles.job, profiles.worker, place, profiles.end):
            return []
        values: _Values = {
            "sketches": len(profiles.sketches), "start": profiles.start, "revision": profiles.revision,
            **body(profiles),
        }  # fmt: skip
        tags = {"job": profiles.job, "worker": profiles.worker, "window": place}
        return [_line(key("profile", tags), values, nanoseconds(profiles.end))]


_ROWS: Final[dict[type[Any], Callable[[Rows, Any, float], list[str]]]] = {
    PointColumns: Rows._points,
    Score: Rows._score,
    Anomaly: Rows._anomaly,
    Decision: Rows._decision,
    Notification: Rows._notification,
    Change: Rows._change,
    Counters: Rows._counters,
    DeadLetter: Rows._dead_letter,
    Profiles: Rows._profiles,
}


def _line(row: str, values: _Values, time: int) -> str:
    return f"{row} {fields(values)} {time}"


def _series(job: str, worker: str, domain: str, entity: str, metric: str) -> dict[str, str]:
    return {"job": job, "worker": worker, "domain": domain, "entity": entity, "metric": metric}


def _of_alert(job: str, alert: Alert) -> dict[str, str]:
    return _series(job, alert.worker, alert.domain, alert.entity, alert.metric)


def _part_key(score: Score, part: Part) -> str:
    tags = {"part_of": score.domain, **_series(score.job, part.worker, part.domain, part.entity, part.metric)}
    return key("breakdown", tags | {"why": part.why})


def _column(name: str, values: NDArray[np.float64]) -> list[str]:
    return [f",{name}={value!r}" if math.isfinite(value) else "" for value in values.tolist()]


def _band_of(record: PointColumns) -> list[int]:
    known = [np.isfinite(record.column(name)).tolist() for name in ("reference", "low", "high")]
    return [reference + 2 * low + 4 * high for reference, low, high in zip(*known, strict=True)]


def _known(value: float | None) -> float:
    return math.nan if value is None else value
