"""The two forms of a column, and what both NumPy's arrays and other libraries' come to: missing marks, ranks, types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Union

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.hashing import is_missing

Array = NDArray[Any]
Floats = NDArray[np.float64]
NA: Final = np.uint64(0x7FF80000000007A2).view(np.float64)  # a NaN that says "missing", as R's NA does: not "no number"
EXACT: Final = 2**53  # whole numbers beyond it are not all exact in float64
_SECOND: Final = np.timedelta64(1, "s")
_PLAIN: Final = frozenset(map(np.dtype, np.typecodes["AllInteger"] + np.typecodes["Float"] + "?"))  # of this order


class Refusal(ValueError):
    """An argument or a column that cannot be used; the message says why and what to do."""


class Ragged:
    """Several values a row: flat `values`, `lengths` int64 [rows] (-1: the row is missing), `weights` one each or None.

    >>> tags = Ragged(np.array([7, 8, 9]), np.array([2, -1, 0, 1]))
    >>> len(tags), tags.values.tolist()
    (4, [7, 8, 9])
    """

    __slots__ = ("lengths", "values", "weights")

    def __init__(self, values: Array, lengths: NDArray[np.int64], weights: Floats | None = None) -> None:
        self.values = values
        self.lengths = lengths
        self.weights = weights

    def __len__(self) -> int:
        """Rows."""
        return len(self.lengths)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Values of each row, 0 where it is missing."""
        return np.maximum(self.lengths, 0)

    def rows(self) -> list[Array]:
        """The values of each row."""
        return np.split(self.values, np.cumsum(self.sizes)[:-1]) if len(self.lengths) else []


Column = Union[Array, Ragged]


def is_flat(values: Any) -> bool:
    """Whether this is a column as it is, of numbers: all that is left to do is to copy it.

    >>> is_flat(np.array([1.5])), is_flat([1.5]), is_flat(np.array([[1.5]])), is_flat(np.array(["a"]))
    (True, False, False, False)
    """
    return type(values) is np.ndarray and values.dtype in _PLAIN and values.ndim == 1


def with_missing(values: Array, missing: NDArray[np.bool_]) -> Array:
    """Values of which some are missing, whatever stands there: floats with NaN, or objects with None.

    >>> with_missing(np.array([1, 99999]), np.array([False, True])).tolist()
    [1.0, nan]
    """
    if not missing.any():
        return values
    if values.dtype.kind in "iubf" and not _has_big(values[~missing]):
        return np.where(missing, NA, values.astype(np.float64))
    found = values.astype(object)
    found[missing] = None
    return found


def of_array(values: Array) -> Column:
    """The column of an array of any type and rank, copied: the first axis is the rows.

    Floats (n, d) are embeddings, one number a row: their L2 norms. Others (n, d) are d values a row.

    >>> of_array(np.array([[3.0, 4.0], [0.0, 1.0]])).tolist()
    [5.0, 1.0]
    """
    values = _plain(values)
    if values.ndim < 2:
        return np.array(values).reshape(-1)
    while values.ndim > 1 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 1:
        return values.copy()
    if values.dtype.kind == "f":
        return _norms(values)
    per_row = int(np.prod(values.shape[1:]))
    return Ragged(values.reshape(-1).copy(), np.full(len(values), per_row, np.int64))


def of_masked(values: Any) -> Column:
    """The column of a masked array: what lies under the mask is missing."""
    mask = np.zeros(values.shape, bool) | np.asarray(values.mask, bool)
    return of_array(with_missing(_plain(np.asarray(values.data)), mask))


def of_rows(column: Column, lengths: NDArray[np.int64], weights: Floats | None = None) -> Ragged:
    """Rows of several values (-1: missing) from the column of all values; rows within rows are laid flat."""
    sizes = np.maximum(lengths, 0)
    if int(sizes.sum()) != len(column):
        raise Refusal(f"{len(column)} values for rows of {int(sizes.sum())} in all")
    if isinstance(column, np.ndarray):
        return Ragged(column, lengths.astype(np.int64), weights)
    inner = np.bincount(np.repeat(np.arange(len(sizes)), sizes), column.sizes, len(sizes)).astype(np.int64)
    return Ragged(column.values, np.where(lengths < 0, -1, inner))


def is_na(values: Floats) -> NDArray[np.bool_]:
    """Which numbers were marked as missing; a NaN that a job computed is none of them.

    >>> is_na(np.array([NA, np.nan, 1.0])).tolist()
    [True, False, False]
    """
    return np.asarray(np.ascontiguousarray(values, np.float64).view(np.uint64) == NA.view(np.uint64))


def as_ragged(column: Column) -> Ragged:
    """Rows of at most one value each, as rows of several."""
    if isinstance(column, Ragged):
        return column
    missing = is_missing(column)
    return Ragged(column[~missing], np.where(missing, -1, 1).astype(np.int64))


def concatenated(pieces: Sequence[Column]) -> Column:
    """Columns end to end."""
    if len(pieces) == 1:
        return pieces[0]
    flat = [piece for piece in pieces if isinstance(piece, np.ndarray)]
    if len(flat) == len(pieces):
        return joined(flat)
    rows = [as_ragged(piece) for piece in pieces]
    weights = [row.weights for row in rows if row.weights is not None]
    lengths = np.concatenate([row.lengths for row in rows])
    both = np.concatenate(weights) if len(weights) == len(rows) else None
    return Ragged(joined([row.values for row in rows]), lengths, both)


def joined(pieces: Sequence[Array]) -> Array:
    """Arrays end to end; of different kinds, they become objects, so that no number turns into text."""
    if len(pieces) == 1:
        return pieces[0]
    kinds = {"n" if piece.dtype.kind in "iubf" else piece.dtype.kind for piece in pieces}
    if kinds == {"n"} and len({piece.dtype.kind == "f" for piece in pieces}) > 1 and any(map(_has_big, pieces)):
        kinds = {"n", "O"}
    return np.concatenate(pieces if len(kinds) == 1 else [piece.astype(object) for piece in pieces])


def _plain(values: Array) -> Array:
    """An array of a kind that the tracer reads: numbers, text, objects. Raises Refusal."""
    kind = values.dtype.kind
    if kind in "iubfOSU":
        return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
    if kind == "M":
        return np.where(np.isnat(values), NA, (values - np.datetime64(0, "s")) / _SECOND)
    if kind == "m":
        return np.where(np.isnat(values), NA, values / _SECOND)
    if kind == "T":  # NumPy 2's strings of any length
        return values.astype(object)
    if kind == "c":
        raise Refusal("complex numbers have no order; give their real part, or their size")
    if values.dtype.names:
        raise Refusal(f"a structured array; give its fields {', '.join(values.dtype.names)} as columns of their own")
    return _extended(values)


def _extended(values: Array) -> Array:
    """Types that others add to NumPy's: bfloat16, float8, int4."""
    try:
        return values.astype(np.float32)
    except (TypeError, ValueError):
        raise Refusal(f"an array of {values.dtype}; give numbers, text or times") from None


def _norms(values: Array) -> Column:
    """L2 norms over the last axis: NaN where any number is, inf where one is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        wide = values.astype(np.float64)
        norms = np.sqrt(np.einsum("...i,...i->...", wide, wide))
    if norms.ndim == 1:
        return np.asarray(norms)
    return Ragged(norms.reshape(-1), np.full(len(norms), int(np.prod(norms.shape[1:])), np.int64))


def _has_big(values: Array) -> bool:
    """Whether whole numbers are among them that float64 would round."""
    return values.dtype.kind in "iu" and len(values) > 0 and (int(values.max()) > EXACT or int(values.min()) < -EXACT)
