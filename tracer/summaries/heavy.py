"""The most frequent values of a feature, by hash, with bounds that always hold.

The mergeable summaries of Agarwal et al. 2012 (Misra-Gries), merged k-way: for every kept hash
count <= true count <= count + error, and a hash that is not kept occurs at most `bound` times, which is at most
rows / (capacity + 1) for one pane. Exact (error and bound 0) while there are at most `capacity` distinct values. Up to
6 kB.

Not associative: merge all parts at once, not merges of merges; the order of the parts does not matter, ties go by key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.columns import (
    Columns,
    Hashes,
    Integers,
    are_positive,
    expect,
    gather,
    is_increasing,
    sum_by_key,
    views,
)
from streamgauge.tracer.summaries.hashing import Tally, tally

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

CAPACITY: Final = 256


class Top(NamedTuple):
    """One frequent value: its true count lies in [rows, rows + error]."""

    hash: int
    rows: int
    error: int


@dataclass(frozen=True, eq=False)
class Heavy:
    """Kept hashes, sorted, with count and error; `total` rows, of which any other hash has at most `bound`."""

    KIND: ClassVar[str] = "heavy"

    hashes: Hashes
    counts: Integers
    errors: Integers
    total: int = 0
    bound: int = 0
    capacity: int = CAPACITY

    @classmethod
    def of(cls, hashes: Hashes, capacity: int = CAPACITY) -> Self:
        """The summary of hashes (see `hash_values`).

        >>> Heavy.of(np.array([7, 3, 7], np.uint64)).top(1)
        [Top(hash=7, rows=2, error=0)]
        """
        return cls.of_tally(tally(hashes), capacity)

    @classmethod
    def of_tally(cls, tally: Tally, capacity: int = CAPACITY) -> Self:
        """The summary of tallied hashes."""
        return cls.keep(tally.hashes, tally.counts, np.zeros_like(tally.counts), int(tally.counts.sum()), 0, capacity)

    @classmethod
    def keep(
        cls, hashes: Hashes, counts: Integers, errors: Integers, total: int, bound: int, capacity: int
    ) -> Self:
        """Keep the `capacity` largest counts, ties by the smaller hash; what is dropped raises the bound."""
        if len(hashes) > capacity:
            kept = _largest(counts, capacity)
            dropped = ~kept
            bound = max(bound, int((counts[dropped] + errors[dropped]).max()))
            hashes, counts, errors = hashes[kept], counts[kept], errors[kept]
        return cls(hashes, counts, errors, total, bound, capacity)

    @property
    def is_exact(self) -> bool:
        """Whether every distinct value is kept with its exact count."""
        return self.bound == 0

    @property
    def other(self) -> int:
        """Rows of values that are not kept (an upper bound where counts have errors)."""
        return self.total - int(self.counts.sum())

    def top(self, n: int) -> list[Top]:
        """The n most frequent values, most frequent first, ties by hash."""
        order = np.lexsort((self.hashes, -self.counts))[:n]
        rows = zip(self.hashes[order].tolist(), self.counts[order].tolist(), self.errors[order].tolist())
        return [Top(*row) for row in rows]

    def counts_of(self, hashes: Hashes) -> Integers:
        """Counts of given hashes, 0 where not kept."""
        if len(self.hashes) == 0:
            return np.zeros(len(hashes), np.int64)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.where(self.hashes[at] == hashes, self.counts[at], 0)

    def slack_of(self, hashes: Hashes) -> Integers:
        """How much more than `counts_of` each can be."""
        if len(self.hashes) == 0:
            return np.full(len(hashes), self.bound, np.int64)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.where(self.hashes[at] == hashes, self.errors[at], self.bound)

    def columns(self) -> Columns:
        """`<i8` (total, bound, capacity), hashes `<u8`, counts `<i8`, errors `<i8` (empty where all are 0)."""
        head = np.array([self.total, self.bound, self.capacity], "<i8").tobytes()
        errors = self.errors.astype("<i8").tobytes() if self.errors.any() else b""
        return head, self.hashes.astype("<u8").tobytes(), self.counts.astype("<i8").tobytes(), errors

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, hashes, counts, errors = views(cls.KIND, columns, ("<i8", "<u8", "<i8", "<i8"))
        expect(len(head) == 3 and bool((head >= 0).all()), cls.KIND, "bad head")
        expect(len(hashes) == len(counts) <= head[2], cls.KIND, "columns of different lengths")
        expect(len(errors) in (0, len(hashes)), cls.KIND, "errors of another length")
        expect(is_increasing(hashes) and are_positive(counts), cls.KIND, "hashes or counts out of order")
        return cls(hashes, counts, errors if len(errors) else np.zeros(len(hashes), np.int64), *head.tolist())

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """K-way: counts add; a hash absent from a part may have had that part's bound there."""
        if not parts:
            return cls.of(np.zeros(0, np.uint64))
        heads = gather(parts, 0, "<i8").reshape(-1, 3)
        sizes = [len(part[1]) // 8 for part in parts]
        errors = np.frombuffer(b"".join([part[3] or bytes(len(part[1])) for part in parts]), "<i8")
        here = np.repeat(heads[:, 1], sizes)
        hashes, (counts, own, present) = sum_by_key(
            gather(parts, 1, "<u8"), gather(parts, 2, "<i8"), errors, here
        )
        total, bound, capacity = int(heads[:, 0].sum()), int(heads[:, 1].sum()), int(heads[:, 2].max())
        return cls.keep(hashes, counts, own + (bound - present), total, bound, capacity)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """All parts at once."""
        return cls.fold([part.columns() for part in parts])


def _largest(counts: Integers, capacity: int) -> NDArray[np.bool_]:
    """Which `capacity` of sorted hashes have the largest counts; ties go to the smaller hash."""
    repeated = counts[counts > 1]  # in a long tail most occur once: leave those out of the selection
    place = len(repeated) - capacity
    edge = 1 if place < 0 else np.partition(repeated, place)[place]
    kept: NDArray[np.bool_] = counts > edge
    ties = np.flatnonzero(counts == edge)
    kept[ties[: capacity - int(np.count_nonzero(kept))]] = True
    return kept
