"""The join as versioned bytes, so that a worker that restarts goes on waiting for the same labels."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.joins import COUNTS, FIELDS, VERSION, Join


class Column(msgspec.Struct, array_like=True, frozen=True):
    """One array: its dtype and its bytes."""

    dtype: str
    data: bytes


class JoinState(msgspec.Struct, array_like=True, frozen=True):
    """A snapshot; rows in the order in which the samples were seen."""

    version: int
    keys: bytes
    table: dict[str, bytes]
    features: dict[str, Column]
    tally: dict[int, list[int]]
    expiring: dict[int, bytes]
    overflow: int


def save(join: Join) -> bytes:
    """The whole state of a join."""
    keys = np.array(list(join._slot), np.uint64)
    slots = np.array(list(join._slot.values()), np.int64)
    return msgspec.msgpack.encode(
        JoinState(
            VERSION,
            keys.tobytes(),
            {name: join._table[name][slots].tobytes() for name in FIELDS},
            {name: Column(column.dtype.str, column[slots].tobytes()) for name, column in join._features.items()},
            {pane: join._tally[pane] for pane in sorted(join._tally)},
            {pane: np.concatenate(join._expiring[pane]).tobytes() for pane in sorted(join._expiring)},
            join.overflow,
        )
    )


def load(join: Join, data: bytes) -> None:
    """Put a snapshot into an empty join.

    Raises:
        ValueError: a snapshot of another version, or bytes that are none.
    """
    try:
        state = msgspec.msgpack.decode(data, type=JoinState)
    except msgspec.DecodeError as error:
        raise ValueError(f"these bytes are no join snapshot: {error}") from None
    if state.version != VERSION:
        raise ValueError(f"join snapshot version {state.version}, this tracer knows {VERSION}: start without it")
    keys = np.frombuffer(state.keys, np.uint64)
    slots = join._allocate(len(keys))
    for name in FIELDS:
        join._table[name][slots] = np.frombuffer(state.table[name], np.float64)
    join._features = {name: _column(column, slots, len(join._table["seen"])) for name, column in state.features.items()}
    join._slot.update(zip(keys.tolist(), slots.tolist(), strict=True))
    join._tally.update({pane: [*counts, *[0] * (len(COUNTS) - len(counts))] for pane, counts in state.tally.items()})
    join._expiring.update({pane: [np.frombuffer(data, np.uint64)] for pane, data in state.expiring.items()})
    join.overflow = state.overflow


def _column(column: Column, slots: NDArray[np.int64], size: int) -> NDArray[Any]:
    dtype = np.dtype(column.dtype)
    full = np.full(size, np.nan if dtype.kind == "f" else 0, dtype)
    full[slots] = np.frombuffer(column.data, dtype)
    return full
