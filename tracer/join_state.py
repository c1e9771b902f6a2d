"""The join as versioned bytes, so that a worker that restarts goes on waiting for the same labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.joins import Join
from streamgauge.tracer.outcomes import COUNTS

# 1: features of every sample, in the order of `keys`. 1, 2: cohorts were counted label by label. Both are still read
VERSION: Final = 3
WITH_HEADS: Final = 4  # several joins in one snapshot


class Column(msgspec.Struct, array_like=True, frozen=True):
    """One array: its dtype and its bytes."""

    dtype: str
    data: bytes


class Several(msgspec.Struct, array_like=True, frozen=True):
    """Rows of several values: their lengths, -1 where there is no row, and the values end to end."""

    lengths: bytes
    values: Column


class JoinState(msgspec.Struct, array_like=True, frozen=True):
    """A snapshot; rows in the order in which the samples were seen."""

    version: int
    keys: bytes
    table: dict[str, bytes]
    features: dict[str, Column]
    tally: dict[int, list[int]]
    expiring: dict[int, bytes]
    overflow: int
    modulus: int = 1
    kept: bytes = b""  # keys of the samples whose features are kept
    kept_modulus: int = 1
    closed: int = 0  # panes before it are over
    several: dict[str, Several] = {}
    early: tuple[bytes, bytes, bytes] = (b"", b"", b"")  # labels before their samples: keys, labels, since when


class States(msgspec.Struct, array_like=True, frozen=True):
    """The joins of a job with other heads: its own, and theirs by task."""

    version: int
    main: bytes
    heads: dict[str, bytes]


def save(join: Join, heads: Mapping[str, Join] = {}) -> bytes:
    """The whole state of a job's join, and of those of other heads of its model."""
    if not heads:
        return _save(join)
    return msgspec.msgpack.encode(States(WITH_HEADS, _save(join), {name: _save(one) for name, one in heads.items()}))


def load(join: Join, data: bytes, heads: Mapping[str, Join] = {}) -> None:
    """Put a snapshot into empty joins; one of a job without a head leaves that empty, and the other way round.

    Raises:
        ValueError: a snapshot of another version, or bytes that are none.
    """
    try:
        state = msgspec.msgpack.decode(data, type=States)
    except msgspec.DecodeError:
        state = States(0, b"", {})
    if state.version != WITH_HEADS:  # of one join, or no snapshot at all
        _load(join, data)
        return
    _load(join, state.main)
    for name, one in heads.items():
        if name in state.heads:
            _load(one, state.heads[name])


def _save(join: Join) -> bytes:
    keys, table = join.held()
    kept, features = join.kept.items()
    flat = {name: column for name, column in features.items() if not column.dtype.hasobject}
    return msgspec.msgpack.encode(
        JoinState(
            VERSION,
            keys.tobytes(),
            {name: column.tobytes() for name, column in table.items()},
            {name: Column(column.dtype.str, column.tobytes()) for name, column in flat.items()},
            join.pending,
            {pane: np.concatenate(join._expiring[pane]).tobytes() for pane in sorted(join._expiring)},
            join.overflow,
            join.modulus,
            kept.tobytes(),
            join.kept.modulus,
            join._cohorts.closed,
            {name: _several(column) for name, column in features.items() if column.dtype.hasobject},
            (join.early.keys.tobytes(), join.early.labels.tobytes(), join.early.since.tobytes()),
        )
    )


def _load(join: Join, data: bytes) -> None:
    try:
        state = msgspec.msgpack.decode(data, type=JoinState)
    except msgspec.DecodeError as error:
        raise ValueError(f"these bytes are no join snapshot: {error}") from None
    if not 1 <= state.version <= VERSION:
        known = f"this tracer knows 1 to {WITH_HEADS}"
        raise ValueError(f"join snapshot version {state.version}, {known}: start without it")
    keys = np.frombuffer(state.keys, np.uint64)
    rows: dict[str, NDArray[np.float64]] = {name: np.frombuffer(data, np.float64) for name, data in state.table.items()}
    join.restore(keys, rows, state.closed if state.version > 2 else _closed(join, rows["seen"]))
    kept = keys if state.version == 1 else np.frombuffer(state.kept, np.uint64)
    join.kept.modulus = state.kept_modulus
    flat = {name: _column(column) for name, column in state.features.items()}
    join.kept.keep(kept, flat | {name: _rows(rows) for name, rows in state.several.items()})
    join.pending = {pane: _counts(state.version, counts) for pane, counts in state.tally.items()}
    join._expiring.update({pane: [np.frombuffer(data, np.uint64)] for pane, data in state.expiring.items()})
    join.overflow, join.modulus = state.overflow, state.modulus
    early, labels, since = state.early
    join.early.put(np.frombuffer(early, np.uint64), np.frombuffer(labels), np.frombuffer(since))


def _column(column: Column) -> NDArray[Any]:
    return np.frombuffer(column.data, np.dtype(column.dtype))


def _several(rows: NDArray[Any]) -> Several:
    lengths = np.array([-1 if row is None else len(row) for row in rows], np.int32)
    some = [row for row in rows if row is not None]
    values = np.concatenate(some) if some else np.zeros(0)
    return Several(lengths.tobytes(), Column(values.dtype.str, values.tobytes()))


def _rows(rows: Several) -> NDArray[Any]:
    lengths, values = np.frombuffer(rows.lengths, np.int32), _column(rows.values)
    ends = np.cumsum(np.maximum(lengths, 0))
    found = np.empty(len(lengths), object)
    for i, (end, length) in enumerate(zip(ends.tolist(), lengths.tolist())):
        found[i] = None if length < 0 else values[end - length : end]
    return found


def _closed(join: Join, seen: NDArray[np.float64]) -> int:
    """The pane that was open when the last sample came."""
    return math.floor(seen.max() / join.pane) if len(seen) else 0


def _counts(version: int, counts: list[int]) -> list[int]:
    padded = [*counts, *[0] * (len(COUNTS) - len(counts))]
    if version < 3:  # the samples are there, and are counted when they are old
        padded[2] = padded[3] = 0
    return padded
