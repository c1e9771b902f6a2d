"""The canonical form of a store: equal bytes exactly when two runs said the same.

The last revision of every identity, per-job numbers left out, sorted, floats as hex. Rollups, which are made from the
points, are left out, and so is what only this store knows (numbers of series, horizons).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from streamgauge.anomaly.types import Anomaly, Decision, Notification
from streamgauge.pipelines.adapters.sqlite.read import Reader
from streamgauge.pipelines.adapters.sqlite.schema import FIELDS

_SERIES: Final = "s.job, s.worker, s.domain, s.entity, s.metric"
# kind: (query, {column: what its bytes hold})
_KINDS: Final[dict[str, tuple[str, dict[int, type[Any]]]]] = {
    "point": (
        f"SELECT {_SERIES}, p.start, p.ts, p.{', p.'.join(FIELDS)}, p.revision FROM points p"
        " JOIN series s ON s.id = p.sid",
        {},
    ),
    "score": (
        "SELECT job, domain, start, ts, micropoints, coverage, cap, s.revision, parts FROM scores s"
        " JOIN breakdowns USING (job, domain, ts)",
        {8: list},
    ),
    "anomaly": ("SELECT body FROM anomalies", {0: Anomaly}),
    "decision": ("SELECT body FROM decisions", {0: Decision}),
    "notification": ("SELECT body FROM notifications", {0: Notification}),
    "change": ("SELECT job, worker, name, time, text FROM changes", {}),
    "counters": ("SELECT job, time, counts FROM counters", {2: dict}),
    "dead": ("SELECT identity, reason, text, topic, key, bytes, data FROM dead_letters", {}),
    "profile": ("SELECT job, worker, window, start, ts, revision, sketches FROM profiles", {6: list}),
}


def canonical_dump(path: str | Path, kinds: tuple[str, ...] = tuple(_KINDS)) -> bytes:
    """The store as text, one JSON line a record; only some `kinds` if asked."""
    reader = Reader(path)
    with reader.reading() as store:
        lines = [line for kind in kinds for line in _lines(store, kind)]
    reader.close()
    lines.sort()
    return b"\n".join(lines) + b"\n"


def _lines(store: Any, kind: str) -> Iterator[bytes]:
    query, bodies = _KINDS[kind]
    for row in store.execute(query):
        values = [msgspec.msgpack.decode(item, type=bodies[i]) if i in bodies else item for i, item in enumerate(row)]
        yield msgspec.json.encode([kind, *(_canonical(value) for value in values)])


def _canonical(value: Any) -> Any:
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return {name: _canonical(getattr(value, name)) for name in value.__struct_fields__ if name != "number"}
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: _canonical(value[key]) for key in sorted(value)}
    return value
