"""Size of the step from one window to the next, against its usual size: jumps in streams that wander.

`z = (x_t - x_(t-1)) / s`, s^2 an exponentially weighted mean of squared steps winsorised at 3 sigmas. The best single
detector of the Numenta benchmark's prototype used this channel; it says nothing about a slow change.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.reference import Bools, Floats, Moment, Rows

_COLUMNS: Final = {"last": Column("<f8", fill=float("nan")), "variance": Column("<f8"), "seen": Column("<i4")}
WARM: Final = 10
CAP: Final = 3.0


class Diff:
    """Steps between neighbouring windows.

    Args:
        series: how many series.
        memory: windows that the usual step remembers, about.
        least: smallest standard deviation of a step, on the series' scale.

    >>> detector = Diff(1)
    >>> for value in np.cumsum(np.random.default_rng(1).normal(0.0, 1.0, 200)):
    ...     _ = detector.score(np.array([value]), Moment(0, 0))
    ...     detector.learn(np.array([value]), Moment(0, 0), np.array([True]))
    >>> bool(detector.score(np.array([value + 20.0]), Moment(0, 0))[0] > 10.0)
    True
    """

    def __init__(self, series: int, memory: float = 200.0, least: float = 1e-9) -> None:
        self.memory, self.least = memory, least
        self._arrays: Arrays = empty(_COLUMNS, series)

    def score(self, level: Floats, moment: Moment) -> Floats:
        """Sigmas of the step from the last kept value."""
        arrays = self._arrays
        z = np.clip((level - arrays["last"]) / np.sqrt(arrays["variance"] + self.least**2), -1e6, 1e6)
        return np.where((arrays["seen"] >= WARM) & np.isfinite(z), z, np.nan)

    def learn(self, level: Floats, moment: Moment, keep: Bools) -> None:
        """Remember the value and the size of its step."""
        arrays = self._arrays
        taken = keep & np.isfinite(level)
        stepped = taken & np.isfinite(arrays["last"])
        seen, old = arrays["seen"], arrays["variance"]
        square = np.square(np.where(stepped, level - arrays["last"], 0.0))
        square = np.where(seen >= WARM, np.minimum(square, CAP**2 * (old + self.least**2)), square)
        gain = np.where(stepped, np.maximum(1.0 / (seen + 1.0), 1.0 / self.memory), 0.0)
        arrays["variance"] = old + gain * (square - old)
        arrays["seen"] = np.minimum(seen + stepped, 1_000_000).astype("<i4")
        arrays["last"] = np.where(taken, level, arrays["last"])

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`; -1 is a new one."""
        self._arrays = pick(_COLUMNS, self._arrays, index)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return np.array([self.memory, self.least], dtype="<f8").tobytes() + pack(self._arrays)

    @classmethod
    def restore(cls, data: bytes) -> Diff:
        """The detector that `snapshot` was taken of."""
        memory, least = np.frombuffer(data[:16], "<f8").tolist()
        detector = cls(0, memory, least)
        detector._arrays = unpack(data[16:])
        return detector
