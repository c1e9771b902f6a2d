"""What is sent of an array where less than all of it is asked for: some rows, a histogram, statistics by unit; pure.

A histogram lies on one fixed grid, so those of two workers or steps are added bin by bin: half octaves of the absolute
value from 2^-20 to 2^12, both signs, what is smaller in the middle; a quantile is right within a factor of 1.42.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.selection import Emit

TABLE: Final = 1 << 20  # values; of a larger array of several rows, 4,096 are sent
_ROWS: Final = 4096
_SIDE: Final = 64  # bins a sign
_FIRST: Final = -20  # octave of the first
_EDGES: Final = 2.0 ** (_FIRST + 0.5 * np.arange(_SIDE + 1))


def reduced(array: NDArray[Any], emit: Emit) -> NDArray[Any]:
    """What is sent of an array."""
    if emit == "histogram":
        return histogram(array)
    return units(array) if emit == "units" else array


def some_rows(array: NDArray[Any], most: int) -> NDArray[Any]:
    """An array, or a view of evenly spaced rows of it: at most `most` (0: all, of a table 4,096).

    >>> some_rows(np.arange(20).reshape(10, 2), 3).tolist()
    [[0, 1], [8, 9], [18, 19]]
    """
    if array.ndim < 2:
        return array
    most = most or (_ROWS if array.size > TABLE else 0)
    if not most or len(array) <= most:
        return array
    return array[np.linspace(0, len(array) - 1, most).astype(np.int64)]


def histogram(array: NDArray[Any]) -> NDArray[np.float64]:
    """How many values lie in each bin: float64 [129, 3], rows of low edge, high edge and count; finite values only.

    >>> found = histogram(np.array([0.0, 1.5, -1.5, float("nan")]))
    >>> found[found[:, 2] > 0].round(3).tolist()
    [[-2.0, -1.414, 1.0], [-0.0, 0.0, 1.0], [1.414, 2.0, 1.0]]
    """
    values = _numbers(array).ravel()
    values = values[np.isfinite(values)]
    place = np.searchsorted(_EDGES, np.abs(values), side="right")  # 0: below the first edge
    place = np.minimum(place, _SIDE)
    counts = np.bincount(_SIDE + np.where(values < 0, -place, place), minlength=2 * _SIDE + 1)
    bounds = np.concatenate([-_EDGES[:0:-1], [-_EDGES[0]], _EDGES])
    return np.stack([bounds[:-1], bounds[1:], counts.astype(np.float64)], axis=1)


def units(array: NDArray[Any]) -> NDArray[np.float32]:
    """Of each unit (the last axis): share of positive values, mean absolute value, mean, std; float32 [4, units].

    >>> units(np.array([[1.0, 0.0], [3.0, 0.0]])).tolist()
    [[1.0, 0.0], [2.0, 0.0], [2.0, 0.0], [1.0, 0.0]]
    """
    values = _numbers(array)
    rows, width = (math.prod(values.shape[:-1]), values.shape[-1]) if values.ndim else (1, 1)
    table = values.reshape(rows, width)
    if not table.size:
        return np.full((4, table.shape[1]), np.nan, np.float32)
    with np.errstate(all="ignore"):  # what is not finite, or too large for a square, gives what is not finite
        found = [(table > 0).mean(axis=0), np.abs(table).mean(axis=0), table.mean(axis=0), table.std(axis=0)]
        return np.asarray(np.stack(found), np.float32)


def _numbers(array: NDArray[Any]) -> NDArray[np.float64]:
    return (np.abs(array) if array.dtype.kind == "c" else array).astype(np.float64)
