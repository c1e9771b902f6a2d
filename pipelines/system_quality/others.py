"""One worker against the others, in a time that does not grow with the square of their number."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping


class Others:
    """Values by worker, sorted once; none may be NaN.

    >>> Others({"a": 1.0, "b": 5.0, "c": 2.0, "d": 9.0}).median("b")
    2.0
    """

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = values
        self._sorted = sorted(values.values())

    def median(self, name: str) -> float:
        """The median of all values but this worker's, as `statistics.median` gives it; 0 where there is no other."""
        left = len(self._sorted) - 1
        if not left:
            return 0.0
        out = bisect_left(self._sorted, self.values[name])
        low, high = (self._sorted[at + (at >= out)] for at in ((left - 1) // 2, left // 2))
        return low if left % 2 else (low + high) / 2
