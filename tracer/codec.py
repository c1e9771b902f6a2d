"""How a record becomes bytes and back: MessagePack, a CRC, and the checks of what cannot be trusted; pure.

`peek` reads identity without touching columns: the first five elements. Numeric columns are raw little-endian arrays,
so decoding one is a view, not a loop. Since version 2 the CRC-32 of the bytes follows as a MessagePack uint32 of its
own, so no flipped bit goes unseen; version 1 is still read. An unknown version, a truncated, oversized, damaged or
mistyped record raises `RecordError`, whose `reason` goes to the dead letters.

Cost, measured on one core of a shared machine: 500 points decode and become numpy views in about 4 us, and the CRC of
their 5 kB takes 2 us more.

    RecordError            a record that cannot be used, with its `reason` (from streamgauge.tracer.bounds)
"""

from __future__ import annotations

import hashlib
import zlib
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.bounds import (
    MAX_BYTES,
    MAX_POINTS,
    RecordError,
    check_counts,
    check_names,
    check_shards,
    check_times,
)
from streamgauge.tracer.records import (
    VERSION,
    Clock,
    Event,
    Feedback,
    Kind,
    Name,
    Open,
    Record,
    Setting,
    Tick,
    TraceBatch,
)

_NAME, _ENTITY = attrgetter("name"), attrgetter("entity")
_CHECKED: Final = 2  # the first version whose records carry a CRC
TAIL: Final = 5  # bytes of the CRC: a MessagePack uint32
_UINT32: Final = b"\xce"


class Head(msgspec.Struct, array_like=True, frozen=True):
    """The first five elements of every record."""

    version: int
    kind: int
    job: str
    worker: str
    shard: int


class Points(NamedTuple):
    """A batch's columns as read-only views, each of shape [n]."""

    index: NDArray[np.uint16]  # type: ignore[assignment]  # tuple.index is never wanted here
    value: NDArray[np.float64]
    weight: NDArray[np.float64] | None


_encoder = msgspec.msgpack.Encoder()
_head = msgspec.msgpack.Decoder(Head)
_any = msgspec.msgpack.Decoder()
_decoders: dict[int, msgspec.msgpack.Decoder[Any]] = {
    Kind.TRACE: msgspec.msgpack.Decoder(TraceBatch),
    Kind.OPEN: msgspec.msgpack.Decoder(Open),
    Kind.TICK: msgspec.msgpack.Decoder(Tick),
    Kind.SETTING: msgspec.msgpack.Decoder(Setting),
    Kind.FEEDBACK: msgspec.msgpack.Decoder(Feedback),
    Kind.EVENT: msgspec.msgpack.Decoder(Event),
}
_names = msgspec.msgpack.Decoder(tuple[tuple[Clock, str, str], ...])


def encode(record: Record) -> bytes:
    """One record as bytes."""
    body = _encoder.encode(record)
    return body if record.version < _CHECKED else checked(body)


def checked(body: bytes) -> bytes:
    """MessagePack with the CRC-32 of its bytes behind it, as a MessagePack uint32 of five bytes.

    >>> checked(b"a").hex(), is_whole(checked(b"a")), is_whole(b"b" + checked(b"a")[1:])
    ('61cee8b7be43', True, False)
    """
    return body + _UINT32 + zlib.crc32(body).to_bytes(TAIL - 1, "big")


def is_whole(data: bytes) -> bool:
    """Whether the CRC at the end of what `checked` made is that of the bytes before it."""
    tail = data[-TAIL:]
    return tail[:1] == _UINT32 and zlib.crc32(memoryview(data)[:-TAIL]) == int.from_bytes(tail[1:], "big")


def peek(data: bytes) -> Head:
    """Identity of a record without its columns, and without a look at its CRC. Raises RecordError as `decode` does."""
    return _head_of(_body(data))


def decode(data: bytes) -> Record:
    """The record that `data` holds.

    Raises:
        RecordError: truncated, oversized, damaged, of an unknown version or kind, or with columns that do not fit
            together.
    """
    body = _body(data)
    if body is not data:
        _check_crc(data, body)
    head = _head_of(body)
    record: Record = _decoded(_decoders[head.kind], body)
    _check(record)
    return record


def points(batch: TraceBatch) -> Points:
    """The columns of a decoded batch, as views of its bytes."""
    weight = np.frombuffer(batch.weight, "<f8") if batch.weight else None
    return Points(np.frombuffer(batch.index, "<u2"), np.frombuffer(batch.value, "<f8"), weight)


def encode_names(names: list[Name]) -> bytes:
    """The names blob of a batch."""
    return _encoder.encode(names)


def decode_names(blob: bytes) -> tuple[Name, ...]:
    """The names that a batch's `index` points into; raises RecordError("names")."""
    try:
        names = tuple(Name(*item) for item in _names.decode(blob))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError("names", str(error)) from None
    if len(names) > MAX_POINTS:
        raise RecordError("names", f"{len(names)} names, at most {MAX_POINTS} are read")
    check_names("names", *(text for name in names for text in (name.name, name.entity)))
    return names


def identity_of(data: bytes) -> str:
    """The identity of a dead letter: the hash of its bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def _body(data: bytes) -> bytes | memoryview:
    """The record without its CRC; the very same where there is none."""
    if len(data) > MAX_BYTES:
        raise RecordError("oversized", f"a record has {len(data)} bytes, at most {MAX_BYTES} are read")
    version = _version_of(data)
    if version > VERSION:
        raise RecordError("version", f"record version {version}, this reader knows 1 to {VERSION}")
    return data if version < _CHECKED else memoryview(data)[:-TAIL]


def _version_of(data: bytes) -> int:
    """The first element of the array, 0 where that is no small number."""
    at = {0xDC: 3, 0xDD: 5}.get(data[0], 1) if data else 0
    is_array = bool(data) and (0x90 < data[0] < 0xA0 or at > 1)
    return data[at] if is_array and at < len(data) and data[at] < 0x80 else 0


def _check_crc(data: bytes, body: bytes | memoryview) -> None:
    if is_whole(data):
        return
    if any(_is_record(data[: max(len(data) - cut, 0)]) for cut in range(TAIL)):
        raise RecordError("truncated", "its checksum is cut off")
    _decoded(_any, body)  # says more of one that is cut off earlier
    raise RecordError("checksum", "it is not what was written: its CRC-32 does not match")


def _is_record(data: bytes) -> bool:
    try:
        _any.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _head_of(body: bytes | memoryview) -> Head:
    head: Head = _decoded(_head, body)
    if not 1 <= head.version <= VERSION:
        raise RecordError("version", f"record version {head.version}, this reader knows 1 to {VERSION}")
    if head.kind not in _decoders:
        raise RecordError("kind", f"record kind {head.kind} is unknown to version {VERSION}")
    return head


def _decoded(decoder: msgspec.msgpack.Decoder[Any], data: bytes | memoryview) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError("type", str(error)) from None
    except msgspec.DecodeError as error:
        raise RecordError("truncated" if "truncated" in str(error) else "type", str(error)) from None


def _check(record: Record) -> None:
    check_names("type", record.job, record.worker)
    if record.shard < 0:
        raise RecordError("columns", f"shard {record.shard}")
    if isinstance(record, TraceBatch):
        _check_columns(record)
        _check_batch(record)
    elif isinstance(record, Open):
        check_shards(record.shard, record.shards)
        check_times(start=record.start)
    elif isinstance(record, Setting):
        check_times(effective=record.effective)
    else:
        check_times(time=record.time)


def _check_columns(batch: TraceBatch) -> None:
    index, value, weight = len(batch.index), len(batch.value), len(batch.weight)
    n = index // 2
    if index % 2 or value != 8 * n or weight not in (0, 8 * n):
        raise RecordError("columns", f"{index} B of index, {value} of value, {weight} of weight")


def _check_batch(batch: TraceBatch) -> None:
    check_shards(batch.shard, batch.shards)
    if batch.sequence < 1:
        raise RecordError("columns", f"sequence {batch.sequence}, the first is 1")
    check_counts(sequence=batch.sequence, captured=batch.captured, step=batch.step_first, last=batch.step_last)
    check_times(pane=batch.pane, length=batch.pane_length, interval=batch.interval, watermark=batch.watermark)
    if batch.pane_length <= 0 or batch.interval <= 0:
        raise RecordError("time", f"pane_length {batch.pane_length}, interval {batch.interval}: both must be > 0 s")
    if batch.texts and len(batch.texts) != len(batch.hard):
        raise RecordError("columns", f"{len(batch.texts)} texts of {len(batch.hard)} hard facts")
    check_names("type", batch.incarnation)
    check_names("names", *map(_NAME, batch.sketches), *map(_ENTITY, batch.sketches))
    check_names("names", *(text for fact, entity, _ in batch.hard for text in (fact, entity)), *batch.texts)
