"""How surprising each value of a lone series is, by all channels together: what `detect FILE --out` says of every row.

`surprise = sum(weight * -log10 p)` over the channels of `SEEN`; a value is as anomalous as it surprises beyond the last
90, so that one event is told once. Alerts go by `STEPS` alone: from the last value and from the one before it, whose
tails are the sharpest. Causal and one-pass: nothing of a file's future, range or length is used.

The channels, their weights, the 90 and the threshold were chosen on the labels of the Numenta benchmark and of 30
labelled operations series (`benchmarks/nab.py`, `events.py`): what is measured on those is in-sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.channels import Climb, Drift, Record, Season, Shift, Step, Still
from streamgauge.anomaly.excesses import Excesses, Running
from streamgauge.anomaly.reference import Floats, Rows

REPEATS: Final = 90  # values that an anomaly must surprise beyond
HALF: Final = 5.0  # surprise whose bounded score is a half
ALERT: Final = 5.7  # surprise of the steps: once in half a million values each, were they independent
QUIET: Final = 10  # values after an alert that raise no other
RAISED: Final = 1.05  # a threshold's factor for a false alarm
LOWERED: Final = 0.98  # and for a true one
LEAST_FACTOR: Final = 0.6
MOST_FACTOR: Final = 4.0
WIDEST: Final = 1e100  # values beyond are taken for this, so that no square overflows
NEVER: Final = -(1 << 30)


class Reading(NamedTuple):
    """What is said of one value a series; every array has shape [series]."""

    score: Floats  # 0..1, 0 for a repeat of one within the last 90
    surprise: Floats  # the sum over `SEEN`
    steps: Floats  # the sum over `STEPS`, what alerts go by
    is_alert: NDArray[np.bool_]


class Part(NamedTuple):
    """One channel's part of a surprise."""

    channel: str
    calibration: str
    weight: float


CHANNELS: Final[dict[str, Callable[[int], Any]]] = {
    "climb": lambda series: Climb(series, lag=10),
    "drift": lambda series: Drift(series, width=10),
    "record": Record,
    "season": Season,
    "shift": lambda series: Shift(series, width=100),
    "step": lambda series: Step(series, lag=1),
    "still": Still,
    "two steps": lambda series: Step(series, lag=2),
}
CALIBRATIONS: Final[dict[str, Callable[[int], Any]]] = {
    "fading": lambda series: Excesses(series, share=0.005, fade=0.9998),
    "lasting": lambda series: Excesses(series, share=0.05),
    "running": Running,
}
SEEN: Final = (
    Part("season", "fading", 0.5), Part("record", "running", 1.0), Part("record", "lasting", 0.5),
    Part("drift", "fading", 0.25), Part("drift", "lasting", 0.25), Part("still", "fading", 0.5),
    Part("shift", "fading", 0.25), Part("shift", "lasting", 0.25), Part("climb", "fading", 0.25),
)  # fmt: skip
STEPS: Final = (Part("step", "lasting", 1.0), Part("two steps", "lasting", 1.0))


class Surprise:
    """The channels of `series` series and what they have learnt. Scores first, learns afterwards.

    >>> surprise = Surprise(1)
    >>> generator = np.random.default_rng(1)
    >>> for minute in range(2000):
    ...     value = 100.0 + generator.normal() + 50.0 * (minute == 1999)
    ...     told = surprise.read(np.array([value]), np.array([minute * 60]))
    >>> bool(told.is_alert[0] and told.score[0] > 0.5)
    True
    """

    def __init__(self, series: int, threshold: float = ALERT, quiet: int = QUIET) -> None:
        self._alert, self._factor, self.quiet = threshold, np.ones(series), quiet
        self._channels = {name: make(series) for name, make in CHANNELS.items()}
        pairs = sorted({(part.channel, part.calibration) for part in (*SEEN, *STEPS)})
        self._calibrations = {pair: CALIBRATIONS[pair[1]](series) for pair in pairs}
        self._recent, self._row = np.zeros((series, REPEATS)), 0
        self._alerted = np.full(series, NEVER)

    def read(self, value: Floats, second: Rows) -> Reading:
        """Judge one value a series (NaN: none) at `second` since the epoch, then learn it."""
        known = np.isfinite(value)
        value, clock = np.where(known, np.clip(value, -WIDEST, WIDEST), np.nan), second % 86400
        raw = {name: channel.score(value, clock) for name, channel in self._channels.items()}
        rare = {pair: one.surprise(np.where(known, raw[pair[0]], 0.0)) for pair, one in self._calibrations.items()}
        surprise, steps = (_total(parts, rare, len(value)) for parts in (SEEN, STEPS))
        reading = self._told(surprise, steps)
        for channel in self._channels.values():
            channel.learn(value, clock, known)
        for pair, calibration in self._calibrations.items():
            calibration.learn(np.where(known, raw[pair[0]], np.nan))
        self._row += 1
        return reading

    def teach(self, rows: Rows, was_true: NDArray[np.bool_]) -> None:
        """What was said of the alerts of `rows`, True for a real one, `was_true` of shape [series].

        A false alarm raises the threshold of its series by 5 %, a true one lowers it by 2 %: in balance at 70 % true.
        """
        factor = np.where(was_true[rows], LOWERED, RAISED)
        self._factor[rows] = np.clip(self._factor[rows] * factor, LEAST_FACTOR, MOST_FACTOR)

    @property
    def threshold(self) -> Floats:
        """The steps' surprise that alerts, of each series."""
        threshold: Floats = self._alert * self._factor
        return threshold

    def _told(self, surprise: Floats, steps: Floats) -> Reading:
        is_new = surprise > self._recent.max(axis=1)
        self._recent[:, self._row % REPEATS] = surprise
        is_alert = (steps > self.threshold) & (self._row - self._alerted > self.quiet)
        self._alerted = np.where(is_alert, self._row, self._alerted)
        return Reading(np.where(is_new, surprise / (surprise + HALF), 0.0), surprise, steps, is_alert)


def _total(parts: tuple[Part, ...], rare: dict[tuple[str, str], Floats], series: int) -> Floats:
    total = np.zeros(series)
    for part in parts:
        total += part.weight * rare[part.channel, part.calibration]
    return total
