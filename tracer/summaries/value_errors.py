"""How far predictions are off by value of a feature: rows, positives and what was predicted of them, as whole numbers.

Sums count units of 2^-30 (squares: 2^-20), so parts add exactly in any order. A category is its hash, 0 where it is
missing; a number falls into a bin of a half or a third of its size ([1, 1.5), [1.5, 2), [2, 3), ...), whose key is the
bits of the edge nearer to 0. At most 256 values are kept, those with most rows; the rest is `other`. Exact in any order
while nothing overflows into `other`; merge all parts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamgauge.tracer.summaries.columns import (
    Columns,
    Floats,
    Hashes,
    Integers,
    expect,
    gather,
    is_increasing,
    sum_by_key,
    views,
)

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

CAPACITY: Final = 256
UNIT: Final = float(1 << 30)  # of weighted positives and predictions
SQUARE_UNIT: Final = float(1 << 20)  # of what goes with the square of a weight
HEAVIEST: Final = 4096.0  # weight of a row; the squares of half a million such rows still fit
SUMS: Final = 5
_EDGE: Final = 51  # bits below the one that is kept of a mantissa
_NAN: Final = np.uint64(0x7FF8 << 48)


@dataclass(frozen=True, eq=False)
class ValueErrors:
    """Sums by value; `keys` is sorted.

    `sums` has the shape [5, n]: rows, w y, w p, w^2 p and w^2 p^2, for label y, prediction p and weight w of each row.
    """

    KIND: ClassVar[str] = "value_errors"

    keys: Hashes
    sums: Integers
    other: tuple[int, ...] = (0,) * SUMS  # of the values that are not kept
    is_numeric: bool = False
    unusable: int = 0  # rows whose prediction, label or weight is: in no sum

    @classmethod
    def of(
        cls, codes: NDArray[np.float64] | Hashes, predictions: ArrayLike, labels: ArrayLike, weights: ArrayLike,
        capacity: int = CAPACITY,
    ) -> Self:  # fmt: skip
        """Of rows, a code each: a number, or a hash.

        >>> found = ValueErrors.of(np.array([2.5, 2.0, 9.0]), [0.5, 0.25, 0.1], [1, 0, 0], [1.0, 1.0, 1.0])
        >>> edges(found.keys).tolist(), found.sums[0].tolist(), (found.sums[2] / UNIT).tolist()
        ([[2.0, 3.0], [8.0, 12.0]], [2, 1], [0.75, 0.09999999962747097])
        """
        p, y, w = (np.asarray(column, np.float64).ravel() for column in (predictions, labels, weights))
        usable = (p >= 0.0) & (p <= 1.0) & (y >= 0.0) & (y <= 1.0) & (w > 0.0) & (w <= HEAVIEST)
        is_numeric = codes.dtype.kind == "f"
        keys = keys_of(np.asarray(codes, np.float64)) if is_numeric else np.asarray(codes, np.uint64)
        if not usable.all():
            keys, p, y, w = keys[usable], p[usable], y[usable], w[usable]
        squares = w * w * p
        sums = (w * y * UNIT, w * p * UNIT, squares * SQUARE_UNIT, squares * p * SQUARE_UNIT)
        whole = [np.ones(len(keys), np.int64), *(np.rint(column).astype(np.int64) for column in sums)]
        found, columns = sum_by_key(keys, *whole)
        unusable = len(usable) - len(keys)
        return cls._keep(found, np.array(columns, np.int64), np.zeros(SUMS, np.int64), is_numeric, unusable, capacity)

    @classmethod
    def _keep(
        cls, keys: Hashes, sums: Integers, other: Integers, is_numeric: bool, unusable: int, capacity: int
    ) -> Self:
        """The values with most rows, ties by the smaller key."""
        if len(keys) > capacity:
            dropped = np.ones(len(keys), bool)
            dropped[np.lexsort((keys, -sums[0]))[:capacity]] = False
            other = other + sums[:, dropped].sum(axis=1)
            keys, sums = keys[~dropped], sums[:, ~dropped]
        return cls(keys, sums.reshape(SUMS, -1), tuple(other.tolist()), is_numeric, unusable)

    def columns(self) -> Columns:
        """`<i8`[7] (is_numeric, unusable, the other five), keys `<u8`, sums `<i8` [5, n]."""
        head = np.array([self.is_numeric, self.unusable, *self.other], "<i8")
        return head.tobytes(), self.keys.astype("<u8").tobytes(), self.sums.astype("<i8").tobytes()

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, keys, flat = views(cls.KIND, columns, ("<i8", "<u8", "<i8"))
        expect(len(head) == 2 + SUMS and bool((head >= 0).all()) and head[0] <= 1, cls.KIND, "bad head")
        expect(len(flat) == SUMS * len(keys), cls.KIND, "columns of different lengths")
        expect(is_increasing(keys), cls.KIND, "keys not increasing")
        expect(bool((flat >= 0).all()) and bool((flat[: len(keys)] > 0).all()), cls.KIND, "a sum is negative")
        is_numeric, unusable, *other = head.tolist()
        return cls(keys, flat.reshape(SUMS, -1), tuple(other), bool(is_numeric), unusable)

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Exact sums by value, then the values with most rows."""
        heads = gather(parts, 0, "<i8").reshape(-1, 2 + SUMS)
        keys = gather(parts, 1, "<u8")
        tables = [np.frombuffer(part[2], "<i8").reshape(SUMS, -1) for part in parts]
        sums = np.concatenate(tables, axis=1) if tables else np.zeros((SUMS, 0), np.int64)
        found, columns = sum_by_key(keys, *sums)
        _, unusable, *other = heads.sum(axis=0).tolist()
        is_numeric = bool(heads[:, 0].any())
        return cls._keep(found, np.array(columns, np.int64), np.array(other, np.int64), is_numeric, unusable, CAPACITY)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """All parts at once."""
        return cls.fold([part.columns() for part in parts])


def keys_of(numbers: Floats) -> Hashes:
    """The bin of each number, as its key; that of what is missing has the bits of a NaN.

    >>> edges(keys_of(np.array([3.9, -1.2]))).tolist()
    [[3.0, 4.0], [-1.0, -1.5]]
    """
    bits = np.where(numbers == 0.0, 0.0, numbers).view(np.uint64)
    return np.where(np.isnan(numbers), _NAN, (bits >> np.uint64(_EDGE)) << np.uint64(_EDGE))


def edges(keys: Hashes) -> Floats:
    """Both edges of bins by their keys, of shape [n, 2], the one nearer to 0 first; 0 and what is missing are alone."""
    low = keys.view(np.float64)
    is_wide = np.isfinite(low) & (low != 0.0)
    high = np.where(is_wide, keys + np.uint64(1 << _EDGE), keys).view(np.float64)
    return np.stack((low, high), axis=1)
