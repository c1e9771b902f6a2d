"""Distance from an exponentially weighted level, for streams without a rhythm of the day.

Level and scale follow `level += a (x' - level)`, `variance += a ((x' - level)^2 - variance)`, x' being x winsorised
at 3 sigmas, so that an outlier moves neither by more than a normal value could (Gelper, Fried and Croux 2010).
Cost: 0.2 ms a window at 10,000 series; 20 bytes a series.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.reference import Bools, Floats, Moment, Rows

_COLUMNS: Final = {"level": Column("<f8"), "variance": Column("<f8"), "seen": Column("<i4")}
WARM: Final = 10  # values before a distance is told
CAP: Final = 3.0  # sigmas
WIDEST: Final = 1e100  # a step beyond is taken for this, so that no square overflows


class RobustEwma:
    """Adaptive level and scale.

    Args:
        series: how many series.
        memory: windows that the level remembers, about; the newest value weighs 1 / memory.
        least: smallest standard deviation, on the series' scale.
        steady: windows that the variance remembers, about; 0: as many as the level.

    >>> detector = RobustEwma(1)
    >>> for value in np.random.default_rng(1).normal(10.0, 1.0, 200):
    ...     _ = detector.score(np.array([value]), Moment(0, 0))
    ...     detector.learn(np.array([value]), Moment(0, 0), np.array([True]))
    >>> bool(detector.score(np.array([25.0]), Moment(0, 0))[0] > 10.0)
    True
    """

    def __init__(self, series: int, memory: float = 50.0, least: float = 1e-9, steady: float = 0.0) -> None:
        self.memory, self.least, self.steady = memory, least, steady or memory
        self._arrays: Arrays = empty(_COLUMNS, series)

    def score(self, level: Floats, moment: Moment) -> Floats:
        """Sigmas from the level."""
        arrays = self._arrays
        s = np.sqrt(arrays["variance"] + self.least**2)
        z = np.clip(np.clip(level - arrays["level"], -WIDEST, WIDEST) / s, -1e6, 1e6)
        return np.where((arrays["seen"] >= WARM) & np.isfinite(level), z, np.nan)

    def center(self) -> Floats:
        """The value that is expected next, shape [series]; 0 before the first."""
        center: Floats = self._arrays["level"]
        return center

    def spread(self) -> Floats:
        """The standard deviation that it is expected with."""
        spread: Floats = np.sqrt(self._arrays["variance"] + self.least**2)
        return spread

    def learn(self, level: Floats, moment: Moment, keep: Bools) -> None:
        """Move the level and the scale towards the window."""
        arrays = self._arrays
        taken = keep & np.isfinite(level)
        seen, old = arrays["seen"], arrays["level"]
        reach = np.where(seen >= WARM, CAP * np.sqrt(arrays["variance"] + self.least**2), WIDEST)
        step = np.where(taken, np.clip(np.where(taken, level, 0.0) - old, -reach, reach), 0.0)
        gain = np.where(taken, np.maximum(1.0 / (seen + 1.0), 1.0 / self.memory), 0.0)
        arrays["level"] = old + gain * step
        # The first value only sets the level; a step from an estimated level is (1 - gain) too large in the square.
        square = np.where(seen > 0, np.square(step) * (1.0 - gain), arrays["variance"])
        slow = np.where(taken, np.maximum(1.0 / (seen + 1.0), 1.0 / self.steady), 0.0)
        arrays["variance"] = arrays["variance"] + slow * (square - arrays["variance"])
        arrays["seen"] = np.minimum(seen + taken, 1_000_000).astype("<i4")

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`; -1 is a new one."""
        self._arrays = pick(_COLUMNS, self._arrays, index)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return np.array([self.memory, self.least, self.steady], dtype="<f8").tobytes() + pack(self._arrays)

    @classmethod
    def restore(cls, data: bytes) -> RobustEwma:
        """The detector that `snapshot` was taken of."""
        memory, least, steady = np.frombuffer(data[:24], "<f8").tolist()
        detector = cls(0, memory, least, steady)
        detector._arrays = unpack(data[24:])
        return detector
