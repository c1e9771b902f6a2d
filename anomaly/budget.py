"""How much rarer than by default a window must be to page, so that as many pages come a day as are wanted; pure.

How many pages a rarity gives follows by how long incidents last, how many are told as one, and what feedback has made
of the thresholds. So what came decides: a day moves the rarity by a share of the logarithm of how far the pages of late
are from those wanted (Robbins and Monro 1951), by at most `STEP`.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

GAIN: Final = 0.3  # of the distance, that one day corrects
STEP: Final = 0.2  # of a decade, at most in a day
LEAST, MOST = -2.0, 4.0
DAYS: Final = 4.0  # of pages that are remembered, about
FEWEST: Final = 0.1  # of those wanted, that count as that many


class Budget(msgspec.Struct, array_like=True, frozen=True):
    """The decades by which a page is rarer than by default, and the pages a day of late (NaN: before the first).

    >>> budget = Budget()
    >>> for _ in range(10):
    ...     budget = budget.after(pages=8.0, wanted=2.0)
    >>> round(budget.rarer, 2)
    1.81
    """

    rarer: float = 0.0
    lately: float = math.nan

    def after(self, pages: float, wanted: float) -> Budget:
        """After a day that sent so many pages, of so many wanted."""
        lately = pages if math.isnan(self.lately) else self.lately + (pages - self.lately) / DAYS
        away = math.log10(max(lately, FEWEST * wanted) / wanted)
        step = min(STEP, max(-STEP, GAIN * away))
        return Budget(min(MOST, max(LEAST, self.rarer + step)), lately)


class Rarity(msgspec.Struct, frozen=True):
    """The body of the setting `rarity`."""

    rarer: float
