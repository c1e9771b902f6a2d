"""Kinds of series as production has them, 56 days in windows of 15 minutes: a function a kind, all in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from streamgauge.anomaly.reference import Floats, Rows

DAYS: Final = 56
WINDOW: Final = 900.0
PER_DAY: Final = 96
LEVEL: Final = 100.0
NOISE: Final = 3.0  # robust standard deviation of every kind, 3 % of its level
ROBUST_T3: Final = 1.1340  # 1.4826 times the median of |t| with 3 degrees of freedom
COUNT: Final = DAYS * PER_DAY
EPOCH: Final = 1_770_508_800.0  # Sunday, 8 February 2026, 00:00 UTC
Generator = np.random.Generator


class Life(NamedTuple):
    """Series of one kind."""

    values: Floats  # [windows, series]
    changes: list[int | None]  # the window from which a series is another one for good
    grace: int = PER_DAY  # windows within which a page tells of that
    sigma: float = 1.0  # in units of NOISE, what a planted change is measured in
    open: int = PER_DAY  # windows for which the page of that may stay open: nothing else is told meanwhile


def _noise(generator: Generator, series: int) -> Floats:
    noise: Floats = generator.normal(0.0, NOISE, (COUNT, series))
    return noise


def _hour() -> Floats:
    hour: Floats = np.arange(COUNT) % PER_DAY / PER_DAY * 24.0
    return hour


def _weekday() -> Rows:
    weekday: Rows = (np.arange(COUNT) // PER_DAY + 6) % 7  # the first day is a Sunday; 0 is Monday
    return weekday


def _unchanged(values: Floats, sigma: float = 1.0) -> Life:
    return Life(values, [None] * values.shape[1], sigma=sigma)


def _days(generator: Generator, series: int) -> list[int | None]:
    """A day between the 30th and the 40th for each series, at any time of it."""
    return [int(start) for start in generator.integers(30 * PER_DAY, 40 * PER_DAY, series)]


def _wave(amplitude: float) -> Floats:
    wave: Floats = amplitude * np.sin(2.0 * np.pi * (_hour() - 8.0) / 24.0)[:, None]
    return wave


def calm(generator: Generator, series: int) -> Life:
    """A level and normal noise."""
    return _unchanged(LEVEL + _noise(generator, series))


def rhythm(generator: Generator, series: int) -> Life:
    """A smooth rhythm of the day, ten times the noise."""
    return _unchanged(LEVEL + _wave(30.0) + _noise(generator, series))


def weekend(generator: Generator, series: int) -> Life:
    """Half the volume on Saturdays and Sundays."""
    share = np.where(_weekday() >= 5, 0.5, 1.0)[:, None]
    return _unchanged(share * (LEVEL + _wave(30.0)) + _noise(generator, series))


def mondays(generator: Generator, series: int) -> Life:
    """Mondays are 30 % higher."""
    share = np.where(_weekday() == 0, 1.3, 1.0)[:, None]
    return _unchanged(share * LEVEL + _noise(generator, series))


def batch(generator: Generator, series: int) -> Life:
    """A job of 15 minutes runs at 02:00 every day."""
    return _unchanged(LEVEL + np.where(_hour() == 2.0, 100.0, 0.0)[:, None] + _noise(generator, series))


def edge(generator: Generator, series: int) -> Life:
    """An office opens at 08:30 and closes at 18:30."""
    open_ = (_hour() >= 8.5) & (_hour() < 18.5)
    return _unchanged(LEVEL + np.where(open_, 80.0, 0.0)[:, None] + _noise(generator, series))


def heavy(generator: Generator, series: int) -> Life:
    """Noise with heavy tails: Student's t with 3 degrees of freedom."""
    return _unchanged(LEVEL + NOISE / ROBUST_T3 * generator.standard_t(3.0, (COUNT, series)))


def sluggish(generator: Generator, series: int) -> Life:
    """Noise that remembers: autoregressive with 0.9 from window to window."""
    innovations = generator.normal(0.0, NOISE * np.sqrt(1.0 - 0.81), (COUNT, series))
    values = np.zeros((COUNT, series))
    for row in range(1, COUNT):
        values[row] = 0.9 * values[row - 1] + innovations[row]
    return _unchanged(LEVEL + values)


def wandering(generator: Generator, series: int) -> Life:
    """A random walk, in steps of a third of the noise; a change is of the noise's size."""
    return _unchanged(LEVEL + np.cumsum(generator.normal(0.0, NOISE / 3.0, (COUNT, series)), axis=0))


def clock(generator: Generator, series: int) -> Life:
    """An office of New York seen by clocks left at UTC: its edges move by an hour on 8 March."""
    return _office(generator, series, "America/New_York")


def clock_of_europe(generator: Generator, series: int) -> Life:
    """An office of Berlin seen by clocks left at UTC: its edges move by an hour on 29 March."""
    return _office(generator, series, "Europe/Berlin")


def _office(generator: Generator, series: int, zone: str) -> Life:
    local = [datetime.fromtimestamp(EPOCH + row * WINDOW, ZoneInfo(zone)) for row in range(COUNT)]
    hour = np.array([at.hour + at.minute / 60.0 for at in local])
    return _unchanged(LEVEL + np.where((hour >= 8.5) & (hour < 18.5), 80.0, 0.0)[:, None] + _noise(generator, series))


def vanishing(generator: Generator, series: int) -> Life:
    """A rhythm of the day that vanishes for good."""
    changes = _days(generator, series)
    values = LEVEL + _noise(generator, series)
    for column, start in enumerate(changes):
        values[:start, column] += _wave(30.0)[:start, 0]
    return Life(values, changes)


def moved(generator: Generator, series: int) -> Life:
    """A level that moves for good, by ten times the noise."""
    changes = _days(generator, series)
    values = LEVEL + _wave(15.0) + _noise(generator, series)
    for column, start in enumerate(changes):
        values[start:, column] += 10.0 * NOISE
    return Life(values, changes, open=8 * PER_DAY)


def new_batch(generator: Generator, series: int) -> Life:
    """A job of 15 minutes that runs every day from some day on; three days belong to its beginning."""
    changes = [(start or 0) // PER_DAY * PER_DAY + 8 for start in _days(generator, series)]
    values = LEVEL + _noise(generator, series)
    for column, start in enumerate(changes):
        values[start::PER_DAY, column] += 60.0
    return Life(values, [*changes], grace=2 * PER_DAY + 1)


def weekly_batch(generator: Generator, series: int) -> Life:
    """A job of an hour that runs on Sundays at 03:00."""
    runs = (_weekday() == 6) & (_hour() >= 3.0) & (_hour() < 4.0)
    return _unchanged(LEVEL + np.where(runs, 90.0, 0.0)[:, None] + _noise(generator, series))


def decaying(generator: Generator, series: int) -> Life:
    """Five per cent worse every day, 15 times in all; told within seven days."""
    return _decay(generator, series, 0.95, 15, 30, 7)


def slowly_decaying(generator: Generator, series: int) -> Life:
    """One per cent worse every day; told within 30 days."""
    return _decay(generator, series, 0.99, 30, 25, 30)


def _decay(generator: Generator, series: int, factor: float, times: int, first: int, within: int) -> Life:
    days = np.clip(np.arange(COUNT) // PER_DAY - first + 1, 0, times)[:, None]
    values = (LEVEL + _wave(15.0)) * factor**days + _noise(generator, series)
    return Life(values, [first * PER_DAY] * series, grace=within * PER_DAY, open=COUNT)


KINDS: Final[dict[str, Callable[[Generator, int], Life]]] = {
    "calm": calm,
    "rhythm": rhythm,
    "weekend": weekend,
    "mondays": mondays,
    "batch": batch,
    "edge": edge,
    "heavy": heavy,
    "sluggish": sluggish,
    "wandering": wandering,
    "clock": clock,
    "clock_of_europe": clock_of_europe,
    "vanishing": vanishing,
    "moved": moved,
    "new_batch": new_batch,
    "weekly_batch": weekly_batch,
    "decaying": decaying,
    "slowly_decaying": slowly_decaying,
}
