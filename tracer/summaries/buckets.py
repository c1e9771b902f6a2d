"""Predictions in 4,096 buckets spaced evenly in the logit.

Even in the logit, because click rates are small: ten evenly spaced probabilities put 97 % of the rows in one bucket. A
bucket is 1/128 of a logit wide; what lies beyond +-16 falls into the end buckets and is counted. Bucket counts merge
exactly in any order; float sums are folded part by part in the given order. About 30 ns a prediction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamgauge.tracer.summaries.columns import (
    Columns,
    Floats,
    Integers,
    are_positive,
    expect,
    gather,
    is_increasing,
    sum_by_key,
    views,
)

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

BUCKETS: Final = 4096
LIMIT: Final = 16.0  # logits beyond it fall into the end buckets
_PER_LOGIT: Final = BUCKETS / (2 * LIMIT)
Numbers = NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class Buckets:
    """Predictions of all rows, no label needed."""

    KIND: ClassVar[str] = "buckets"

    bucket: Numbers  # sorted numbers of the buckets that are not empty
    counts: Integers
    sum_p: float = 0.0
    clipped: int = 0  # rows in the end buckets because their logit is beyond +-16
    invalid: int = 0  # NaN or outside [0, 1]: in no bucket

    @classmethod
    def of(cls, predictions: ArrayLike) -> Self:
        """The buckets of predicted probabilities.

        >>> Buckets.of([0.5, 0.5, 2.0]).mean()
        0.5
        """
        every = np.asarray(predictions, np.float64).ravel()
        p = every[(every >= 0.0) & (every <= 1.0)]
        numbers, clipped = bucket_numbers(p)
        bucket, counts = _occurring(np.bincount(numbers, minlength=BUCKETS))
        return cls(bucket, counts, float(p.sum()), clipped, len(every) - len(p))

    @property
    def rows(self) -> int:
        """Rows in the buckets."""
        return int(self.counts.sum())

    def mean(self) -> float:
        """Mean prediction, NaN without rows."""
        return self.sum_p / self.rows if len(self.counts) else math.nan

    def quantile(self, q: float) -> float:
        """The middle of the bucket that holds the prediction of rank ceil(q n); NaN without rows."""
        if len(self.counts) == 0:
            return math.nan
        cumulative = np.cumsum(self.counts)
        rank = max(math.ceil(q * int(cumulative[-1])), 1)
        return float(midpoints(self.bucket)[np.searchsorted(cumulative, rank)])

    def columns(self) -> Columns:
        """`<i8` (clipped, invalid), `<f8` (sum_p), bucket numbers `<u2`, counts `<i8`."""
        head = np.array([self.clipped, self.invalid], "<i8").tobytes()
        return head, np.array([self.sum_p], "<f8").tobytes(), self.bucket.tobytes(), self.counts.astype("<i8").tobytes()

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, sums, bucket, counts = views(cls.KIND, columns, ("<i8", "<f8", "<u2", "<i8"))
        expect(len(head) == 2 and bool((head >= 0).all()) and len(sums) == 1, cls.KIND, "bad head")
        check_buckets(cls.KIND, bucket, counts)
        expect(math.isfinite(sums[0]), cls.KIND, "the sum of predictions is not finite")
        return cls(bucket, counts, float(sums[0]), *head.tolist())

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Exact sums by bucket."""
        heads = gather(parts, 0, "<i8").reshape(-1, 2).sum(axis=0).tolist()
        bucket, (counts,) = sum_by_key(gather(parts, 2, "<u2"), gather(parts, 3, "<i8"))
        return cls(bucket, counts, math.fsum(gather(parts, 1, "<f8").tolist()), *heads)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Exact sums by bucket, in any order."""
        return cls.fold([part.columns() for part in parts])


def bucket_numbers(predictions: Floats) -> tuple[NDArray[np.int64], int]:
    """The bucket of each prediction in [0, 1], and how many have a logit beyond +-16.

    >>> bucket_numbers(np.array([0.0, 0.5, 1.0]))
    (array([   0, 2048, 4095]), 2)
    """
    with np.errstate(divide="ignore"):
        logits = np.log(predictions) - np.log1p(-predictions)
    clipped = int(np.count_nonzero(np.abs(logits) > LIMIT))
    places = np.clip((logits + LIMIT) * _PER_LOGIT, 0.0, BUCKETS - 1.0)
    return places.astype(np.int64), clipped


def midpoints(bucket: Numbers) -> Floats:
    """The prediction in the middle of each bucket.

    >>> midpoints(np.array([2048], np.uint16)).round(3).tolist()
    [0.501]
    """
    result: Floats = 1.0 / (1.0 + np.exp(LIMIT - (bucket + 0.5) / _PER_LOGIT))
    return result


def _occurring(dense: NDArray[np.int64]) -> tuple[Numbers, Integers]:
    bucket = np.flatnonzero(dense)
    return bucket.astype(np.uint16), dense[bucket]


def check_buckets(kind: str, bucket: Numbers, counts: Integers) -> None:
    """Raise RecordError("columns") unless the buckets increase, are known and hold rows."""
    expect(len(bucket) == len(counts), kind, "columns of different lengths")
    expect(is_increasing(bucket) and are_positive(counts), kind, "buckets not increasing or empty")
    expect(len(bucket) == 0 or int(bucket[-1]) < BUCKETS, kind, "a bucket beyond the last")
