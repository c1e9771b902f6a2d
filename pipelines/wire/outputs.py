"""What the operators emit: one versioned record a topic message, with a per-job number and a deterministic identity.

A message is MessagePack [kind, record, CRC-32 of the bytes before it], the CRC always in five bytes. Those of releases
before it, [kind, record], are read.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.types import Anomaly, Point, Score
from streamgauge.tracer import codec

Topic = Literal[
    "traces", "tensors", "control", "status", "catalogue", "partials", "scores", "anomalies", "alerts", "dead-letters"
]
MOST: Final = 900_000  # bytes of a part of what can be cut: 1 MB is what brokers take unless told otherwise
_FIELDS = ("value", "rows", "error", "floor", "reference", "low", "high")


class PointColumns(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """The points of one closed window, as columns; a window of very many series comes in several records.

    `keys` is MessagePack [[worker, domain, entity, metric], ...] (a cache key); every other column is raw `<f8` with
    one element a key, NaN for unknown. `whole` is there where this is a part of the window: how many series that has,
    and how many of them are known.
    """

    version: int = 1
    job: str
    window: str  # the WindowSpec's name
    start: float
    end: float
    revision: int
    number: int
    keys: bytes
    value: bytes
    rows: bytes
    error: bytes
    floor: bytes
    reference: bytes
    low: bytes
    high: bytes
    whole: tuple[int, int] | None = None

    def column(self, name: str) -> NDArray[np.float64]:
        """One column as a view, shape [n]."""
        return np.frombuffer(getattr(self, name), "<f8")

    def points(self) -> list[Point]:
        """The same, point by point; for tests, exports and the HTTP surface."""
        keys = msgspec.msgpack.decode(self.keys)
        columns = {name: self.column(name).tolist() for name in _FIELDS}
        return [
            Point(
                job=self.job, worker=worker, domain=domain, entity=entity, metric=metric,
                start=self.start, end=self.end, revision=self.revision, number=self.number,
                rows=columns["rows"][i], error=columns["error"][i], floor=columns["floor"][i],
                value=_known(columns["value"][i]), reference=_known(columns["reference"][i]),
                low=_known(columns["low"][i]), high=_known(columns["high"][i]),
            )
            for i, (worker, domain, entity, metric) in enumerate(keys)
        ]


class Profiles(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A closed window's merged summaries of one scope, kept by the store as a blob for the page's pictures."""

    version: int = 1
    job: str
    worker: str
    window: str
    start: float
    end: float
    revision: int
    number: int
    sketches: tuple[Any, ...]  # streamgauge.tracer.records.Sketch
    part: int = 0  # which one, of summaries that are too large for one message


class Change(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Something to show on a time axis that is no anomaly: a gap, a job's begin or end, an event, a setting."""

    version: int = 1
    job: str
    worker: str = ""
    name: str
    time: float
    text: str = ""
    number: int = 0


class DeadLetter(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A record that could not be used: why, and its bytes. `identity` is the hash of the bytes."""

    version: int = 1
    identity: str
    reason: str
    text: str
    topic: str
    key: str
    data: bytes


class Counters(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What became of a job's records and points so far; emitted at each close of the shortest window."""

    version: int = 1
    job: str
    number: int
    time: float
    counts: dict[str, int]  # records, points, late, duplicate, superseded, clamped, overflow, dead, lost


class Output(NamedTuple):
    """One message to send: its topic, its key and its bytes."""

    topic: Topic
    key: str
    value: bytes


Emitted = PointColumns | Profiles | Score | Anomaly | Change | DeadLetter | Counters
_TRIPLE: Final = b"\x93"
_encoder = msgspec.msgpack.Encoder()
_envelope = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])
_checked = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw, int])
_decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {}


def kinds_of(*classes: type[Any]) -> dict[str, type[Any]]:
    """Kinds of records by name, as a message names its own.

    Called while a module is imported: msgspec 0.22 reads a class's annotations at its first use, and two threads that
    do so at once crash.
    """
    _decoders.update({cls: msgspec.msgpack.Decoder(cls) for cls in classes})
    return {cls.__name__.lower(): cls for cls in classes}


KINDS: dict[str, type[Any]] = kinds_of(PointColumns, Profiles, Score, Anomaly, Change, DeadLetter, Counters)


def encode(record: msgspec.Struct) -> bytes:
    """[kind, record, checksum] as bytes."""
    return codec.checked(_TRIPLE + _encoder.encode((type(record).__name__.lower(), record))[1:])


def decode(data: bytes, kinds: dict[str, type[Any]] = KINDS) -> Any:
    """The record in `data`. Raises ValueError (msgspec's DecodeError and ValidationError are) for what is not one.

    >>> decode(encode(Change(job="ctr", name="begin", time=0.0))).name
    'begin'
    >>> decode(encode(Change(job="ctr", name="begin", time=0.0)).replace(b"begin", b"begun"))
    Traceback (most recent call last):
    ValueError: the record is damaged: its checksum does not match
    """
    kind, raw = opened(data)
    if kind not in kinds:
        raise ValueError(f"unknown record kind {kind!r}, known are {', '.join(sorted(kinds))}")
    decoder = _decoders.get(kinds[kind])
    return msgspec.msgpack.decode(raw, type=kinds[kind]) if decoder is None else decoder.decode(raw)


def opened(data: bytes) -> tuple[str, msgspec.Raw]:
    """The kind of a record and what it holds, unread. Raises ValueError for what is none, or is damaged."""
    if data[:1] != _TRIPLE:
        return _envelope.decode(data)
    if not codec.is_whole(data):
        raise ValueError("the record is damaged: its checksum does not match")
    kind, raw, _ = _checked.decode(data)
    return kind, raw


def _known(value: float) -> float | None:
    return None if value != value else value
