"""What was served and not yet trained on, and the other way round, of one feature; joined by id in event time.

Bounded: rows older than the horizon leave, and beyond `LIMIT` rows every second id does, by hash. Exact in any order of
the rows of a window: of several rows with one id the first counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.served import CATEGORY
from streamgauge.tracer.summaries import JoinRows, is_sampled

LIMIT: Final = 16_384  # rows of both sides: 400 kB
MOST_EXAMPLES: Final = 3
Floats = NDArray[np.float64]


class Met(NamedTuple):
    """What a window brought."""

    joined: int  # pairs that met
    differing: int  # of these, with another value
    examples: tuple[Any, ...]  # (served, trained on) of some of these
    gone: int  # rows of what was served that became as old as the horizon
    gone_joined: int  # of these, that had met


class Pool(NamedTuple):
    """Rows of one side, sorted by key; `joined` says which found the other one."""

    keys: NDArray[np.uint64]
    time: Floats
    value: Floats
    joined: NDArray[np.bool_]

    def of(self, rows: NDArray[Any]) -> Pool:
        """Some of the rows."""
        return Pool(*(column[rows] for column in self))


_NOTHING: Final = Pool(np.zeros(0, np.uint64), np.zeros(0), np.zeros(0), np.zeros(0, bool))


class ServedRows:
    """Both sides of one feature, or of the predictions."""

    def __init__(self, horizon: float, tolerance: float) -> None:
        self.end, self.modulus = -math.inf, 1
        self._horizon, self._tolerance = horizon, tolerance
        self._served, self._trained = _NOTHING, _NOTHING

    def meet(self, served: JoinRows, trained: JoinRows, end: float) -> tuple[Met, ServedRows]:
        """What a window that ends at `end` brings, and what is kept of both sides behind it; changes nothing."""
        after = ServedRows(self._horizon, self._tolerance)
        after.end, after.modulus = end, max(self.modulus, served.modulus, trained.modulus)
        left, right = _with(self._served, served, after.modulus), _with(self._trained, trained, after.modulus)
        at = np.minimum(np.searchsorted(left.keys, right.keys), max(len(left.keys) - 1, 0))
        found = left.keys[at] == right.keys if len(left.keys) else np.zeros(len(right.keys), bool)
        fresh = np.flatnonzero(found)[~left.joined[at[found]]]
        pairs = np.stack((left.value[at[fresh]], right.value[fresh]), axis=1)
        off = pairs[~self._are_same(pairs)]
        left.joined[at[found]] = True
        left, gone = _aged(left, end - self._horizon)
        right, _ = _aged(right.of(~found), end - self._horizon)
        met = Met(len(pairs), len(off), tuple(map(tuple, off[:MOST_EXAMPLES].tolist())), *gone)
        after._keep(left, right)
        return met, after

    def _keep(self, served: Pool, trained: Pool) -> None:
        while len(served.keys) + len(trained.keys) > LIMIT:
            self.modulus *= 2
            served, trained = (side.of(is_sampled(side.keys, self.modulus)) for side in (served, trained))
        self._served, self._trained = served, trained

    def _are_same(self, pairs: Floats) -> NDArray[np.bool_]:
        """Whether both sides of pairs, of shape [n, 2], have one value; categories are the same or they are not."""
        size = np.abs(pairs).max(axis=1, initial=0.0)
        allowed = np.where(size >= CATEGORY, 0.0, self._tolerance * size)
        with np.errstate(invalid="ignore"):  # inf less inf
            near = np.abs(pairs[:, 0] - pairs[:, 1]) <= allowed
        same: NDArray[np.bool_] = near | (pairs[:, 0] == pairs[:, 1]) | np.isnan(pairs).all(axis=1)
        return same

    def state(self) -> list[Any]:
        """Everything that is not an argument of the constructor."""
        sides = [[column.tobytes() for column in side] for side in (self._served, self._trained)]
        return [self.end, self.modulus, *sides]

    @classmethod
    def from_state(cls, state: Sequence[Any] | None, horizon: float, tolerance: float) -> Self:
        """The rows as they were; none where there is no state."""
        rows = cls(horizon, tolerance)
        if state is None:
            return rows
        rows.end, rows.modulus = state[0], state[1]
        rows._served, rows._trained = (_pool(side) for side in state[2:4])
        return rows


def _with(pool: Pool, rows: JoinRows, modulus: int) -> Pool:
    """A pool and new rows, one a key: what is there already, else the first; a copy."""
    fresh = Pool(rows.keys, rows.time, rows.value, np.zeros(len(rows.keys), bool))  # by time, then key
    both = Pool(*(np.concatenate(columns) for columns in zip(pool, fresh, strict=True)))
    _, first = np.unique(both.keys, return_index=True)
    return both.of(first[is_sampled(both.keys[first], modulus)])


def _aged(pool: Pool, oldest: float) -> tuple[Pool, tuple[int, int]]:
    """Without the rows up to a time; how many these are, and how many of them found the other side."""
    is_old = pool.time <= oldest
    return pool.of(~is_old), (int(np.count_nonzero(is_old)), int(np.count_nonzero(pool.joined[is_old])))


def _pool(columns: Sequence[bytes]) -> Pool:
    dtypes = ("<u8", "<f8", "<f8", "?")
    return Pool(*(np.frombuffer(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)))
