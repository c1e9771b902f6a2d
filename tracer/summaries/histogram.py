"""A fixed log-linear histogram of finite numbers: 5 mantissa bits, so quantiles are within 1.6 % of the exact ones.

The bucket of x is the sign, exponent and top 5 mantissa bits of its float64 (as in HdrHistogram, but with fixed
bounds): no state decides the bounds, so merges are exact in any order. Sparse: 12 bytes a bucket that occurs; about 10
ns a value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.columns import (
    Columns,
    Floats,
    Integers,
    Values,
    are_positive,
    expect,
    gather,
    is_increasing,
    sum_by_key,
    views,
)
from streamgauge.tracer.summaries.counts import to_floats

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

Keys = NDArray[np.int32]
LARGEST: Final = 65_504  # key of the bucket of the largest finite number
_SHIFT: Final = 52 - 5
_SIZES: Final = (1 << 16) - 1  # of exponent and top 5 mantissa bits
_HALF: Final = np.uint64(1 << 46)
_MAGNITUDE: Final = np.uint64((1 << 63) - 1)
_ZERO: Final = np.zeros(1, np.int32)
_DENSE: Final = 16_384  # widest key range that is counted in a dense array


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts by bucket; `keys` is sorted like the values it stands for, 0 is exactly zero."""

    KIND: ClassVar[str] = "histogram"

    keys: Keys
    counts: Integers

    @classmethod
    def of(cls, values: Values) -> Self:
        """The histogram of the finite values.

        >>> Histogram.of([1.0, 10.0, 100.0, float("nan")]).quantile(0.5)
        10.125
        """
        numbers = to_floats(values)[0]
        return cls.of_finite(numbers[np.isfinite(numbers)])

    @classmethod
    def of_finite(cls, values: Floats) -> Self:
        """The histogram of values that are known to be finite, float64 and contiguous."""
        return cls(*_count(values))

    @property
    def total(self) -> int:
        """Values counted."""
        return int(self.counts.sum())

    def quantile(self, q: float) -> float:
        """The midpoint of the bucket that holds the value of rank ceil(q n); NaN without values."""
        return float(self.quantiles([q])[0])

    def quantiles(self, qs: Sequence[float]) -> Floats:
        """Several quantiles at once, of shape [len(qs)]."""
        if len(self.keys) == 0:
            return np.full(len(qs), math.nan)
        cumulative = np.cumsum(self.counts)
        total = int(cumulative[-1])
        ranks = [max(math.ceil(q * total), 1.0) for q in qs]
        return midpoints(self.keys[cumulative.searchsorted(ranks)])

    def midpoints(self) -> Floats:
        """The value in the middle of each bucket."""
        return midpoints(self.keys)

    def mean(self) -> float:
        """Mean of the midpoints, within 1.6 % where all values have one sign; NaN without values."""
        total = self.total
        return math.fsum((self.midpoints() * (self.counts / total)).tolist()) if total else math.nan

    def columns(self) -> Columns:
        """Keys `<i4`, counts `<i8`."""
        return self.keys.astype("<i4").tobytes(), self.counts.astype("<i8").tobytes()

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") unless keys increase and belong to finite numbers and counts are positive."""
        keys, counts = views(cls.KIND, columns, ("<i4", "<i8"))
        expect(len(keys) == len(counts), cls.KIND, "columns of different lengths")
        expect(is_increasing(keys) and are_positive(counts), cls.KIND, "keys not increasing or counts not positive")
        expect(len(keys) == 0 or -LARGEST <= keys[0] <= keys[-1] <= LARGEST, cls.KIND, "a key beyond the last bucket")
        return cls(keys, counts)

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Exact sums by bucket."""
        keys, (counts,) = sum_by_key(gather(parts, 0, "<i4"), gather(parts, 1, "<i8"))
        return cls(keys, counts)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Exact sums by bucket, in any order."""
        return cls.fold([part.columns() for part in parts])


def bucket_keys(values: Floats) -> Keys:
    """The bucket of each finite value: sign x (1 + exponent and top 5 mantissa bits), 0 for zero.

    >>> bucket_keys(np.array([0.0, 1.0, 1.01, -1.0])).tolist()
    [0, 32737, 32737, -32737]
    """
    keys = ((values.view(np.uint64) & _MAGNITUDE) >> np.uint64(_SHIFT)).astype(np.int32)
    keys += 1
    if len(values) and values.min() <= 0.0:
        keys *= np.sign(values).astype(np.int32)
    return keys


def midpoints(keys: Keys) -> Floats:
    """The value in the middle of each bucket, 0 for the zero bucket."""
    magnitude = np.abs(keys.astype(np.int64))
    bits = (np.maximum(magnitude - 1, 0).astype(np.uint64) << np.uint64(_SHIFT)) + _HALF
    return np.sign(keys) * bits.view(np.float64)


def _count(values: Floats) -> tuple[Keys, Integers]:
    """Buckets that occur and their counts, of finite values."""
    if not len(values):
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    places = values.view(np.int64) >> _SHIFT
    sizes = places & _SIZES
    low = int(sizes.min())
    if low == 0:
        is_zero = values == 0.0
        zeros = int(np.count_nonzero(is_zero))
        if zeros:
            return _with_zeros(zeros, *_count(values[~is_zero]))
    return _count_sizes(places, sizes, low)


def _count_sizes(places: Integers, sizes: Integers, low: int) -> tuple[Keys, Integers]:
    """The same of values that are not 0, by sign and size: in a dense array where they lie near each other, mostly."""
    width = int(sizes.max()) - low + 1
    if 2 * width > _DENSE:
        found, counts = np.unique(np.where(places < 0, -sizes - 1, sizes + 1), return_counts=True)
        return found.astype(np.int32), counts
    sizes -= low
    if int(places.min()) >= 0:
        return _found(np.bincount(sizes), low)
    sizes += (places >> 63) & width  # negative ones stand behind
    dense = np.bincount(sizes, minlength=2 * width)
    keys, counts = _found(dense[width:], low)
    return _joined((-keys[::-1], counts[::-1]), _found(dense[:width], low))


def _found(dense: Integers, low: int) -> tuple[Keys, Integers]:
    found = np.flatnonzero(dense)
    return (found + (low + 1)).astype(np.int32), dense[found]


def _with_zeros(zeros: int, keys: Keys, counts: Integers) -> tuple[Keys, Integers]:
    place = int(keys.searchsorted(0))
    zero = _ZERO, np.array([zeros])
    return _joined((keys[:place], counts[:place]), zero, (keys[place:], counts[place:]))


def _joined(*parts: tuple[Keys, Integers]) -> tuple[Keys, Integers]:
    return np.concatenate([keys for keys, _ in parts]), np.concatenate([counts for _, counts in parts])
