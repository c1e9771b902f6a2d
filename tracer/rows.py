"""Columns of rows as a job gives them: copies, lengths, numbers, times."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamgauge.tracer.events import Event

Array = NDArray[Any]
Floats = NDArray[np.float64]
LIMIT: Final = 1e11  # times beyond it are no times: seconds since the epoch, year 5138


def copy(values: ArrayLike | None) -> Array | None:
    """A flat copy: the job may reuse its own array."""
    return None if values is None else np.array(values).ravel()


def name_of(value: Any) -> str:
    """A name as it may travel: text of at most 256 characters that UTF-8 can write.

    >>> name_of("age"), name_of(None), name_of(chr(0xDC80))
    ('age', 'None', '?')
    """
    text = value if isinstance(value, str) else str(value)
    text = text if text.isascii() else text.encode("utf-8", "replace").decode()
    return text[:256]


def rows_of(*columns: Array | None) -> int:
    """Rows of a call: the length of the first column that is given."""
    return next((len(column) for column in columns if column is not None), 0)


def size_of(event: Event) -> int:
    """Bytes that an event keeps alive, about."""
    size = 200
    for part in event:
        if isinstance(part, np.ndarray):
            size += _bytes(part)
        elif isinstance(part, dict):
            size += 200 * len(part) + sum(_bytes(c) for c in part.values() if isinstance(c, np.ndarray))
    return size


def _bytes(array: Array) -> int:
    return array.nbytes + 56 * array.size if array.dtype.hasobject else array.nbytes


def numbers_of(values: Array | None, rows: int) -> Floats | None:
    """One number a row. Raises ValueError for another length."""
    if values is None:
        return None
    found = np.asarray(values, np.float64).ravel()
    if len(found) != rows:
        raise ValueError(f"{len(found)} values for {rows} rows (tracer)")
    return found


def times_of(values: Array | None, rows: int) -> Floats | None:
    """Times of rows: one for all of them or one each; what is no time is NaN. Raises ValueError for another length."""
    if values is None:
        return None
    found = np.asarray(values, np.float64).ravel()
    found = np.full(rows, found[0]) if len(found) == 1 else found
    if len(found) != rows:
        raise ValueError(f"{len(found)} times for {rows} rows (tracer)")
    return np.where(np.abs(found) < LIMIT, found, np.nan)
