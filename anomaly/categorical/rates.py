"""How usual each value of a categorical feature is, in a sketch of bounded size, and how surprising a block of them.

A count sketch (Cormode and Muthukrishnan 2005) holds the rows of the past by bucket, in four rows of hashes: no list of
values is kept, so ids without end cost nothing. A value is as surprising as the least surprising of its four buckets
(`spread`): another value shares all four with it once in 10^10. Values that were never seen (`seen`) are one more.

One-pass, scores before it learns; the past counts half after `half_life` blocks. 65 kB a feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.categorical.hashed import places
from streamgauge.anomaly.categorical.seen import Seen
from streamgauge.anomaly.categorical.spread import HALF_LIFE, NEW, Counts, Floats, Hashes, Odd, Spread, ranked

DEPTH: Final = 4
BITS: Final = 9
WIDTH: Final = 1 << BITS
ADDED: Final = 0.5  # rows that every bucket is taken to have had
USUAL: Final = 50  # most frequent values, which are missed when they are gone
_ODD: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)[
    :, None
]


class Rates:
    """The past of one feature.

    Args:
        half_life: blocks after which the past counts half.

    >>> rates, codes = Rates(), np.array([3, 7], np.uint64)
    >>> for _ in range(20):
    ...     rates.learn(codes, np.array([700, 300]))
    >>> rates.judge(codes, np.array([710, 290]))[0].surprise < 2.0
    True
    >>> odd = rates.judge(np.array([3, 9], np.uint64), np.array([700, 300]))[0]
    >>> odd.value == NEW, odd.rows, odd.surprise > 10.0
    (True, 300.0, True)
    """

    def __init__(self, half_life: float = HALF_LIFE) -> None:
        self.rows = np.zeros((DEPTH, WIDTH + 1))  # the last column: values that were never seen
        self.total, self.seen = 0.0, Seen()
        self.usual = np.zeros(0, np.uint64)  # the most frequent values, sorted
        self.spread = Spread((DEPTH, WIDTH + 1), half_life, alike=WIDTH)

    def judge(self, codes: Hashes, counts: Counts) -> list[Odd]:
        """All values of a block and the usual ones that are gone, the most surprising first."""
        total = float(counts.sum())
        if total <= 0.0 or self.total <= 0.0:
            return []
        missing = self.usual[~np.isin(self.usual, codes)]
        found, is_new = self._tallied(codes, counts)
        expected = self._expected(total)
        new = np.full((DEPTH, 1), WIDTH)
        place = np.concatenate([_place(np.concatenate([codes, missing])), new], axis=1)
        foreseen = np.take_along_axis(expected, place, axis=1).min(axis=0)
        surprise = self.spread.surprise(found, expected, self.rows + ADDED, place).min(axis=0)
        surprise[: len(codes)][is_new] = 0.0
        return ranked(
            np.concatenate([codes, missing, np.array([NEW], np.uint64)]),
            np.concatenate([counts.astype(np.float64), np.zeros(len(missing)), found[0, -1:]]),
            foreseen, surprise,
        )  # fmt: skip

    def learn(self, codes: Hashes, counts: Counts) -> None:
        """A block is part of the past."""
        total = float(counts.sum())
        if total <= 0.0:
            return
        found, _ = self._tallied(codes, counts)
        if self.total <= 0.0:
            found[:, -1] = 0.0  # that all are new at first says nothing of how many will be
        else:
            self.spread.learn(found, self._expected(total), self.rows + ADDED)
        self.rows = self.rows * self.spread.fade + found
        self.seen.learn(codes)
        self.usual = self._usual(np.union1d(self.usual, codes[np.argsort(-counts, kind="stable")[:USUAL]]))
        self.total = self.total * self.spread.fade + total

    def state(self) -> list[Any]:
        """Everything that is not an argument of the constructor."""
        usual = self.usual.astype("<u8").tobytes()
        return [self.total, self.rows.astype("<f8").tobytes(), self.spread.state(), self.seen.state(), usual]

    def restore(self, state: Sequence[Any]) -> None:
        """Continue where the state was taken."""
        self.total, self.rows = state[0], np.frombuffer(state[1], "<f8").reshape(self.rows.shape)
        self.spread.restore(state[2])
        self.seen.restore(state[3])
        self.usual = np.frombuffer(state[4], "<u8")

    def _usual(self, codes: Hashes) -> Hashes:
        """The most frequent of some values by what the sketch knows of them, sorted."""
        rows = np.take_along_axis(self.rows, _place(codes), axis=1).min(axis=0)
        return np.sort(codes[np.argsort(-rows, kind="stable")[:USUAL]])

    def _tallied(self, codes: Hashes, counts: Counts) -> tuple[Floats, NDArray[np.bool_]]:
        """Rows by bucket, [depth, width + 1], and which values were never seen."""
        place, is_new = _place(codes), ~self.seen.holds(codes)
        found = np.zeros((DEPTH, WIDTH + 1))
        for depth in range(DEPTH):
            found[depth, :WIDTH] = np.bincount(place[depth], weights=counts, minlength=WIDTH)
        found[:, -1] = counts[is_new].sum()
        return found, is_new

    def _expected(self, total: float) -> Floats:
        expected: Floats = total * (self.rows + ADDED) / (self.total + ADDED * WIDTH)
        return expected


def _place(codes: Hashes) -> NDArray[np.int64]:
    """The buckets of values, [depth, n]."""
    return places(codes, _ODD, BITS)
