"""Counts of the sampled ids: those whose hash is 0 modulo m, so that every worker keeps the same ones.

The union of two samples is the sample of the union: exact in any order. 16 bytes an id; memory is rows / m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

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
from streamgauge.tracer.summaries.hashing import Tally, is_power, is_sampled, tally

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on


@dataclass(frozen=True, eq=False)
class Ids:
    """Sampled hashes, sorted, and how often each was seen; `modulus` is a power of two."""

    KIND: ClassVar[str] = "ids"

    hashes: Hashes
    counts: Integers
    modulus: int = 1

    @classmethod
    def of(cls, hashes: Hashes, modulus: int = 1) -> Self:
        """The sample of hashes (see `hash_values`).

        >>> Ids.of(np.array([8, 8, 3], np.uint64), modulus=4).rows()
        2
        """
        return cls.of_tally(tally(hashes[_sampled(hashes, modulus)]), modulus)

    @classmethod
    def of_tally(cls, tally: Tally, modulus: int = 1) -> Self:
        """The sample of tallied hashes. Raises ValueError unless `modulus` is a power of two."""
        kept = _sampled(tally.hashes, modulus)
        return cls(tally.hashes[kept], tally.counts[kept], modulus)

    def distinct(self) -> int:
        """Distinct ids in the sample; times `modulus` estimates all of them."""
        return len(self.hashes)

    def rows(self) -> int:
        """Rows in the sample."""
        return int(self.counts.sum())

    def columns(self) -> Columns:
        """Modulus `<u8`[1], hashes `<u8`, counts `<i8`."""
        head = np.array([self.modulus], "<u8").tobytes()
        return head, self.hashes.astype("<u8").tobytes(), self.counts.astype("<i8").tobytes()

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, hashes, counts = views(cls.KIND, columns, ("<u8", "<u8", "<i8"))
        expect(len(head) == 1 and is_power(int(head[0])), cls.KIND, "modulus is no power of two")
        expect(len(hashes) == len(counts), cls.KIND, "columns of different lengths")
        expect(is_increasing(hashes) and are_positive(counts), cls.KIND, "hashes not increasing")
        expect(bool(_sampled(hashes, int(head[0])).all()), cls.KIND, "a hash that is not in the sample")
        return cls(hashes, counts, int(head[0]))

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """The union, at the largest modulus of all parts."""
        modulus = int(gather(parts, 0, "<u8").max()) if parts else 1
        hashes, (counts,) = sum_by_key(gather(parts, 1, "<u8"), gather(parts, 2, "<i8"))
        return cls.of_tally(Tally(hashes, counts), modulus)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """The union, in any order."""
        return cls.fold([part.columns() for part in parts])


def _sampled(hashes: Hashes, modulus: int) -> NDArray[np.bool_]:
    if not is_power(modulus):
        raise ValueError(f"modulus must be a power of two, got {modulus} (streamgauge.tracer.summaries.ids)")
    return is_sampled(hashes, modulus)
