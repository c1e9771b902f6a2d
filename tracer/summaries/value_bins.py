"""Numeric bins on nested grids: 2 mantissa bits at level 0 (25 % wide at most), one more at each level up to 24.

A grid of a level halves each bin of the level below, and no state decides where its edges lie. A set of values is told
at the finest level at which it has at most 64 bins, so a year or a unix time is told as finely as an age. More values
never have a finer level, so a merge is exact in any order: sums at the coarser level, then as coarse as it takes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.columns import Floats, Hashes, Integers, sum_by_key

FINEST: Final = 24  # levels; 26 mantissa bits: 32 s of a unix time
SHARP: Final = 64  # bins up to which values are told at a finer level
_SHIFT: Final = 52 - 2 - FINEST
_MAGNITUDE: Final = np.uint64((1 << 63) - 1)
_OFFSET: Final = 31  # of level 0, in bits: makes signed keys sort as unsigned ones
Signed = NDArray[np.int64]


def finest_keys(values: Floats) -> Hashes:
    """The bin of each finite value at the finest level, as an unsigned key in the order of the values.

    >>> (finest_keys(np.array([-1.0, 0.0, 1.0])) - np.uint64(1 << 55)).astype(np.int64).tolist()
    [-68652367873, 0, 68652367873]
    """
    magnitude = ((values.view(np.uint64) & _MAGNITUDE) >> np.uint64(_SHIFT)).astype(np.int64) + 1
    return _unsigned(np.sign(values).astype(np.int64) * magnitude, FINEST)


def at_level(keys: Hashes, level: int, coarser: int) -> Hashes:
    """Keys of one level as those of a coarser one, or of the same; sorted stays sorted."""
    signed = _signed(keys, level)
    magnitude = (np.abs(signed) - 1) >> (level - coarser)
    return _unsigned(np.sign(signed) * (magnitude + 1), coarser)


def on_finest(keys: Hashes, level: int) -> Hashes:
    """Keys of a level as those of the first bins in them at the finest one."""
    signed = _signed(keys, level)
    magnitude = np.maximum(np.abs(signed) - 1, 0) << (FINEST - level)
    return _unsigned(np.sign(signed) * (magnitude + 1), FINEST)


def middles(keys: Hashes, level: int) -> Floats:
    """The value in the middle of each bin; of one that a number of 26 bits alone lies in, that number.

    >>> middles(finest_keys(np.array([2025.0, -0.5, 0.0])), FINEST).tolist()
    [2025.0, -0.5, 0.0]
    """
    signed = _signed(keys, level)
    shift = _SHIFT + FINEST - level
    half = 0 if level == FINEST else 1 << (shift - 1)
    bits = (np.maximum(np.abs(signed) - 1, 0) << shift) + half
    return np.sign(signed) * bits.view(np.float64)


def sharpest(keys: Hashes, level: int, *counts: Integers) -> tuple[int, Hashes, tuple[Integers, ...]]:
    """Sorted distinct keys of a level and their counts, at the finest level with at most 64 bins."""
    low, high = 0, level  # the level is in low..high
    if len(keys) > SHARP:
        if _bins(keys, level, 0) > SHARP:
            high = 0
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if _bins(keys, level, middle) <= SHARP else (low, middle - 1)
    else:
        low = level
    if low == level:
        return level, keys, counts
    coarse, summed = sum_by_key(at_level(keys, level, low), *counts)
    return low, coarse, summed


def _bins(keys: Hashes, level: int, coarser: int) -> int:
    """How many distinct bins sorted keys have at a coarser level."""
    found = at_level(keys, level, coarser)
    return 1 + int(np.count_nonzero(found[1:] != found[:-1])) if len(found) else 0


def _signed(keys: Hashes, level: int) -> Signed:
    return keys.astype(np.int64) - (1 << (_OFFSET + level))


def _unsigned(keys: NDArray[Any], level: int) -> Hashes:
    return (keys + (1 << (_OFFSET + level))).astype(np.uint64)
