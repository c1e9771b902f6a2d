"""Raw channels of a lone series: each sees one kind of change, in one pass, over series with clocks of their own.

A channel takes a value and its second of the day a series and gives a score of 0 and more, 0 while it knows too
little; it is told of each value after it has scored it. What a score means is for `anomaly.excesses` to say.

    Step      |x - x[-lag]| over its usual size            Season   distance from the same minutes of recent days
    Climb     the same over the slot's largest             Drift    mean of ten residuals of the slot of the day
    Record    how far beyond all that was seen before      Shift    mean of a hundred against a slow mean
    Still     how long a series has not moved
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamgauge.anomaly.reference import Bools, Floats, Rows
from streamgauge.anomaly.usual import MOVEMENT

TINY: Final = 1e-9
DAY: Final = 86400


class Step:
    """`|x - x[-lag]| / s`, s^2 a mean of squared steps winsorised at `cap` sigmas over `memory` values.

    s is at least a twentieth of the usual step that is not 0, by its logarithm: counts of 0 and 1 teach nothing.
    """

    def __init__(self, series: int, lag: int = 1, memory: float = 4000.0, cap: float = 3.0) -> None:
        self.lag, self.memory, self.cap = lag, memory, cap
        self.ring = np.full((series, lag), np.nan)
        self.at, self.seen, self.variance = np.zeros(series, np.int64), np.zeros(series), np.zeros(series)
        self.moves, self.usual = np.zeros(series), np.zeros(series)  # steps that are not 0, and the mean of their logs

    def score(self, x: Floats, second: Rows) -> Floats:
        """Sigmas of the step."""
        step = np.abs(x - self.ring[np.arange(len(x)), self.at])
        least = np.where(self.moves > 0, MOVEMENT * np.exp(self.usual), 0.0)
        return np.where(self.seen >= 10, np.nan_to_num(step / (np.maximum(np.sqrt(self.variance), least) + TINY)), 0.0)

    def learn(self, x: Floats, second: Rows, known: Bools) -> None:
        """Remember the value and the size of its step."""
        rows = np.arange(len(x))
        square = np.square(x - self.ring[rows, self.at])
        stepped = known & (square == square)
        reach = np.where(self.seen >= 10, self.cap**2 * (self.variance + TINY**2), np.inf)
        seen = self.seen + 1.0
        gain = np.maximum(1.0 / seen, 1.0 / self.memory)
        moved = self.variance + gain * (np.minimum(square, reach) - self.variance)
        self.variance, self.seen = np.where(stepped, moved, self.variance), np.where(stepped, seen, self.seen)
        is_move = stepped & (square > 0.0)
        self.moves = self.moves + is_move
        away = 0.5 * np.log(np.where(is_move, square, 1.0)) - self.usual
        gain = np.maximum(1.0 / np.maximum(self.moves, 1.0), 1.0 / self.memory)
        self.usual = np.where(is_move, self.usual + gain * away, self.usual)
        self.ring[rows[known], self.at[known]] = x[known]
        self.at = np.where(known, (self.at + 1) % self.lag, self.at)


class Climb:
    """`|x - x[-lag]|` over the largest of its hour of the day, which fades by `fade` a value, and the usual one."""

    def __init__(self, series: int, lag: int = 10, fade: float = 0.99) -> None:
        self.lag, self.fade = lag, fade
        self.ring = np.full((series, lag), np.nan)
        self.at, self.seen, self.usual = np.zeros(series, np.int64), np.zeros(series), np.zeros(series)
        self.largest = np.zeros((series, 24))

    def score(self, x: Floats, second: Rows) -> Floats:
        """The step as a multiple of the largest."""
        step, largest = self._step(x), self.largest[np.arange(len(x)), second // 3600]
        usual = self.usual + np.maximum(1.0 / (self.seen + 1.0), 1e-3) * (step - self.usual)
        ready = (largest > 0.0) & (self.seen >= 10)
        return np.where(ready, np.nan_to_num(step / (largest + usual + TINY)), 0.0)

    def learn(self, x: Floats, second: Rows, known: Bools) -> None:
        """Remember the value and its step."""
        rows, step = np.arange(len(x)), self._step(x)
        stepped = np.flatnonzero(known & (step == step))
        self.seen[stepped] += 1.0
        self.usual[stepped] += np.maximum(1.0 / self.seen[stepped], 1e-3) * (step[stepped] - self.usual[stepped])
        place = (stepped, second[stepped] // 3600)
        self.largest[place] = np.maximum(self.largest[place] * self.fade, step[stepped])
        self.ring[rows[known], self.at[known]] = x[known]
        self.at = np.where(known, (self.at + 1) % self.lag, self.at)

    def _step(self, x: Floats) -> Floats:
        step: Floats = np.abs(x - self.ring[np.arange(len(x)), self.at])
        return step


class Record:
    """How far beyond the range of all values before, in units of it."""

    def __init__(self, series: int) -> None:
        self.low, self.high, self.seen = np.full(series, np.inf), np.full(series, -np.inf), np.zeros(series)

    def score(self, x: Floats, second: Rows) -> Floats:
        """0 within the range."""
        beyond = np.maximum(np.maximum(x - self.high, self.low - x), 0.0)
        with np.errstate(invalid="ignore"):
            score = np.nan_to_num(beyond / (self.high - self.low + TINY), posinf=0.0)
        return np.where(self.seen > 11, score, 0.0)

    def learn(self, x: Floats, second: Rows, known: Bools) -> None:
        """Widen the range."""
        self.low, self.high = np.fmin(self.low, x), np.fmax(self.high, x)
        self.seen = self.seen + known


class Season:
    """Distance from the median of the last five values in each of three neighbouring five minutes of the day."""

    def __init__(self, series: int, memory: float = 8000.0, cap: float = 5.0) -> None:
        self.memory, self.cap = memory, cap
        self.past = np.full((series, 288, 5), np.nan)
        self.at = np.zeros((series, 288), np.int64)
        self.seen, self.variance = np.zeros(series), np.zeros(series)

    def score(self, x: Floats, second: Rows) -> Floats:
        """Sigmas."""
        residual = self._residual(x, second)
        return np.where(self.seen > 20, np.nan_to_num(np.abs(residual) / (np.sqrt(self.variance) + TINY)), 0.0)

    def learn(self, x: Floats, second: Rows, known: Bools) -> None:
        """Remember the value at its minutes."""
        square = np.square(self._residual(x, second))
        told = known & (square == square)
        reach = np.where(self.seen > 20, self.cap**2 * (self.variance + TINY**2), np.inf)
        seen = self.seen + 1.0
        gain = np.maximum(1.0 / seen, 1.0 / self.memory)
        moved = self.variance + gain * (np.minimum(square, reach) - self.variance)
        self.variance, self.seen = np.where(told, moved, self.variance), np.where(told, seen, self.seen)
        rows, cell = np.flatnonzero(known), second[known] // 300
        self.past[rows, cell, self.at[rows, cell]] = x[known]
        self.at[rows, cell] = (self.at[rows, cell] + 1) % 5

    def _residual(self, x: Floats, second: Rows) -> Floats:
        cell = second // 300
        beside = np.stack([(cell - 1) % 288, cell, (cell + 1) % 288], axis=1)
        block = np.sort(self.past[np.arange(len(x))[:, None], beside].reshape(len(x), 15), axis=1)
        count = np.count_nonzero(block == block, axis=1)
        middle = block[np.arange(len(x)), np.minimum(count // 2, 14)]
        return np.where(count >= 3, x - middle, np.nan)


class Drift:
    """Mean of ten residuals from the mean of the hour of the day, in sigmas of one."""

    def __init__(self, series: int, width: int = 10, gain: float = 0.01) -> None:
        self.width, self.gain = width, gain
        self.level, self.count = np.zeros((series, 24)), np.zeros((series, 24))
        self.ring = np.zeros((series, width))
        self.at, self.seen, self.variance = np.zeros(series, np.int64), np.zeros(series), np.zeros(series)

    def score(self, x: Floats, second: Rows) -> Floats:
        """Sigmas."""
        total = self.ring.sum(axis=1) - self.ring[np.arange(len(x)), self.at] + np.nan_to_num(self._residual(x, second))
        return np.where(self.seen > 20, np.abs(total / self.width) / (np.sqrt(self.variance) + TINY), 0.0)

    def learn(self, x: Floats, second: Rows, known: Bools) -> None:
        """Move the hour's mean."""
        slot, residual = second // 3600, self._residual(x, second)
        rows = np.flatnonzero(known)
        self.ring[rows, self.at[rows]] = np.nan_to_num(residual[rows])
        self.at[rows] = (self.at[rows] + 1) % self.width
        told = known & (residual == residual)
        seen = self.seen + 1.0
        reach = np.where(seen > 100, 25.0 * (self.variance + TINY**2), np.inf)
        gain = np.maximum(1.0 / seen, 1.0 / 5000)
        moved = self.variance + gain * (np.minimum(np.square(residual), reach) - self.variance)
        self.variance, self.seen = np.where(told, moved, self.variance), np.where(told, seen, self.seen)
        place = (rows, slot[rows])
        self.count[place] += 1.0
        self.level[place] += np.maximum(1.0 / self.count[place], self.gain) * (x[rows] - self.level[place])

    def _residual(self, x: Floats, second: Rows) -> Floats:
        place = (np.arange(len(x)), second // 3600)
        return np.where(self.count[place] > 0, x - self.level[place], np.nan)


class Shift:
    """Distance of the mean of a hundred values from its own slow mean, over its usual size."""

    def __init__(self, series: int, width: int = 100, memory: float = 2000.0) -> None:
        self.width, self.memory = width, memory
        self.ring, self.at = np.zeros((series, width)), np.zeros(series, np.int64)
        self.total, self.filled, self.seen = np.zeros(series), np.zeros(series), np.zeros(series)
        self.level, self.usual = np.zeros(series), np.zeros(series)

    def score(self, x: Floats, second: Rows) -> Floats:
        """Multiples of the usual distance."""
        away = np.abs(self._mean(x) - self.level)
        ready = (self.filled >= self.width - 1) & (self.seen > self.width)
        return np.where(ready, np.nan_to_num(away / (self.usual + TINY)), 0.0)

    def learn(self, x: Floats, second: Rows, known: Bools) -> None:
        """Move the means."""
        mean, rows = self._mean(x), np.flatnonzero(known)
        self.total[rows] += x[rows] - self.ring[rows, self.at[rows]]
        self.ring[rows, self.at[rows]] = x[rows]
        self.at[rows] = (self.at[rows] + 1) % self.width
        self.filled[rows] += 1.0
        told = np.flatnonzero(known & (self.filled >= self.width))
        away = np.where(self.seen[told] > 0, np.abs(mean[told] - self.level[told]), self.usual[told])
        self.usual[told] += np.maximum(1.0 / (self.seen[told] + 1.0), 1.0 / self.memory) * (away - self.usual[told])
        self.seen[told] += 1.0
        gain = np.maximum(1.0 / self.seen[told], 1.0 / self.memory)
        self.level[told] += gain * (mean[told] - self.level[told])

    def _mean(self, x: Floats) -> Floats:
        mean: Floats = (self.total + x - self.ring[np.arange(len(x)), self.at]) / self.width
        return mean


class Still:
    """Values in a row that moved by less than a tenth of the usual step."""

    def __init__(self, series: int, memory: float = 500.0) -> None:
        self.memory = memory
        self.last, self.usual = np.full(series, np.nan), np.zeros(series)
        self.seen, self.run = np.zeros(series), np.zeros(series)

    def score(self, x: Floats, second: Rows) -> Floats:
        """How many, this one included."""
        run: Floats = self._run(x)
        return run

    def learn(self, x: Floats, second: Rows, known: Bools) -> None:
        """Count it."""
        step = np.abs(x - self.last)
        told = known & (step == step)
        self.run = np.where(told, self._run(x), self.run)
        seen = self.seen + 1.0
        moved = self.usual + np.maximum(1.0 / seen, 1.0 / self.memory) * (step - self.usual)
        self.usual, self.seen = np.where(told, moved, self.usual), np.where(told, seen, self.seen)
        self.last = np.where(known, x, self.last)

    def _run(self, x: Floats) -> Floats:
        still = (self.seen > 20) & (np.abs(x - self.last) < 0.1 * self.usual)
        return np.where(still, self.run + 1.0, 0.0)


Channel = Any  # score(x, second), then learn(x, second, known)
