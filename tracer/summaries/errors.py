"""Predictions of numbers with their labels, as sums: what MSE, MAE, quantile loss, bias and R2 need. 96 bytes.

Sums of labels are about a shift near them, so a unix time keeps its variance; parts about other shifts are re-centred.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamgauge.tracer.summaries.columns import Columns, Floats, expect, gather, views

if TYPE_CHECKING:
    from typing import Self  # from Python 3.11 on

_SUMS: Final = 10


@dataclass(frozen=True)
class Errors:
    """Weighted sums over rows with a finite prediction and label and a positive weight; e = prediction - label."""

    KIND: ClassVar[str] = "errors"

    rows: int = 0
    invalid: int = 0  # prediction, label or weight unusable: in no sum
    shift: float = 0.0  # of the sums of labels
    weight: float = 0.0
    square: float = 0.0  # of weights
    over: float = 0.0  # w e, where e > 0
    under: float = 0.0  # - w e, where e < 0
    squared: float = 0.0  # w e^2
    fourth: float = 0.0  # w e^4
    label: float = 0.0  # w (y - shift)
    label_squared: float = 0.0  # w (y - shift)^2
    covered: float = 0.0  # w, where y <= p

    @classmethod
    def of(cls, predictions: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """The sums of rows.

        >>> found = Errors.of([1.0, 4.0], [2.0, 2.0])
        >>> found.over, found.under, found.squared
        (2.0, 1.0, 5.0)
        """
        p, y, w, invalid = _usable(predictions, labels, weights)
        if not len(y):
            return cls(invalid=invalid)
        with np.errstate(over="ignore"):
            near = float(np.float32(y[0]))
            shift = near if math.isfinite(near) else 0.0
            e, at = p - y, y - shift
            squared = e * e
            sums = (w * np.maximum(e, 0.0), w * np.maximum(-e, 0.0), w * squared, w * squared * squared)
            found = [float(column.sum()) for column in (w, w * w, *sums, w * at, w * at * at, w * (e >= 0.0))]
        return cls(len(y), invalid, shift, *found)

    @property
    def effective_rows(self) -> float:
        """How many rows of equal weight would tell as much: (sum w)^2 / sum w^2."""
        return self.weight * self.weight / self.square if self.square else 0.0

    def columns(self) -> Columns:
        """`<i8`[2] (rows, invalid), `<f8`[10] (shift and sums)."""
        found = astuple(self)
        return np.array(found[:2], "<i8").tobytes(), np.array(found[2:], "<f8").tobytes()

    @classmethod
    def from_columns(cls, columns: Columns) -> Self:
        """Raises RecordError("columns") where the columns do not fit together."""
        head, sums = views(cls.KIND, columns, ("<i8", "<f8"))
        expect(len(head) == 2 and bool((head >= 0).all()) and len(sums) == _SUMS, cls.KIND, "bad head")
        expect(math.isfinite(sums[0]), cls.KIND, "the shift is not finite")
        sizes = np.append(sums[1:7], sums[9])
        expect(not np.isnan(sums).any() and bool((sizes >= 0).all()), cls.KIND, "a sum is negative or none")
        return cls(*head.tolist(), *sums.tolist())

    @classmethod
    def fold(cls, parts: Sequence[Columns]) -> Self:
        """Sums about the shift of the part with most rows (of those, the smallest shift)."""
        heads = gather(parts, 0, "<i8").reshape(-1, 2)
        rows, invalid = heads.sum(axis=0).tolist()
        table = gather(parts, 1, "<f8").reshape(-1, _SUMS)[heads[:, 0] > 0]
        if not len(table):
            return cls(invalid=invalid)
        counts = heads[heads[:, 0] > 0, 0]
        target = min(zip((-counts).tolist(), table[:, 0].tolist()))[1]
        moved = _about(table, target)
        return cls(rows, invalid, target, *(_fsum(column) for column in moved[:, 1:].T.tolist()))

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """The sum, in any order."""
        return cls.fold([part.columns() for part in parts])


def _usable(
    predictions: ArrayLike, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats, int]:
    p, y = (np.asarray(column, np.float64).ravel() for column in (predictions, labels))
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64).ravel()
    kept = np.isfinite(p) & np.isfinite(y) & (w > 0.0) & (w < np.inf)
    return p[kept], y[kept], w[kept], len(y) - int(np.count_nonzero(kept))


def _about(table: NDArray[np.float64], target: float) -> Floats:
    """The sums of labels about another shift: with d = shift - target, s1 + W d and s2 + 2 d s1 + W d^2."""
    moved = table.copy()
    d, weight, first = table[:, 0] - target, table[:, 1], table[:, 7]
    moved[:, 7] = first + weight * d
    moved[:, 8] = table[:, 8] + 2.0 * d * first + weight * d * d
    return moved


def _fsum(values: Sequence[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return math.inf
