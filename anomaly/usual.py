"""The least spread of a lone series that its own movements imply, in its own unit.

A series that stands still teaches a spread of nothing, and what is rejected does not widen it: counts of 0 and 1
would be infinitely far off for ever. Two floors, in one pass: a twentieth of the usual movement (the median of those
that are not 0, the newest included), and what lets the threshold reach as far as more than one value in 500 has been
from where it was expected: what is not rare is no news. An event counts once, however long, so that an outage does not
make the next one usual; what lasts beyond `LASTING` values is a new level. On normal noise neither floor is above the
detector's own spread.

Guarantee: as far off as three events and one value in 500 is below the threshold. Cost: 26 kB and 15 us a value.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

MOVEMENT: Final = 0.05  # of the usual movement: the change that means nothing
RARE: Final = 1.0 / 500.0  # share of the values; what comes once a day in a value every five minutes is no news
ENOUGH: Final = 2.0  # events that are no habit yet, however few the values are
LASTING: Final = 50  # values
RESOLUTION: Final = 1e-9  # of a value that has never moved
PER_OCTAVE: Final = 8
OCTAVES: Final = 100  # on either side of 1


class Usual:
    """Movements and distances of one series, as histograms of their logarithms.

    >>> usual = Usual()
    >>> for value in [0.0, 0.0, 1.0, 0.0] * 100:
    ...     usual.move(value)
    ...     usual.learn(value)  # where 0 was expected
    >>> 1.0 / 8.0 < usual.least(8.0) < 1.1 / 8.0
    True
    """

    def __init__(self) -> None:
        self._moves, self._distances, self._run = _Sizes(), _Sizes(), 0
        self._event = 0.0  # the farthest of the run, counted when it is over
        self.last = math.nan  # the newest known value

    def move(self, value: float) -> None:
        """The series is at `value` now."""
        if value != self.last and value == value and self.last == self.last:
            self._moves.add(abs(value - self.last))
        self.last = value if value == value else self.last

    def learn(self, distance: float, is_news: bool = False) -> None:
        """The newest value was `distance` from where it was expected, beyond the threshold or not; NaN: nothing was."""
        if distance != distance:
            return
        if is_news and self._run < LASTING:
            self._run, self._event = self._run + 1, max(self._event, abs(distance))
            return
        often = 1 + (int(ENOUGH) + int(RARE * self._distances.total) if is_news else 0)  # what lasts is usual at once
        for size in (self._event, abs(distance)) if self._event else (abs(distance),):
            self._distances.add(size, often)
        self._run, self._event = self._run if is_news else 0, 0.0

    def least(self, threshold: float) -> float:
        """The least standard deviation for scores that fire beyond `threshold`."""
        still = RESOLUTION * abs(self.last) if self.last == self.last else 0.0
        return max(still, MOVEMENT * self._moves.above(0.5), self._distances.above(RARE, ENOUGH) / threshold)


class _Sizes:
    """How many sizes fell into each eighth of an octave; the lowest bin has 0, too."""

    def __init__(self) -> None:
        self._counts = np.zeros(2 * OCTAVES * PER_OCTAVE, np.int64)
        self.total = 0

    def add(self, size: float, often: int = 1) -> None:
        place = math.floor((math.log2(size) + OCTAVES) * PER_OCTAVE) if 0.0 < size < math.inf else 0
        self._counts[min(max(place, 0), len(self._counts) - 1)] += often
        self.total += often

    def above(self, share: float, least: float = 0.0) -> float:
        """The upper end of the highest bin that more than `share` and `least` of the sizes reach; 0 for the lowest."""
        reached = np.cumsum(self._counts[::-1]) > max(share * self.total, least)
        place = len(self._counts) - 1 - int(np.argmax(reached)) if reached.any() else 0
        return 2.0 ** ((place + 1) / PER_OCTAVE - OCTAVES) if place else 0.0
