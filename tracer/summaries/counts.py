"""How many rows are missing, default, invalid or zero, and the moments of the finite ones.

Counts merge exactly in any order. Moments are float sums about a fixed shift, merged with `math.fsum`: the order of the
parts does not matter, but a merge of merges may differ from one merge in the last bit.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.columns import Columns, Floats, Hashes, Values, expect, gather, views
from streamgauge.tracer.summaries.hashing import is_missing

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

_COUNTS: Final = struct.Struct("<7q")
_MOMENTS: Final = struct.Struct("<6d")


@dataclass(frozen=True)
class Counts:
    """Row counts of one feature. A NaN is missing; inf is not, it is invalid."""

    KIND: ClassVar[str] = "counts"

    rows: int = 0
    missing: int = 0  # None, NaN or ""
    default: int = 0  # equal to the declared default
    invalid: int = 0  # not missing, but of the wrong type, out of range, out of the vocabulary, or infinite
    zero: int = 0  # numeric and exactly 0
    nonfinite: int = 0  # infinite: invalid too
    values: int = 0  # neither missing nor invalid

    @classmethod
    def of_numeric(
        cls, values: Values, default: float | None = None, low: float | None = None, high: float | None = None
    ) -> Self:
        """Counts of a numeric feature; `low` and `high` are the declared range, both inside it.

        >>> Counts.of_numeric([1.0, 0.0, float("nan"), float("inf")])
        Counts(rows=4, missing=1, default=0, invalid=1, zero=1, nonfinite=1, values=2)
        """
        numbers, failed = to_floats(values)
        return cls.of_floats(numbers, failed, default, low, high)

    @classmethod
    def of_floats(
        cls, numbers: Floats, failed: int = 0, default: float | None = None, low: float | None = None,
        high: float | None = None,
    ) -> Self:
        """Counts of floats in which `failed` NaNs stand for values of the wrong type."""
        rows = len(numbers)
        missing = infinite = 0
        if not np.isfinite(numbers).all():
            missing = int(np.count_nonzero(numbers != numbers))
            infinite = int(np.count_nonzero(np.abs(numbers) == np.inf))
        outside = _outside(numbers, low, high) if low is not None or high is not None else infinite
        return cls(
            rows=rows,
            missing=missing - failed,
            default=0 if default is None else int(np.count_nonzero(numbers == default)),
            invalid=outside + failed,
            zero=int(np.count_nonzero(numbers == 0.0)),
            nonfinite=infinite,
            values=rows - missing - outside,
        )

    @classmethod
    def of_codes(cls, codes: Hashes, default: int = 0, vocabulary: Hashes | None = None) -> Self:
        """Counts of a categorical or id feature by its codes (see `codes_of`).

        `default` is a code, 0 for none; codes outside `vocabulary` are invalid where there is one.

        >>> Counts.of_codes(np.array([7, 0, 9], np.uint64), default=7, vocabulary=np.array([7], np.uint64))
        Counts(rows=3, missing=1, default=1, invalid=1, zero=0, nonfinite=0, values=1)
        """
        present = int(np.count_nonzero(codes))
        known = present if vocabulary is None else int(np.count_nonzero(np.isin(codes, vocabulary[vocabulary != 0])))
        matches = int(np.count_nonzero(codes == np.uint64(default))) if default else 0
        return cls(
            rows=len(codes), missing=len(codes) - present, default=matches, invalid=present - known, values=known
        )

    @property
    def present(self) -> int:
        """Rows that are not missing."""
        return self.rows - self.missing

    def columns(self) -> Columns:
        """One column, `<i8`[7]."""
        row = (self.rows, self.missing, self.default, self.invalid, self.zero, self.nonfinite, self.values)
        return (_COUNTS.pack(*row),)

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") unless there are seven counts, none negative or above the rows."""
        (column,) = views(cls.KIND, columns, ("<i8",))
        counts = column.tolist()
        expect(len(counts) == 7 and min(counts) >= 0, cls.KIND, "not seven counts, or a negative one")
        expect(max(counts) == counts[0], cls.KIND, "more of a kind than rows")
        return cls(*counts)

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Exact sums."""
        return cls(*gather(parts, 0, "<i8").reshape(-1, 7).sum(axis=0).tolist())

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Exact sums, in any order."""
        return cls.fold([part.columns() for part in parts])


@dataclass(frozen=True)
class Moments:
    """Sums of (x - shift) and (x - shift)^2 over finite values, with the extremes."""

    KIND: ClassVar[str] = "moments"

    count: int = 0
    shift: float = 0.0
    s1: float = 0.0
    s2: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    @classmethod
    def of(cls, values: Values, shift: float = 0.0) -> Self:
        """Moments of the finite values; a shift near them (such as the first) keeps the variance accurate.

        >>> Moments.of([1.0, 3.0, float("nan")]).mean()
        2.0
        """
        numbers = to_floats(values)[0]
        return cls.of_finite(numbers[np.isfinite(numbers)], shift)

    @classmethod
    def of_finite(cls, values: Floats, shift: float = 0.0) -> Self:
        """Moments of values that are known to be finite."""
        if len(values) == 0:
            return cls(shift=shift)
        centred = values - shift if shift else values
        with np.errstate(over="ignore"):
            s2 = float(np.square(centred).sum())
        return cls(len(values), shift, float(centred.sum()), s2, float(values.min()), float(values.max()))

    def mean(self) -> float:
        """Arithmetic mean, NaN without values."""
        return self.shift + self.s1 / self.count if self.count else math.nan

    def std(self) -> float:
        """Sample standard deviation (n - 1), NaN below two values or where the squares overflow."""
        if self.count < 2 or not math.isfinite(self.s2):
            return math.nan
        return math.sqrt(max(0.0, (self.s2 - self.s1 * self.s1 / self.count) / (self.count - 1)))

    def columns(self) -> Columns:
        """One column, `<f8`[6]."""
        return (_MOMENTS.pack(self.count, self.shift, self.s1, self.s2, self.low, self.high),)

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") unless there are six numbers, the first a count."""
        (row,) = views(cls.KIND, columns, ("<f8",))
        expect(len(row) == 6, cls.KIND, "not six numbers")
        count, *rest = row.tolist()
        expect(0 <= count < 2**53 and count == int(count), cls.KIND, "the first number is no count")
        expect(math.isfinite(rest[0]), cls.KIND, "the shift is not finite")
        return cls(int(count), *rest)

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Sums about the shift of the part with most values (of those, the smallest shift)."""
        table = gather(parts, 0, "<f8").reshape(-1, 6)
        table = table[table[:, 0] != 0.0]
        if not len(table):
            return cls(shift=np.frombuffer(parts[0][0], "<f8")[1].item() if parts else 0.0)
        bits = table[:, 1].view(np.int64)  # 0.0 and -0.0 are equal, and not the same shift
        if (bits == bits[0]).all():
            count, (target, *_), s1, s2, low, high = table.T.tolist()
        else:
            rows = table.tolist()
            target = min((-row[0], row[1]) for row in rows)[1]
            moved = [row if row[1] == target else _recentre(row, target) for row in rows]
            count, _, s1, s2, low, high = zip(*moved)
        return cls(int(math.fsum(count)), target, _fsum(s1), _fsum(s2), min(low), max(high))

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Sums in any order; parts about other shifts are re-centred."""
        return cls.fold([part.columns() for part in parts])


def to_objects(values: Values) -> NDArray[Any]:
    """A flat array that keeps None apart from strings."""
    if isinstance(values, np.ndarray):
        return values.ravel()
    return np.array(values, object).ravel()


def to_floats(values: Values) -> tuple[Floats, int]:
    """Values as contiguous float64 [n], None as NaN, and how many were of the wrong type (NaN in the array too).

    >>> to_floats(["1.5", None, "x"])
    (array([1.5, nan, nan]), 1)
    """
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.dtype.kind in "iubf":
        return np.ascontiguousarray(array.ravel(), np.float64), 0
    missing = is_missing(array := to_objects(values))
    numbers = np.full(len(array), np.nan)
    try:
        numbers[~missing] = array[~missing].astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers[~missing] = [_to_float(value) for value in array[~missing].tolist()]
    return numbers, int(np.count_nonzero(np.isnan(numbers) & ~missing))


def _to_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _outside(numbers: Floats, low: float | None, high: float | None) -> int:
    bottom = -np.finfo(np.float64).max if low is None else low
    top = np.finfo(np.float64).max if high is None else high
    return int(np.count_nonzero((numbers < bottom) | (numbers > top)))


def _recentre(row: list[float], target: float) -> list[float]:
    """Sums about another shift: with d = shift - target, s1 + n d and s2 + 2 d s1 + n d^2."""
    count, shift, s1, s2, low, high = row
    d = shift - target
    return [count, target, s1 + count * d, s2 + 2.0 * d * s1 + count * d * d, low, high]


def _fsum(values: Sequence[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return math.inf
