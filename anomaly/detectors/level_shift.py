"""Distance between a fast and a slow level: small lasting changes that no single window shows.

Two exponentially weighted means with gains f > g; for independent values of variance v their difference has variance
`v (f / (2 - f) + g / (2 - g) - 2 f g / (f + g - f g))`, so `z = (fast - slow) / sqrt(that)` (Lucas and Saccucci 1990).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.reference import Bools, Floats, Moment, Rows

_COLUMNS: Final = {"fast": Column("<f8"), "slow": Column("<f8"), "variance": Column("<f8"), "seen": Column("<i4")}
CAP: Final = 3.0


class LevelShift:
    """A fast mean against a slow one.

    Args:
        series: how many series.
        fast: windows that the fast mean remembers, about.
        slow: windows that the slow mean and the variance remember, about; also the warm-up.
        least: smallest standard deviation of a value, on the series' scale.

    >>> detector = LevelShift(1)
    >>> values = np.random.default_rng(1).normal(0.0, 1.0, 400)
    >>> values[350:] += 2.0  # no single value is remarkable
    >>> for value in values:
    ...     z = detector.score(np.array([value]), Moment(0, 0))
    ...     detector.learn(np.array([value]), Moment(0, 0), np.array([True]))
    >>> bool(z[0] > 5.0)
    True
    """

    def __init__(self, series: int, fast: float = 10.0, slow: float = 200.0, least: float = 1e-9) -> None:
        self.fast, self.slow, self.least = fast, slow, least
        self._arrays: Arrays = empty(_COLUMNS, series)

    def score(self, level: Floats, moment: Moment) -> Floats:
        """Sigmas between the fast mean, this window included, and the slow one."""
        arrays, f, g = self._arrays, 1.0 / self.fast, 1.0 / self.slow
        share = f / (2 - f) + g / (2 - g) - 2 * f * g / (f + g - f * g)
        s = np.sqrt((arrays["variance"] + self.least**2) * share)
        ahead = arrays["fast"] + f * self._step(level)
        z = np.clip((ahead - arrays["slow"]) / s, -1e6, 1e6)
        return np.where((arrays["seen"] >= self.slow) & np.isfinite(level), z, np.nan)

    def learn(self, level: Floats, moment: Moment, keep: Bools) -> None:
        """Move both means and the variance."""
        arrays = self._arrays
        taken = keep & np.isfinite(level)
        seen, step = arrays["seen"], np.where(taken, self._step(level), 0.0)
        away = np.where(taken, level - arrays["slow"], 0.0)
        reach = np.where(seen >= self.slow, CAP * np.sqrt(arrays["variance"] + self.least**2), np.inf)
        away = np.clip(away, -reach, reach)
        for name, memory, move in (("fast", self.fast, step), ("slow", self.slow, away)):
            arrays[name] = arrays[name] + np.where(taken, np.maximum(1.0 / (seen + 1.0), 1.0 / memory), 0.0) * move
        gain = np.where(taken & (seen > 0), np.maximum(1.0 / (seen + 1.0), 1.0 / self.slow), 0.0)
        arrays["variance"] = arrays["variance"] + gain * (np.square(away) - arrays["variance"])
        arrays["seen"] = np.minimum(seen + taken, 1_000_000).astype("<i4")

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`; -1 is a new one."""
        self._arrays = pick(_COLUMNS, self._arrays, index)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return np.array([self.fast, self.slow, self.least], dtype="<f8").tobytes() + pack(self._arrays)

    @classmethod
    def restore(cls, data: bytes) -> LevelShift:
        """The detector that `snapshot` was taken of."""
        fast, slow, least = np.frombuffer(data[:24], "<f8").tolist()
        detector = cls(0, fast, slow, least)
        detector._arrays = unpack(data[24:])
        return detector

    def _step(self, level: Floats) -> Floats:
        arrays = self._arrays
        reach = np.where(arrays["seen"] >= self.slow, CAP * np.sqrt(arrays["variance"] + self.least**2), np.inf)
        return np.clip(level - arrays["fast"], -reach, reach)
