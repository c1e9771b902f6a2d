"""A statistic with what it takes to judge it: its sampling error and what noise alone would give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A value with its standard error and its noise floor; NaN is unknown."""

    value: float
    error: float = 0.0  # sampling standard error, in the value's unit
    floor: float = 0.0  # what noise alone would give

    @property
    def excess(self) -> float:
        """What is left above the floor, never negative; NaN where the value is unknown.

        >>> Estimate(0.5, floor=0.375).excess, Estimate(0.1, floor=0.375).excess
        (0.125, 0.0)
        """
        return self.value if self.value != self.value else max(0.0, self.value - self.floor)
