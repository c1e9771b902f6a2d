"""A declared fact: a value beyond its limit by three standard errors is wrong, whatever was normal before.

`z = (x - limit) / error`; it needs no history and fires from the first window.
"""

from __future__ import annotations

import numpy as np

from streamgauge.anomaly.reference import Bools, Floats, Moment, Rows

ERRORS = 3.0


def exceeds(value: Floats, error: Floats, limit: Floats) -> Bools:
    """Which values are beyond their limit for sure; NaN limits and values never are."""
    with np.errstate(invalid="ignore"):
        return value - ERRORS * error > limit


class Limit:
    """An upper bound for every series.

    Args:
        series: how many series.
        limit: the highest value that is still right.
        error: standard error of a value.

    >>> detector = Limit(1, limit=0.01, error=0.001)
    >>> detector.score(np.array([0.5]), Moment(0, 0)).round().tolist()
    [490.0]
    """

    def __init__(self, series: int, limit: float = 0.0, error: float = 1.0) -> None:
        self.limit, self.error = limit, error
        self._series = series

    def score(self, level: Floats, moment: Moment) -> Floats:
        """Standard errors beyond the limit."""
        z = np.clip((level - self.limit) / self.error, -1e6, 1e6)
        return np.where(np.isfinite(level), z, np.nan)

    def learn(self, level: Floats, moment: Moment, keep: Bools) -> None:
        """A limit is declared, not learnt."""

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`; -1 is a new one."""
        self._series = len(index)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return np.array([self.limit, self.error, self._series], dtype="<f8").tobytes()

    @classmethod
    def restore(cls, data: bytes) -> Limit:
        """The detector that `snapshot` was taken of."""
        limit, error, series = np.frombuffer(data, "<f8").tolist()
        return cls(int(series), limit, error)
