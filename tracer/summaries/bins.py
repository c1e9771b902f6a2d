"""Label counts by value bin of a feature: what information value needs.

Numeric bins lie on nested grids (`value_bins`), as finely as 64 of them allow and 25 % wide at most; ids are bins of
their own. At most 256 bins are kept, the largest; the rest is `other`. Exact in any order while nothing overflows into
`other`; merge all parts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

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
from streamgauge.tracer.summaries.value_bins import FINEST, at_level, count_bins, sharpest

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

CAPACITY: Final = 256


@dataclass(frozen=True, eq=False)
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
    level: int = 0  # of a numeric one: how often bins of 2 mantissa bits were halved

    @classmethod
    def of_numeric(cls, values: Values, labels: ArrayLike, capacity: int = CAPACITY) -> Self:
        """Bins of a numeric feature; what is not finite counts as missing.

        >>> Bins.of_numeric([1.0, 1.0, 9.0, float("nan")], [1, 0, 0, 1]).missing
        (1, 0)
        """
        numbers, positive = to_floats(values)[0], _are_positive(labels)
        finite = np.isfinite(numbers)
        missing = (0, 0)
        if not finite.all():
            missing = _missing(finite, positive)
            numbers, positive = numbers[finite], positive[finite]
        level, keys, positives, negatives = count_bins(numbers, positive)
        return cls.keep(keys, positives, negatives, (0, 0), missing, is_numeric=True, capacity=capacity, level=level)

    @classmethod
    def of_ids(
        cls, hashes: Hashes, labels: ArrayLike, present: NDArray[np.bool_] | None = None, capacity: int = CAPACITY
    ) -> Self:
        """Bins of hashed values, one hash a row; rows that are not `present` count as missing."""
        here = np.ones(len(hashes), bool) if present is None else present
        positive = _are_positive(labels)
        known = positive[here]
        keys, (positives, rows) = sum_by_key(hashes[here], known.astype(np.int64), np.ones(len(known), np.int64))
        missing = _missing(here, positive)
        return cls.keep(keys, positives, rows - positives, (0, 0), missing, is_numeric=False, capacity=capacity)

    @classmethod
    def keep(
        cls, keys: Hashes, positives: Integers, negatives: Integers, other: tuple[int, int], missing: tuple[int, int],
        *, is_numeric: bool, capacity: int, level: int = 0,
    ) -> Self:  # fmt: skip
        """Keep the `capacity` bins with most rows, ties by the smaller key."""
        if len(keys) > capacity:
            rows = positives + negatives
            kept = np.sort(np.lexsort((keys, -rows))[:capacity])
            dropped = np.ones(len(keys), bool)
            dropped[kept] = False
            other = (other[0] + int(positives[dropped].sum()), other[1] + int(negatives[dropped].sum()))
            keys, positives, negatives = keys[kept], positives[kept], negatives[kept]
        return cls(keys, positives, negatives, other, missing, is_numeric, capacity, level)

    @property
    def rows(self) -> int:
        """Labelled rows, missing ones too."""
        return int(self.positives.sum() + self.negatives.sum()) + sum(self.other) + sum(self.missing)

    def columns(self) -> Columns:
        """`<i8` (other pos, neg, missing pos, neg, is_numeric, capacity[, level]), keys `<u8`, pos, neg `<i8`."""
        level = [self.level] if self.level else []
        head = np.array([*self.other, *self.missing, self.is_numeric, self.capacity, *level], "<i8").tobytes()
        counts = self.positives.astype("<i8").tobytes(), self.negatives.astype("<i8").tobytes()
        return head, self.keys.astype("<u8").tobytes(), *counts

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, keys, positives, negatives = views(cls.KIND, columns, ("<i8", "<u8", "<i8", "<i8"))
        expect(len(head) in (6, 7) and bool((head >= 0).all()), cls.KIND, "bad head")
        expect(len(head) == 6 or (head[4] == 1 and head[6] <= FINEST), cls.KIND, "a level that there is not")
        expect(len(keys) == len(positives) == len(negatives) <= head[5], cls.KIND, "columns of different lengths")
        expect(is_increasing(keys), cls.KIND, "keys not increasing")
        expect(bool((positives >= 0).all() and (negatives >= 0).all()), cls.KIND, "negative counts")
        a, b, c, d, numeric, capacity, *level = head.tolist()
        return cls(keys, positives, negatives, (a, b), (c, d), bool(numeric), capacity, *level)

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Exact sums by bin, then the largest bins."""
        heads = heads_of(parts)
        a, b, c, d = heads[:, :4].sum(axis=0).tolist()
        numeric = bool(heads[:, 4].any())
        capacity = int(heads[:, 5].max()) if parts else CAPACITY
        level = int(heads[:, 6].min()) if parts else 0
        found = [np.frombuffer(part[1], "<u8") for part in parts]
        if level < int(heads[:, 6].max(initial=0)):
            found = [at_level(keys, own, level) for keys, own in zip(found, heads[:, 6].tolist())]
        keys, (positives, negatives) = sum_by_key(
            np.concatenate(found) if found else np.zeros(0, np.uint64), gather(parts, 2, "<i8"), gather(parts, 3, "<i8")
        )
        if numeric:
            level, keys, (positives, negatives) = sharpest(keys, level, positives, negatives)
        return cls.keep(keys, positives, negatives, (a, b), (c, d), is_numeric=numeric, capacity=capacity, level=level)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """All parts at once."""
        return cls.fold([part.columns() for part in parts])


def _are_positive(labels: ArrayLike) -> NDArray[np.bool_]:
    """Which labels are positive; labels that are booleans say so themselves."""
    y = np.asarray(labels).ravel()
    return y if y.dtype == np.bool_ else y.astype(np.float64) > 0.5


def _missing(present: NDArray[np.bool_], positive: NDArray[np.bool_]) -> tuple[int, int]:
    """(positives, negatives) of the rows that are not present."""
    absent = len(present) - int(np.count_nonzero(present))
    positives = int(np.count_nonzero(positive & ~present)) if absent else 0
    return positives, absent - positives


def heads_of(parts: Sequence[Columns]) -> Integers:
    """The heads of parts, of shape [n, 7]; one without a level has level 0."""
    heads = [part[0] if len(part[0]) == 56 else part[0] + bytes(8) for part in parts]
    return np.frombuffer(b"".join(heads), "<i8").reshape(-1, 7)
