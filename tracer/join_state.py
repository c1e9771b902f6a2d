"""The join as versioned bytes, so that a worker that restarts goes on waiting for the same labels."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.joins import COUNTS, FIELDS, Join

VERSION: Final = 2  # 1: features of every sample, in the order of `keys`; still read


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
    modulus: int = 1
    kept: bytes = b""  # keys of the samples whose features are kept
    kept_modulus: int = 1


def save(join: Join) -> bytes:
    """The whole state of a join; rows of several values are not in it."""
    keys, table = join.held()
    kept, features = join.kept.items()
    flat = {name: column for name, column in features.items() if not column.dtype.hasobject}
    return msgspec.msgpack.encode(
        JoinState(
            VERSION,
            keys.tobytes(),
            {name: column.tobytes() for name, column in table.items()},
            {name: Column(column.dtype.str, column.tobytes()) for name, column in flat.items()},
            {pane: join._tally[pane] for pane in sorted(join._tally)},
            {pane: np.concatenate(join._expiring[pane]).tobytes() for pane in sorted(join._expiring)},
            join.overflow,
            join.modulus,
            kept.tobytes(),
            join.kept.modulus,
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
    if not 1 <= state.version <= VERSION:
        raise ValueError(f"join snapshot version {state.version}, this tracer knows 1 to {VERSION}: start without it")
    keys = np.frombuffer(state.keys, np.uint64)
    join.restore(keys, {name: np.frombuffer(state.table[name], np.float64) for name in FIELDS})
    kept = keys if state.version == 1 else np.frombuffer(state.kept, np.uint64)
    join.kept.modulus = state.kept_modulus
    join.kept.keep(kept, {name: _column(column) for name, column in state.features.items()})
    join._tally.update({pane: [*counts, *[0] * (len(COUNTS) - len(counts))] for pane, counts in state.tally.items()})
    join._expiring.update({pane: [np.frombuffer(data, np.uint64)] for pane, data in state.expiring.items()})
    join.overflow, join.modulus = state.overflow, state.modulus


def _column(column: Column) -> NDArray[Any]:
    return np.frombuffer(column.data, np.dtype(column.dtype))
