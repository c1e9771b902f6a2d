"""Label counts by value bin of a feature: what information value needs.

Numeric bins keep 2 mantissa bits (25 % wide at most), ids are bins of their own. At most 256 bins are kept, the
largest; the rest is `other`. Exact in any order while nothing overflows into `other`; merge all parts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamgauge.tracer.summaries.columns import (
    Columns,
    Hashes,
    Integers,
    Values,
    expect,
    gather,
    is_increasing,
    sum_by_key,
    views,
)
from streamgauge.tracer.summaries.counts import to_floats
from streamgauge.tracer.summaries.histogram import bucket_keys

CAPACITY: Final = 256
_OFFSET: Final = 1 << 31  # makes signed numeric keys sort as unsigned ones


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Positives and negatives by bin; `keys` is sorted, and for numeric features in the order of the values."""

    KIND: ClassVar[str] = "bins"

    keys: Hashes
    positives: Integers
    negatives: Integers
    other: tuple[int, int] = (0, 0)  # (positives, negatives) of the bins that are not kept
    missing: tuple[int, int] = (0, 0)  # of the rows where the feature is missing
    is_numeric: bool = False
    capacity: int = CAPACITY

    @classmethod
    def of_numeric(cls, values: Values, labels: ArrayLike, capacity: int = CAPACITY) -> Self:
        """Bins of a numeric feature; what is not finite counts as missing.

        >>> Bins.of_numeric([1.0, 1.0, 9.0, float("nan")], [1, 0, 0, 1]).missing
        (1, 0)
        """
        numbers = to_floats(values)[0]
        finite = np.isfinite(numbers)
        fine = bucket_keys(numbers[finite]).astype(np.int64)
        coarse = np.sign(fine) * (((np.abs(fine) - 1) >> 3) + 1)
        return cls._of((coarse + _OFFSET).astype(np.uint64), finite, labels, is_numeric=True, capacity=capacity)

    @classmethod
    def of_ids(
        cls, hashes: Hashes, labels: ArrayLike, present: NDArray[np.bool_] | None = None, capacity: int = CAPACITY
    ) -> Self:
        """Bins of hashed values, one hash a row; rows that are not `present` count as missing."""
        here = np.ones(len(hashes), bool) if present is None else present
        return cls._of(hashes[here], here, labels, is_numeric=False, capacity=capacity)

    @classmethod
    def _of(
        cls, keys: Hashes, present: NDArray[np.bool_], labels: ArrayLike, *, is_numeric: bool, capacity: int
    ) -> Self:
        y = np.asarray(labels, np.float64).ravel() > 0.5
        here = y[present]
        bins, (positives, negatives) = sum_by_key(keys, here.astype(np.int64), (~here).astype(np.int64))
        absent = int(np.count_nonzero(y[~present]))
        missing = (absent, int(np.count_nonzero(~present)) - absent)
        return cls.keep(bins, positives, negatives, (0, 0), missing, is_numeric, capacity)

    @classmethod
    def keep(
        cls, keys: Hashes, positives: Integers, negatives: Integers, other: tuple[int, int], missing: tuple[int, int],
        is_numeric: bool, capacity: int,
    ) -> Self:
        """Keep the `capacity` bins with most rows, ties by the smaller key."""
        if len(keys) > capacity:
            rows = positives + negatives
            kept = np.sort(np.lexsort((keys, -rows))[:capacity])
            dropped = np.ones(len(keys), bool)
            dropped[kept] = False
            other = (other[0] + int(positives[dropped].sum()), other[1] + int(negatives[dropped].sum()))
            keys, positives, negatives = keys[kept], positives[kept], negatives[kept]
        return cls(keys, positives, negatives, other, missing, is_numeric, capacity)

    @property
    def rows(self) -> int:
        """Labelled rows, missing ones too."""
        return int(self.positives.sum() + self.negatives.sum()) + sum(self.other) + sum(self.missing)

    def columns(self) -> Columns:
        """`<i8` (other pos, neg, missing pos, neg, is_numeric, capacity), keys `<u8`, positives, negatives `<i8`."""
        head = np.array([*self.other, *self.missing, self.is_numeric, self.capacity], "<i8").tobytes()
        counts = self.positives.astype("<i8").tobytes(), self.negatives.astype("<i8").tobytes()
        return head, self.keys.astype("<u8").tobytes(), *counts

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, keys, positives, negatives = views(cls.KIND, columns, ("<i8", "<u8", "<i8", "<i8"))
        expect(len(head) == 6 and bool((head >= 0).all()), cls.KIND, "bad head")
        expect(len(keys) == len(positives) == len(negatives) <= head[5], cls.KIND, "columns of different lengths")
        expect(is_increasing(keys), cls.KIND, "keys not increasing")
        expect(bool((positives >= 0).all() and (negatives >= 0).all()), cls.KIND, "negative counts")
        a, b, c, d, numeric, capacity = head.tolist()
        return cls(keys, positives, negatives, (a, b), (c, d), bool(numeric), capacity)

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Exact sums by bin, then the largest bins."""
        heads = gather(parts, 0, "<i8").reshape(-1, 6)
        a, b, c, d = heads[:, :4].sum(axis=0).tolist()
        keys, (positives, negatives) = sum_by_key(
            gather(parts, 1, "<u8"), gather(parts, 2, "<i8"), gather(parts, 3, "<i8")
        )
        numeric = bool(heads[:, 4].any())
        capacity = int(heads[:, 5].max()) if parts else CAPACITY
        return cls.keep(keys, positives, negatives, (a, b), (c, d), numeric, capacity)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """All parts at once."""
        return cls.fold([part.columns() for part in parts])
