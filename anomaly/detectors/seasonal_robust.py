"""Distance from the robust normal of the same time of day: the detector behind learnt pages.

`z = (x - median) / s`, `s^2 = spread^2 + max(wobble, noise^2) + least^2`: median, spread and wobble come from
`streamgauge.anomaly.reference`, noise is the sampling error of the current window, least the change that means nothing
(`anomaly.scales`). Median and MAD keep their value while up to half of the history is wrong (Hampel 1974), so one bad
day teaches nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamgauge.anomaly.reference import Bools, Expected, Floats, Moment, Reference, Rows

MINIMUM: Final = 4  # entries before a distance is told
HIGHEST: Final = 1e6  # sigmas
STORED: Final = 2.0**-22  # of a level, how exactly its reference is kept


def deviation(expected: Expected, noise: Floats, least: Floats) -> Floats:
    """The standard deviation `s` of a new window about its reference, shape [series]."""
    inside = np.maximum(expected.wobble, np.square(noise))
    s: Floats = np.sqrt(np.square(expected.spread) + inside + np.square(least))
    return s


def sigmas(level: Floats, expected: Expected, s: Floats) -> Floats:
    """`(level - center) / s`, NaN where the value or the reference is unknown, at most a million."""
    with np.errstate(invalid="ignore"):
        z = np.clip((level - expected.center) / s, -HIGHEST, HIGHEST)
    return np.where(expected.entries >= MINIMUM, z, np.nan)


class SeasonalRobust:
    """Same slot of the day over 28 days; the trailing 24 windows while a slot has fewer than 3 days.

    Args:
        series: how many series.
        slots: parts of the day, at most 24.
        noise: sampling error of every window, on the series' scale.
        least: smallest standard deviation, on the series' scale.

    >>> detector = SeasonalRobust(1, slots=2)
    >>> rng = np.random.default_rng(1)
    >>> for day in range(20):
    ...     for slot in (0, 1):
    ...         level, moment = np.array([100.0 * slot + rng.normal()]), Moment(day, slot)
    ...         _ = detector.score(level, moment)
    ...         detector.learn(level, moment, np.array([True]))
    >>> bool(detector.score(np.array([100.0]), Moment(20, 0))[0] > 50.0)  # normal at noon, not in the morning
    True
    """

    def __init__(self, series: int, slots: int = 24, noise: float = 0.0, least: float = 1e-9) -> None:
        self.reference = Reference(series, slots)
        self.noise, self.least = noise, least

    def score(self, level: Floats, moment: Moment) -> Floats:
        """Sigmas from the normal of this time of day."""
        expected = self.reference.expect(moment)
        # What a reference keeps is float32: a constant must not be far from itself.
        least = np.maximum(self.least, STORED * np.abs(np.nan_to_num(expected.center)))
        return sigmas(level, expected, deviation(expected, np.full(len(level), self.noise), least))

    def learn(self, level: Floats, moment: Moment, keep: Bools) -> None:
        """Add the window to its slot."""
        self.reference.expect(moment)
        self.reference.learn(moment, level, keep)

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`; -1 is a new one."""
        self.reference.reindex(index)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return np.array([self.noise, self.least], dtype="<f8").tobytes() + self.reference.snapshot()

    @classmethod
    def restore(cls, data: bytes) -> SeasonalRobust:
        """The detector that `snapshot` was taken of."""
        noise, least = np.frombuffer(data[:16], "<f8").tolist()
        detector = cls(0, noise=noise, least=least)
        detector.reference = Reference.restore(data[16:])
        return detector
