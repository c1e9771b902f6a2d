"""Predictions with their labels, in the logit-spaced buckets of `buckets`: what AUC, PCOC, ECE and entropy need.

Weights come with their squares: an error is that of the effective sizes, (sum w)^2 / sum w^2, not of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamgauge.tracer.summaries.buckets import BUCKETS, Buckets, Numbers, bucket_numbers, check_buckets
from streamgauge.tracer.summaries.columns import Columns, Floats, Integers, expect, gather, sum_by_key, views

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

CLIP: Final = 1e-7  # predictions are clipped to [CLIP, 1 - CLIP] in the log loss
PLAIN: Final = 8  # columns of a record without squares


@dataclass(frozen=True, eq=False)
class LabelBuckets:
    """Predictions and labels of the same rows: what AUC, PCOC, ECE and normalised entropy need."""

    KIND: ClassVar[str] = "label_buckets"

    bucket: Numbers  # sorted numbers of the buckets that are not empty
    positives: Integers  # rows
    negatives: Integers
    weight_positive: Floats  # sums of weights; equal to the row counts where no weights are given
    weight_negative: Floats
    sum_p: Floats  # sums of weight x prediction
    log_loss: float = 0.0  # sum of weight x log loss, nats
    clipped: int = 0  # rows in the end buckets because their logit is beyond +-16
    invalid: int = 0  # prediction, label or weight unusable: in no bucket
    square_positive: Floats | None = None  # sums of squared weights; None: not told, or the weights are the counts
    square_negative: Floats | None = None

    @classmethod
    def of(cls, predictions: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """The buckets of rows with a prediction and a label in [0, 1] and a positive finite weight.

        A soft label y is y of a positive and 1 - y of a negative in the weights; its row counts where it is nearer to.

        >>> LabelBuckets.of([0.9, 0.2], [1, 0]).rows
        2
        """
        p, y, w, invalid = _usable(predictions, labels, weights)
        numbers, clipped = bucket_numbers(p)
        is_soft = bool(((y != 0.0) & (y != 1.0)).any())
        is_positive = y > 0.5
        positive = numbers[is_positive]
        counts = np.bincount(numbers, minlength=BUCKETS)
        hits = np.bincount(positive, minlength=BUCKETS)
        bucket = np.flatnonzero(counts).astype(np.uint16)
        positives, negatives = hits[bucket], (counts - hits)[bucket]
        sum_p = _sums(numbers, p if w is None else p * w)[bucket]
        if w is None and not is_soft:
            heavy, light = positives.astype(np.float64), negatives.astype(np.float64)
            return cls(bucket, positives, negatives, heavy, light, sum_p, _loss(p, y, w), clipped, invalid)
        weights = np.ones(len(y)) if w is None else w
        shares = weights * y, weights * (1.0 - y)
        heavy, light = (_sums(numbers, share)[bucket] for share in shares)
        square, other = (_sums(numbers, share * share)[bucket] for share in shares)
        loss = _loss(p, y, w)
        return cls(bucket, positives, negatives, heavy, light, sum_p, loss, clipped, invalid, square, other)

    @property
    def rows(self) -> int:
        """Labelled rows."""
        return int(self.positives.sum() + self.negatives.sum())

    @property
    def positive_rows(self) -> int:
        """Rows with label 1."""
        return int(self.positives.sum())

    @property
    def effective_positives(self) -> float:
        """How many positives of equal weight would tell as much: (sum w)^2 / sum w^2."""
        return _effective(self.weight_positive, self.squares()[0])

    @property
    def effective_negatives(self) -> float:
        """The same of the negatives."""
        return _effective(self.weight_negative, self.squares()[1])

    def squares(self) -> tuple[Floats, Floats]:
        """Sums of squared weights by bucket; where they are not told, as if a bucket's weights were equal."""
        if self.square_positive is not None and self.square_negative is not None:
            return self.square_positive, self.square_negative
        pairs = (self.weight_positive, self.positives), (self.weight_negative, self.negatives)
        first, second = (weight * weight / np.maximum(rows, 1) for weight, rows in pairs)
        return first, second

    def columns(self) -> Columns:
        """`<i8` (clipped, invalid), `<f8` (log_loss), numbers `<u2`, positives, negatives `<i8`, sum_p, weights `<f8`.

        The two weight columns are empty where they equal the counts; where they do not, two of squares may follow.
        """
        head = np.array([self.clipped, self.invalid], "<i8").tobytes()
        counts = self.positives.astype("<i8").tobytes(), self.negatives.astype("<i8").tobytes()
        loss = np.array([self.log_loss], "<f8").tobytes()
        return head, loss, self.bucket.tobytes(), *counts, self.sum_p.tobytes(), *self._weights()

    def _weights(self) -> tuple[bytes, ...]:
        same = np.array_equal(self.weight_positive, self.positives)
        if same and np.array_equal(self.weight_negative, self.negatives):
            return b"", b""
        weights = self.weight_positive.tobytes(), self.weight_negative.tobytes()
        if self.square_positive is None or self.square_negative is None:
            return weights
        return *weights, self.square_positive.tobytes(), self.square_negative.tobytes()

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        dtypes = ("<i8", "<f8", "<u2", "<i8", "<i8", "<f8", "<f8", "<f8", *["<f8"] * (2 * (len(columns) > PLAIN)))
        head, loss, bucket, positives, negatives, sum_p, heavy, light, *squares = views(cls.KIND, columns, dtypes)
        expect(len(head) == 2 and bool((head >= 0).all()) and len(loss) == 1, cls.KIND, "bad head")
        expect(len(positives) == len(negatives) == len(sum_p), cls.KIND, "columns of different lengths")
        expect(len(heavy) == len(light) and len(heavy) in (0, len(bucket)), cls.KIND, "weights of another length")
        expect(bool((positives >= 0).all() and (negatives >= 0).all()), cls.KIND, "negative counts")
        check_buckets(cls.KIND, bucket, positives + negatives)
        expect(all(len(one) == len(heavy) for one in squares), cls.KIND, "squares of another length")
        sums = np.concatenate((loss, sum_p, heavy, light, *squares))
        expect(bool((np.isfinite(sums) & (sums >= 0)).all()), cls.KIND, "a sum that is not finite or is negative")
        if len(heavy) == 0:
            heavy, light = positives.astype(np.float64), negatives.astype(np.float64)
        clipped, invalid = head.tolist()
        square, other = squares or (None, None)
        return cls(
            bucket, positives, negatives, heavy, light, sum_p, float(loss[0]), clipped, invalid, square, other
        )  # fmt: skip

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Exact counts; floats bucket by bucket in the order of the parts."""
        heads = gather(parts, 0, "<i8").reshape(-1, 2).sum(axis=0).tolist()
        numbers, pos, neg = gather(parts, 2, "<u2"), gather(parts, 3, "<i8"), gather(parts, 4, "<i8")
        bucket, (positives, negatives) = sum_by_key(numbers, pos, neg)
        sum_p = _sums(numbers, gather(parts, 5, "<f8"))[bucket]
        loss = math.fsum(gather(parts, 1, "<f8").tolist())
        if not any(part[6] for part in parts):
            heavy, light = positives.astype(np.float64), negatives.astype(np.float64)
            return cls(bucket, positives, negatives, heavy, light, sum_p, loss, *heads)
        heavy, light = (_sums(numbers, _weights_of(parts, *columns))[bucket] for columns in ((6, 3), (7, 4)))
        if not any(len(part) > PLAIN for part in parts):
            return cls(bucket, positives, negatives, heavy, light, sum_p, loss, *heads)
        square, other = (_sums(numbers, _squares_of(parts, *columns))[bucket] for columns in ((8, 6, 3), (9, 7, 4)))
        clipped, invalid = heads
        return cls(bucket, positives, negatives, heavy, light, sum_p, loss, clipped, invalid, square, other)

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Exact counts; floats in the order of the parts."""
        return cls.fold([part.columns() for part in parts])

    def predictions(self) -> Buckets:
        """The same rows without their labels."""
        return Buckets(
            self.bucket, self.positives + self.negatives, math.fsum(self.sum_p.tolist()), self.clipped, self.invalid
        )


def _sums(numbers: NDArray[Any], values: Floats) -> Floats:
    """Sums by bucket, shape [4096]; bincount adds one by one, so the fold has the order of the rows."""
    return np.bincount(numbers, values, minlength=BUCKETS).astype(np.float64, copy=False)


def _usable(
    predictions: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats | None, int]:
    p = np.asarray(predictions, np.float64).ravel()
    y = np.asarray(labels, np.float64).ravel()
    w = None if weights is None else np.asarray(weights, np.float64).ravel()
    usable = (p >= 0.0) & (p <= 1.0) & (y >= 0.0) & (y <= 1.0)
    if w is not None:
        usable &= (w > 0.0) & (w < np.inf)
    kept = int(np.count_nonzero(usable))
    if kept < len(p):
        p, y, w = p[usable], y[usable], None if w is None else w[usable]
    return p, y, w, len(usable) - kept


def _loss(p: Floats, y: Floats, w: Floats | None) -> float:
    clipped = np.clip(p, CLIP, 1.0 - CLIP)
    losses = -np.log(np.where(y == 1.0, clipped, 1.0 - clipped))
    soft = (y > 0.0) & (y < 1.0)
    if soft.any():
        losses[soft] = -(y * np.log(clipped) + (1.0 - y) * np.log1p(-clipped))[soft]
    return float(losses.sum() if w is None else (losses * w).sum())


def _weights_of(parts: Sequence[Columns], weight: int, count: int) -> Floats:
    """One weight column of all parts; a part without weights gives its counts."""
    return np.concatenate(
        [np.frombuffer(p[weight], "<f8") if p[weight] else np.frombuffer(p[count], "<i8").astype("<f8") for p in parts]
    )


def _squares_of(parts: Sequence[Columns], square: int, weight: int, count: int) -> Floats:
    """One column of squares of all parts; a part that does not tell them gives weight^2 / rows."""
    found = []
    for part in parts:
        if len(part) > PLAIN:
            found.append(np.frombuffer(part[square], "<f8"))
        else:
            rows = np.frombuffer(part[count], "<i8")
            found.append(_weights_of([part], weight, count) ** 2 / np.maximum(rows, 1))
    return np.concatenate(found)


def _effective(weights: Floats, squares: Floats) -> float:
    total, square = math.fsum(weights.tolist()), math.fsum(squares.tolist())
    return total * total / square if square > 0.0 else 0.0
