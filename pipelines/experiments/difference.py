"""The difference of a statistic between two jobs over the same windows, with its confidence interval; pure.

Delete-a-group jackknife over contiguous groups of windows (Busing, Meijer and van der Leeden 1999: groups may be of
unequal size). Both jobs leave out the same windows, so what moves both (an hour of the day, a storm) cancels, and the
interval is right for rows that are split between the jobs as for two jobs that saw the same rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

S = TypeVar("S")
Floats = NDArray[np.float64]
GROUPS: Final = 30  # of windows; more would follow each other too closely
LEAST: Final = 8  # fewer say nothing of how much a difference varies
LEVEL: Final = 0.95


class Difference(NamedTuple):
    """Of the second job less the first."""

    first: float
    second: float
    value: float
    low: float  # of the 95 % interval; NaN with fewer than eight groups of windows
    high: float
    p: float  # chance of as large a difference where there is none
    groups: int


class Sides(NamedTuple, Generic[S]):
    """Two jobs' summaries over the same windows: all of them, and without each group of windows."""

    whole: tuple[S, S]
    without: list[tuple[S, S]]
    rows: Floats  # of each group, of both


def sides_of(
    first: Sequence[S], second: Sequence[S], merge: Callable[[Sequence[S]], S], rows: Callable[[S], float]
) -> Sides[S]:
    """Of two jobs' summaries, one a window, in the order of the windows and of equal number."""
    pairs = [(merge(first[a:b]), merge(second[a:b])) for a, b in _groups(len(first))]
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    without = [(merge(a[:i] + a[i + 1 :]), merge(b[:i] + b[i + 1 :])) for i in range(len(pairs))]
    return Sides((merge(a), merge(b)), without, np.array([rows(x) + rows(y) for x, y in pairs]))


def difference(sides: Sides[S], statistic: Callable[[S], float]) -> Difference:
    """Of one statistic."""
    first, second = (statistic(one) for one in sides.whole)
    value, groups = second - first, len(sides.without)
    if groups < LEAST or not math.isfinite(value):
        return Difference(first, second, value, math.nan, math.nan, math.nan, groups)
    error = _error(value, np.array([statistic(b) - statistic(a) for a, b in sides.without]), sides.rows)
    half = float(stdtrit(groups - 1, 0.5 + LEVEL / 2.0)) * error
    p = 2.0 * float(stdtr(groups - 1, -abs(value) / error)) if error > 0.0 else float(value == 0.0)
    return Difference(first, second, value, value - half, value + half, p, groups)


def _groups(windows: int) -> list[tuple[int, int]]:
    """Where each of at most 30 contiguous groups begins and ends."""
    ends = np.unique(np.linspace(0, windows, min(GROUPS, windows) + 1).astype(int)).tolist()
    return list(itertools.pairwise(ends))


def _error(value: float, without: Floats, rows: Floats) -> float:
    """Standard error by what is left without each group; a group of no rows takes nothing away."""
    held = (rows > 0.0) & np.isfinite(without)
    without, rows = without[held], rows[held]
    h = rows.sum() / rows
    pseudo = h * value - (h - 1.0) * without
    centre = len(h) * value - float(((1.0 - 1.0 / h) * without).sum())
    return math.sqrt(float(((pseudo - centre) ** 2 / (h - 1.0)).mean()))
