"""How much the rows of buckets move by themselves, and how surprising a count is for it; what all detectors share.

Given what is expected, a bucket's rows follow a negative binomial law: Poisson rows of a rate that moves from block to
block by `moved`, its relative variance. That is known by moments, and drawn towards that of all buckets while a bucket
has few blocks of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]
HALF_LIFE: Final = 224.0  # blocks after which the past counts half: four weeks of three hours each
BELIEVED: Final = 10.0  # blocks of its own that weigh as much as what all buckets show
RAREST: Final = 300.0
NEW: Final = 0  # stands for all values that were never seen; no value's code


class Odd(NamedTuple):
    """One value of a block: its rows, those that were to be expected, and `-log10` of the chance of that."""

    value: int  # its code; `NEW` for all that were never seen
    rows: float
    expected: float
    surprise: float


class Spread:
    """The spread of buckets about what was expected of them.

    Args:
        shape: of the buckets.
        half_life: blocks after which the past counts half.
        alike: columns of buckets that are like each other; what is beyond them speaks for itself alone.
    """

    def __init__(self, shape: tuple[int, int], half_life: float = HALF_LIFE, alike: int | None = None) -> None:
        self._alike = shape[1] if alike is None else alike
        self.fade = 0.5 ** (1.0 / half_life)
        self.away = np.zeros(shape)  # sums of (rows - expected)^2, less what chance gives
        self.square = np.zeros(shape)  # sums of expected^2
        self.blocks = 0.0

    def learn(self, rows: Floats, expected: Floats, known: Floats) -> None:
        """One block is part of the past; `known` as in `surprise`."""
        chance = expected + np.square(expected) / known
        self.away = self.away * self.fade + np.square(rows - expected) - chance
        self.square = self.square * self.fade + np.square(expected)
        self.blocks = self.blocks * self.fade + 1.0

    def surprise(self, rows: Floats, expected: Floats, known: Floats, place: Counts) -> Floats:
        """`-log10` of the chance of such rows of the buckets `place` [depth, n], where `known` rows say what is usual.

        >>> spread, place = Spread((1, 2)), np.array([[0, 1]])
        >>> known = np.full((1, 2), np.inf)
        >>> spread.surprise(np.array([[10.0, 30.0]]), np.array([[10.0, 10.0]]), known, place).round(1).tolist()
        [[0.2, 6.6]]
        """
        away, square = (float(table[:, : self._alike].sum()) for table in (self.away, self.square))
        common = max(0.0, away / max(square, 1e-9))
        rows, expected, known, own, squares = (
            np.take_along_axis(table, place, axis=1) for table in (rows, expected, known, self.away, self.square)
        )
        weight = BELIEVED / max(self.blocks, 1.0)
        moved = (own + weight * common * squares) / (squares * (1.0 + weight) + 1e-9)
        shape = 1.0 / np.maximum(np.maximum(moved, 0.0) + 1.0 / known, 1e-9)
        return _tail(rows, expected, shape)

    def state(self) -> list[Any]:
        """Everything that is not an argument of the constructor."""
        return [self.blocks, self.away.astype("<f8").tobytes(), self.square.astype("<f8").tobytes()]

    def restore(self, state: Sequence[Any]) -> None:
        """Continue where the state was taken."""
        self.blocks = state[0]
        self.away, self.square = (np.frombuffer(part, "<f8").reshape(self.away.shape) for part in state[1:])


def ranked(codes: Hashes, rows: Floats, expected: Floats, surprise: Floats) -> list[Odd]:
    """The values of a block, the most surprising first."""
    odd = zip(codes.tolist(), rows.tolist(), expected.tolist(), surprise.tolist(), strict=True)
    return sorted((Odd(*one) for one in odd), key=lambda one: (-one.surprise, one.value))


def _tail(rows: Floats, expected: Floats, shape: Floats) -> Floats:
    """`-log10` of the chance of so many rows or more, or of so few."""
    share = expected / (expected + shape)
    chance = np.where(
        rows > expected, betainc(np.maximum(rows, 1e-12), shape, share), betainc(shape, rows + 1.0, 1.0 - share)
    )
    out: Floats = np.clip(-np.log10(np.maximum(chance, 1e-300)), 0.0, RAREST)
    return out
