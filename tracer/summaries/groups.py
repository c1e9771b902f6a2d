"""Predictions and labels by group (user, session, request), of those groups whose hash is 0 modulo a power of two.

What GAUC and the ranking metrics need: for each kept group, how many positives and negatives lie in which of the 4,096
logit buckets of `labels`. A group is kept whole or not at all, so what is said of it is of all its rows. Above `MOST`
entries the modulus doubles; the union of parts at the least modulus that fits does not depend on their order or on how
they were merged before: exact in any order. 26 bytes an entry, an entry a row at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike

from streamgauge.tracer.summaries.buckets import BUCKETS, Numbers, bucket_numbers
from streamgauge.tracer.summaries.columns import (
    Columns,
    Hashes,
    Integers,
    expect,
    gather,
    views,
)
from streamgauge.tracer.summaries.hashing import is_power, is_sampled

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

MOST: Final = 65_536  # entries, 1.7 MB
_LARGEST: Final = 1 << 62  # modulus beyond which a sample is not thinned


@dataclass(frozen=True, eq=False)
class Groups:
    """Counts by (group, bucket), sorted by both."""

    KIND: ClassVar[str] = "groups"

    group: Hashes
    bucket: Numbers
    positives: Integers
    negatives: Integers
    modulus: int = 1  # a power of two: one group in so many is here
    seen: int = 0  # rows that came, before any thinning
    invalid: int = 0  # of these, those whose prediction or label is unusable

    @classmethod
    def of(cls, groups: Hashes, predictions: ArrayLike, labels: ArrayLike, modulus: int = 1) -> Self:
        """Counts of rows with a group (hash, 0: none), a prediction and a label in [0, 1]; one above 0.5 is positive.

        >>> found = Groups.of(np.array([8, 8, 3], np.uint64), [0.9, 0.2, 0.5], [1, 0, 1], modulus=4)
        >>> found.group.tolist(), found.positives.tolist()
        ([8, 8], [0, 1])
        """
        kept = is_sampled(groups, modulus) & (groups != 0)
        group = groups[kept]
        p, y = np.asarray(predictions, np.float64)[kept], np.asarray(labels, np.float64)[kept]
        usable = (p >= 0.0) & (p <= 1.0) & (y >= 0.0) & (y <= 1.0)
        invalid = len(usable) - int(np.count_nonzero(usable))
        group, p, is_positive = group[usable], p[usable], y[usable] > 0.5
        numbers = bucket_numbers(p)[0].astype(np.uint16)
        counts = is_positive.astype(np.int64), (~is_positive).astype(np.int64)
        return cls(*_thinned(*_summed(group, numbers, *counts), modulus), len(usable), invalid)

    @property
    def rows(self) -> int:
        """Rows in the sample."""
        return int(self.positives.sum() + self.negatives.sum())

    def columns(self) -> Columns:
        """`<u8` (modulus, seen, invalid), groups `<u8`, buckets `<u2`, positives and negatives `<i8`."""
        head = np.array([self.modulus, self.seen, self.invalid], "<u8").tobytes()
        counts = self.positives.astype("<i8").tobytes(), self.negatives.astype("<i8").tobytes()
        return head, self.group.astype("<u8").tobytes(), self.bucket.astype("<u2").tobytes(), *counts

    def pieces(self, size: int) -> list[Groups]:
        """The same in parts of so many entries; their merge is the whole."""
        return [
            Groups(
                self.group[i : i + size], self.bucket[i : i + size],
                self.positives[i : i + size], self.negatives[i : i + size], self.modulus,
                0 if i else self.seen, 0 if i else self.invalid,
            )
            for i in range(0, len(self.group), size)
        ]  # fmt: skip

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, group, bucket, positives, negatives = views(cls.KIND, columns, ("<u8", "<u8", "<u2", "<i8", "<i8"))
        expect(len(head) == 3 and is_power(int(head[0])), cls.KIND, "modulus is no power of two")
        expect(len(group) == len(bucket) == len(positives) == len(negatives), cls.KIND, "columns of different lengths")
        expect(bool((positives >= 0).all() and (negatives >= 0).all()), cls.KIND, "negative counts")
        expect(bool((positives + negatives > 0).all()), cls.KIND, "an entry without rows")
        expect(len(bucket) == 0 or int(bucket.max()) < BUCKETS, cls.KIND, "a bucket beyond the last")
        expect(bool(is_sampled(group, int(head[0])).all()), cls.KIND, "a group that is not in the sample")
        rising = (group[1:] > group[:-1]) | ((group[1:] == group[:-1]) & (bucket[1:] > bucket[:-1]))
        expect(bool(rising.all()), cls.KIND, "entries not increasing")
        return cls(group, bucket, positives, negatives, *map(int, head))

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """The union, at the largest modulus of all parts or above it, where there is no room."""
        heads = gather(parts, 0, "<u8").reshape(-1, 3)
        modulus = int(heads[:, 0].max()) if parts else 1
        group = gather(parts, 1, "<u8")
        kept = is_sampled(group, modulus)
        columns = [gather(parts, i, dtype)[kept] for i, dtype in ((2, "<u2"), (3, "<i8"), (4, "<i8"))]
        return cls(*_thinned(*_summed(group[kept], *columns), modulus), *map(int, heads[:, 1:].sum(axis=0)))

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """The union, in any order."""
        return cls.fold([part.columns() for part in parts])


def _summed(
    group: Hashes, bucket: Numbers, positives: Integers, negatives: Integers
) -> tuple[Hashes, Numbers, Integers, Integers]:
    """One entry for each (group, bucket), sorted by both."""
    if not len(group):
        return group, bucket, positives, negatives
    order = np.lexsort((bucket, group))
    group, bucket = group[order], bucket[order]
    is_first = np.ones(len(group), bool)
    is_first[1:] = (group[1:] != group[:-1]) | (bucket[1:] != bucket[:-1])
    first = np.flatnonzero(is_first)
    sums = [np.add.reduceat(column[order], first) for column in (positives, negatives)]
    return group[first], bucket[first], sums[0], sums[1]


def _thinned(
    group: Hashes, bucket: Numbers, positives: Integers, negatives: Integers, modulus: int
) -> tuple[Hashes, Numbers, Integers, Integers, int]:
    """The same at the least modulus that fits."""
    while len(group) > MOST and modulus < _LARGEST:
        modulus *= 2
        kept = is_sampled(group, modulus)
        group, bucket, positives, negatives = group[kept], bucket[kept], positives[kept], negatives[kept]
    return group, bucket, positives, negatives, modulus
