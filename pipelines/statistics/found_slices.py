"""Slices that are found: values of features at which predictions are off by more than in the job as a whole; pure.

A model that predicts 10 % high everywhere is a matter of the job's PCOC. So the rows of a value are expected to have
c x (sum of predictions) positives, c the job's own positives over predictions; Var = c w^2 p - c^2 w^2 p^2 summed, less
what the value itself gives to c. The chance of what was seen is Poisson's with that variance (exact where positives
are few), and Holm's step over all values of all features keeps the chance of one false slice at 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from scipy.special import pdtr, pdtrc

from streamgauge.pipelines.statistics.holm import holm
from streamgauge.tracer.summaries.value_errors import SQUARE_UNIT, UNIT, ValueErrors

LEAST: Final = 5.0  # positives that are expected of a value; fewer tell nothing
_SIGMAS: Final = 2.0  # less than this is taken off a difference before slices are ordered


class FoundSlice(NamedTuple):
    """The rows with one value, against the job."""

    entity: str
    key: int  # of `ValueErrors`
    rows: int
    positives: float
    predicted: float
    expected: float  # positives by the predictions, were they off as in the whole job
    error: float  # standard error of `positives - expected`
    chance: float  # of a difference as large where there is none
    is_real: bool  # with all values of all features taken into account

    @property
    def difference(self) -> float:
        """Positives more than expected / expected: 0.5 says that predictions are a third too low there."""
        return self.positives / self.expected - 1.0

    @property
    def size(self) -> float:
        """How far it is off at the least, in logarithms: what slices are ordered by."""
        off = abs(math.log((self.positives + 0.5) / (self.expected + 0.5)))
        return off - _SIGMAS * self.error / self.expected


def compared(found: Mapping[str, ValueErrors]) -> list[FoundSlice]:
    """Every value of which enough is known, by entity; those that are surely off first, the worst of them first."""
    parts = [part for entity, one in sorted(found.items()) for part in _values(entity, one)]
    real = holm([part.chance for part in parts])
    slices = [part._replace(is_real=is_real) for part, is_real in zip(parts, real, strict=True)]
    return sorted(slices, key=lambda one: (not one.is_real, -one.size, one.entity, one.key))


def _values(entity: str, found: ValueErrors) -> list[FoundSlice]:
    units = (1.0, UNIT, UNIT, SQUARE_UNIT, SQUARE_UNIT)
    table = [[value / unit for value in row] for row, unit in zip(found.sums.tolist(), units, strict=True)]
    whole = [
        math.fsum([*row, other / unit]) for row, other, unit in zip(table, found.other, units, strict=True)
    ]  # fmt: skip
    if not (whole[1] > 0.0 and whole[2] > 0.0):
        return []
    level = whole[1] / whole[2]
    spread = _variance(level, whole[3], whole[4])
    slices = []
    for key, rows, hits, predicted, first, second in zip(found.keys.tolist(), *table, strict=True):
        expected, share = level * predicted, predicted / whole[2]
        own = _variance(level, first, second)
        variance = (1.0 - share) ** 2 * own + share**2 * max(spread - own, 0.0)
        if variance <= 0.0 or _evidence(expected, level * first, own) < LEAST:
            continue
        chance = _chance(hits, expected, variance)
        slices.append(FoundSlice(entity, key, int(rows), hits, predicted, expected, math.sqrt(variance), chance, False))
    return slices


def _evidence(expected: float, first: float, variance: float) -> float:
    """Positives that are expected, were all weights equal; of negatives twice as many where these are the scarcer."""
    positives = expected * expected / first if first > 0.0 else 0.0
    return min(positives, 2.0 * positives * variance / first) if positives else 0.0


def _variance(level: float, first: float, second: float) -> float:
    return level * first - level * level * second


def _chance(seen: float, expected: float, variance: float) -> float:
    """Two-sided, of a Poisson law with the same ratio of mean and spread."""
    scale = expected / variance
    seen, mean = seen * scale, expected * scale
    above = 1.0 if seen <= 0.0 else float(pdtrc(math.ceil(seen - 1e-9) - 1.0, mean))
    below = float(pdtr(math.floor(seen + 1e-9), mean))
    return min(1.0, 2.0 * min(above, below))
