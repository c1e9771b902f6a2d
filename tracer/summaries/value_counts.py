"""Counts of numbers whose histogram is too coarse for them: a year, kelvin, a unix time lie in a few of its buckets.

On nested grids (`value_bins`), as finely as 64 bins allow. Exact in any order. Made only where values that differ lie
in one of at most 16 buckets, so it may stand for a part of the rows only: `total` says of how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from streamgauge.tracer.summaries.columns import (
    Columns,
    Floats,
    Hashes,
    Integers,
    are_positive,
    expect,
    gather,
    is_increasing,
    sum_by_key,
    views,
)
from streamgauge.tracer.summaries.histogram import Histogram, bucket_keys
from streamgauge.tracer.summaries.value_bins import FINEST, SHARP, at_level, count_bins, middles, sharpest

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

FEW: Final = 16  # buckets; a histogram of more is fine enough


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """Counts by bin of a level; `keys` is sorted in the order of the values."""

    KIND: ClassVar[str] = "value_counts"

    keys: Hashes
    counts: Integers
    level: int = FINEST

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Of finite values.

        >>> found = ValueCounts.of(np.array([2024.0, 2025.0, 2025.0]))
        >>> found.counts.tolist(), found.quantiles([0.5]).tolist()
        ([1, 2], [2025.0])
        """
        level, keys, _, counts = count_bins(values, np.zeros(len(values), bool))
        return cls(keys, counts, level)

    @property
    def total(self) -> int:
        """Values counted."""
        return int(self.counts.sum())

    def at(self, level: int) -> ValueCounts:
        """The same on a coarser grid, or on its own."""
        keys, (counts,) = sum_by_key(at_level(self.keys, self.level, level), self.counts)
        return ValueCounts(keys, counts, level)

    def quantiles(self, qs: Sequence[float]) -> Floats:
        """The middles of the bins that hold the values of rank ceil(q n), of shape [len(qs)]; NaN without values."""
        if not len(self.keys):
            return np.full(len(qs), np.nan)
        ranks = [max(np.ceil(q * self.total), 1.0) for q in qs]
        return middles(self.keys[self.counts.cumsum().searchsorted(ranks)], self.level)

    def columns(self) -> Columns:
        """Level `<i8`[1], keys `<u8`, counts `<i8`."""
        head = np.array([self.level], "<i8").tobytes()
        return head, self.keys.astype("<u8").tobytes(), self.counts.astype("<i8").tobytes()

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, keys, counts = views(cls.KIND, columns, ("<i8", "<u8", "<i8"))
        expect(len(head) == 1 and 0 <= head[0] <= FINEST, cls.KIND, "a level that there is not")
        expect(len(keys) == len(counts), cls.KIND, "columns of different lengths")
        expect(len(keys) <= SHARP or head[0] == 0, cls.KIND, "more bins than its level has")
        expect(is_increasing(keys) and are_positive(counts), cls.KIND, "keys not increasing or counts not positive")
        return cls(keys, counts, int(head[0]))

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Exact sums by bin, at the finest level with at most 64 of them."""
        levels = gather(parts, 0, "<i8").tolist()
        level = min(levels, default=FINEST)
        found = [at_level(np.frombuffer(part[1], "<u8"), own, level) for part, own in zip(parts, levels)]
        keys, (counts,) = sum_by_key(np.concatenate(found or [np.zeros(0, np.uint64)]), gather(parts, 2, "<i8"))
        level, keys, (counts,) = sharpest(keys, level, counts)
        return cls(keys, counts, level)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """The sum, in any order."""
        return cls.fold([part.columns() for part in parts])


def is_coarse(histogram: Histogram, values: Floats) -> bool:
    """Whether one of the buckets of these values' histogram holds different values.

    >>> years, hours = np.array([2024.0, 2025.0]), np.array([1.0, 2.0, 3.0])
    >>> is_coarse(Histogram.of(years), years), is_coarse(Histogram.of(hours), hours)
    (True, False)
    """
    places = histogram.keys.searchsorted(bucket_keys(values))
    one = np.empty(len(histogram.keys))
    one[places] = values
    return bool((one[places] != values).any())
