"""The shape every summary shares: frozen, mergeable, and at home in raw little-endian columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamgauge.tracer.bounds import RecordError

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

Columns = tuple[bytes, ...]
Values = Union[ArrayLike, Sequence[Any]]  # a list may hold None, strings and numbers
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]


class Summary(Protocol):
    """What each summary can do; `fold` is `merge` on the wire form, so slices merge without becoming objects."""

    KIND: ClassVar[str]

    def columns(self) -> Columns:
        """Raw little-endian arrays; equal summaries have equal columns."""
        ...

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """The summary that `columns` holds. Raises RecordError("columns") where they do not fit."""
        ...

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """The merge of all parts' columns, k-way and in the given order; nothing gives the empty summary."""
        ...

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """The merge of all parts, k-way and in the given order; nothing gives the empty summary."""
        ...


def expect(holds: bool, kind: str, what: str) -> None:
    """Raise RecordError("columns") unless `holds`."""
    if not holds:
        raise RecordError("columns", f"{kind}: {what}")


def views(kind: str, columns: Columns, dtypes: Sequence[str]) -> tuple[NDArray[Any], ...]:
    """One read-only view a column. Raises RecordError("columns") for a wrong number of columns or a torn one."""
    if len(columns) != len(dtypes):
        raise RecordError("columns", f"{kind}: {len(columns)} columns, expected {len(dtypes)}")
    try:
        return tuple([np.frombuffer(column, dtype) for column, dtype in zip(columns, dtypes)])
    except ValueError as error:
        raise RecordError("columns", f"{kind}: {error}") from None


def gather(parts: Sequence[Columns], column: int, dtype: str) -> NDArray[Any]:
    """One column of all parts, end to end."""
    return np.frombuffer(b"".join([part[column] for part in parts]), dtype)


def are_positive(counts: Integers) -> bool:
    """Whether no count is 0 or less.

    >>> are_positive(np.array([1, 0]))
    False
    """
    return len(counts) == 0 or bool(counts.min() > 0)


def is_increasing(keys: NDArray[Any]) -> bool:
    """Whether keys are sorted and distinct.

    >>> is_increasing(np.array([1, 2, 2]))
    False
    """
    return len(keys) < 2 or bool((keys[1:] > keys[:-1]).all())


def sum_by_key(keys: NDArray[Any], *values: Integers) -> tuple[NDArray[Any], tuple[Integers, ...]]:
    """Distinct keys, sorted, and the exact sums of each integer column by key.

    >>> keys, (counts,) = sum_by_key(np.array([3, 1, 3]), np.array([1, 1, 5]))
    >>> keys.tolist(), counts.tolist()
    ([1, 3], [1, 6])
    """
    if len(keys) == 0:
        return keys, values
    order = np.argsort(keys)  # the order of equal keys cannot matter: integer sums are exact
    ordered = keys[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[first], tuple(np.add.reduceat(column[order], first) for column in values)
