"""Numeric bins on nested grids: 2 mantissa bits at level 0 (25 % wide at most), one more at each level up to 24.

A grid of a level halves each bin of the level below, and no state decides where its edges lie. A set of values is told
at the finest level at which it has at most 64 bins, so a year or a unix time is told as finely as an age. More values
never have a finer level, so a merge is exact in any order: sums at the coarser level, then as coarse as it takes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries.columns import Floats, Hashes, Integers

FINEST: Final = 24  # levels; 26 mantissa bits: 32 s of a unix time
SHARP: Final = 64  # bins up to which values are told at a finer level
_SHIFT: Final = 52 - 2 - FINEST
_SIZE: Final = (1 << 63) - 1
_COARSE: Final = (0, 3)  # levels at which most features have more than 64 bins
_DENSE: Final = 8_192  # bins of one sign: all of level 0
_NEVER: Final = np.uint64(2**64 - 1)
_OFFSET: Final = 31  # of level 0, in bits: makes signed keys sort as unsigned ones
Signed = NDArray[np.int64]


def count_bins(values: Floats, marked: NDArray[np.bool_]) -> tuple[int, Hashes, Integers, Integers]:
    """Of finite values: the finest level with at most 64 bins, the bins, and how many marked and other values each has.

    >>> level, keys, marked, others = count_bins(np.array([2024.0, 2025.0, 2025.0]), np.array([True, True, False]))
    >>> level, middles(keys, level).tolist(), marked.tolist(), others.tolist()
    (24, [2024.0, 2025.0], [1, 1], [0, 1])
    """
    is_zero = values == 0.0
    zeros = int(np.count_nonzero(is_zero))
    marked_zeros = int(np.count_nonzero(marked & is_zero)) if zeros else 0
    if zeros:
        values, marked = values[~is_zero], marked[~is_zero]
    level, signed, inside, rows = _at_once(values, marked, zeros)
    if zeros:
        place = int(signed.searchsorted(0))
        signed = np.insert(signed, place, 0)
        inside, rows = np.insert(inside, place, marked_zeros), np.insert(rows, place, zeros)
    level, keys, (inside, rows) = sharpest(_unsigned(signed, level), level, inside, rows)
    return level, keys, inside, rows - inside


def _at_once(
    values: Floats, marked: NDArray[np.bool_], zeros: int
) -> tuple[int, Signed, Integers, Integers]:  # fmt: skip
    """Signed keys and counts of values that are not 0: at a coarse level if that has many bins, else at the finest."""
    if not len(values):
        nothing = np.zeros(0, np.int64)
        return FINEST, nothing, nothing, nothing
    bits = values.view(np.int64)
    for level in _COARSE:
        found = _dense(bits, level, marked)
        if found is not None and len(found[0]) + (zeros > 0) > SHARP:
            return level, *found
        if found is None or len(found[0]) << _COARSE[-1] <= SHARP:
            break
    return FINEST, *_sorted(bits, marked)


def _dense(bits: Signed, level: int, marked: NDArray[np.bool_]) -> tuple[Signed, Integers, Integers] | None:
    """Keys and counts by an array of all bins there could be; None where these are too many."""
    places = (bits & _SIZE) >> (_SHIFT + FINEST - level)
    low = int(places.min())
    span = int(places.max()) - low + 1
    if span > _DENSE:
        return None
    places -= low
    places += (bits >> 63) & span  # the negative ones stand behind, the smallest sizes first
    places <<= 1
    places |= marked
    both = np.bincount(places, minlength=4 * span).reshape(2, span, 2)
    by_value = np.concatenate((both[1, ::-1], both[0]))
    inside = by_value[:, 1]
    rows = by_value[:, 0] + inside
    found = np.flatnonzero(rows)
    keys = found - span
    return np.where(keys < 0, keys - low, keys + (low + 1)), inside[found], rows[found]


def _sorted(bits: Signed, marked: NDArray[np.bool_]) -> tuple[Signed, Integers, Integers]:
    """Keys and counts at the finest level, by sorting."""
    in_order = bits ^ ((bits >> 63) & _SIZE) if int(bits.min()) < 0 else bits
    ordered = np.sort(((in_order >> _SHIFT) << 1) | marked)
    keys = ordered >> 1
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    inside = np.add.reduceat(ordered & 1, first)
    keys = keys[first]
    return keys + (keys >= 0), inside, np.diff(first, append=len(ordered))


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

    >>> middles(count_bins(np.array([2025.0, -0.5, 0.0]), np.zeros(3, bool))[1], FINEST).tolist()
    [-0.5, 0.0, 2025.0]
    """
    signed = _signed(keys, level)
    shift = _SHIFT + FINEST - level
    half = 0 if level == FINEST else 1 << (shift - 1)
    bits = (np.maximum(np.abs(signed) - 1, 0) << shift) + half
    return np.sign(signed) * bits.view(np.float64)


def sharpest(keys: Hashes, level: int, *counts: Integers) -> tuple[int, Hashes, tuple[Integers, ...]]:
    """Sorted distinct keys of a level and their counts, at the finest level with at most 64 bins."""
    if len(keys) <= SHARP or not level:
        return level, keys, counts
    signed = _signed(keys, level)
    shifted = signed - (signed > 0)
    apart = (shifted[1:] ^ shifted[:-1]).view(np.uint64)  # two bins are one where these bits are shifted away
    apart[(signed[1:] == 0) | (signed[:-1] == 0)] = _NEVER
    steps = min(level, int(np.partition(apart, -SHARP)[-SHARP]).bit_length())
    first = np.flatnonzero(np.concatenate(([True], apart >> np.uint64(steps) > 0)))
    coarse = at_level(keys[first], level, level - steps)
    return level - steps, coarse, tuple(np.add.reduceat(column, first) for column in counts)


def _signed(keys: Hashes, level: int) -> Signed:
    return keys.astype(np.int64) - (1 << (_OFFSET + level))


def _unsigned(keys: NDArray[Any], level: int) -> Hashes:
    return (keys + (1 << (_OFFSET + level))).astype(np.uint64)
