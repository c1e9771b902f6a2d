"""State as named arrays with one row a series: made empty, re-indexed when series come and go, packed to bytes.

Packing is exact: the same arrays give the same bytes, and unpacked arrays equal the packed ones bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class Column(NamedTuple):
    """One array of a state: `shape` without the leading series axis, `fill` what a new series starts with."""

    dtype: str
    shape: tuple[int, ...] = ()
    fill: float = 0.0


def empty(columns: Mapping[str, Column], series: int) -> Arrays:
    """Fresh state for `series` series."""
    return {name: np.full((series, *c.shape), c.fill, dtype=c.dtype) for name, c in columns.items()}


def pick(columns: Mapping[str, Column], arrays: Arrays, index: NDArray[np.int64]) -> Arrays:
    """State of the series `index` of the old one, in that order; -1 is a new series.

    >>> columns = {"level": Column("<f8", fill=7.0)}
    >>> pick(columns, {"level": np.array([1.0, 2.0])}, np.array([1, -1]))["level"].tolist()
    [2.0, 7.0]
    """
    known = index >= 0
    picked = empty(columns, len(index))
    for name, array in picked.items():
        array[known] = arrays[name][index[known]]
    return picked


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as bytes.

    >>> unpack(pack({"level": np.array([1.5])}))["level"].tolist()
    [1.5]
    """
    return msgspec.msgpack.encode(
        [(name, array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes()) for name, array in arrays.items()]
    )


def unpack(data: bytes) -> Arrays:
    """The arrays in `data`, writable. Raises ValueError for bytes that `pack` did not write."""
    rows = msgspec.msgpack.decode(data, type=list[tuple[str, str, tuple[int, ...], bytes]])
    return {name: np.frombuffer(raw, dtype).reshape(shape).copy() for name, dtype, shape, raw in rows}
