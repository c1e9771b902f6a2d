"""How metric functions say their values: the few shapes that `Values` take, with their sampling errors.

Errors are standard errors on the value's own scale; a consumer that judges on another scale (square root, arcsine, log)
converts them. They are never zero where a sample is small: proportions are smoothed with (k + 1) / (n + 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np

from streamgauge.pipelines.metrics import Floats, Stat, Values, View
from streamgauge.tracer.records import Clock
from streamgauge.tracer.summaries import Buckets, Histogram, LabelBuckets, Moments, ValueCounts

T = TypeVar("T")
_EMPTY: Final = np.zeros(0)
NOTHING: Final = Values((), _EMPTY, _EMPTY, _EMPTY, _EMPTY)
MOST_INVALID: Final = 0.01  # beyond this share of invalid ones, what depends on predictions or labels is unknown
# Mean range of n normal values in standard deviations (Tippett 1925, table of d2).
_RANGE_N: Final = np.log([2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0])
_RANGE_D: Final = np.array([1.128, 1.693, 2.326, 3.078, 3.735, 4.498, 5.015, 6.483])


def single(value: float, rows: float, error: float = 0.0, floor: float = 0.0) -> Values:
    """One value of the worker or the job itself.

    >>> single(0.5, 10.0).value.tolist()
    [0.5]
    """
    return Values(("",), np.array([value]), np.array([rows]), np.array([error]), np.array([floor]))


def finite(value: float) -> float:
    """The value, 0.0 for one that is not finite: an error or a floor that is not known.

    >>> finite(math.nan)
    0.0
    """
    return value if math.isfinite(value) else 0.0


def is_trusted(found: Buckets | LabelBuckets) -> bool:
    """Whether few predictions or labels are invalid: where many are, what is left of them is no fair sample."""
    return found.invalid <= MOST_INVALID * (found.rows + found.invalid)


def values(entities: Sequence[str], columns: Sequence[tuple[float, float, float, float]]) -> Values:
    """One (value, rows, error, floor) an entity."""
    if not entities:
        return NOTHING
    table = np.array(columns, np.float64).T
    return Values(tuple(entities), table[0], table[1], table[2], table[3])


UNKNOWN: Final = single(math.nan, 0.0)


def proportions(entities: tuple[str, ...], part: Floats, whole: Floats) -> Values:
    """Shares by entity: part / whole, NaN of nothing; error sqrt(p (1 - p) / n) with p = (k + 1) / (n + 2).

    A part and its whole may be counted at different ends, as by workers that restart between: no share leaves 0..1.
    """
    within = np.clip(part, 0.0, np.maximum(whole, 0.0))
    value = np.divide(within, whole, out=np.full(len(whole), np.nan), where=whole > 0.0)
    smoothed = np.clip((part + 1.0) / (whole + 2.0), 0.0, 1.0)
    error = np.sqrt(smoothed * (1.0 - smoothed) / np.maximum(whole, 1.0))
    return Values(entities, value, whole, error, np.zeros(len(whole)))


def proportion(part: float, whole: float, rows: float | None = None) -> Values:
    """One share, part / whole, of the worker or the job itself; `rows` is the evidence where it is not `whole`.

    >>> proportion(1.0, 4.0).value.tolist()
    [0.25]
    """
    found = proportions(("",), np.array([part]), np.array([whole]))
    return found if rows is None else found._replace(rows=np.array([rows]))


def rate(count: float, seconds: float) -> Values:
    """A count by second; its Poisson error is that of at least one event."""
    return single(count / seconds, count, math.sqrt(max(count, 1.0)) / seconds)


def means(stat: Stat) -> Values:
    """Weighted mean over steps by entity, with the standard error that the range of the steps tells."""
    value = np.divide(stat.total, stat.weight, out=np.full(len(stat.weight), np.nan), where=stat.weight > 0.0)
    return Values(stat.entities, value, stat.count, range_error(stat), np.zeros(len(value)))


def highs(stat: Stat) -> Values:
    """Largest step by entity."""
    zeros = np.zeros(len(stat.count))
    return Values(stat.entities, np.where(stat.count > 0.0, stat.high, np.nan), stat.count, zeros, zeros)


def range_error(stat: Stat) -> Floats:
    """Standard error of a mean from the range of its n values: (high - low) / d2(n) / sqrt(n), 0 for one value."""
    several = stat.count >= 2.0
    n = np.where(several, stat.count, 2.0)
    spread = np.where(several, stat.high, 0.0) - np.where(several, stat.low, 0.0)
    error: Floats = spread / np.interp(np.log(n), _RANGE_N, _RANGE_D) / np.sqrt(n)
    return error


def mean_of(clock: Clock, name: str) -> Callable[[View], Values]:
    """A metric function for the mean of numbers that are told as they come, one for the worker or the job itself."""

    def compute(view: View) -> Values:
        moments = view.sketches(Moments, clock, name).get("")
        if moments is None or not moments.count:
            return NOTHING
        return single(moments.mean(), float(moments.count), finite(moments.std()) / math.sqrt(moments.count))

    return compute


def quantile_values(histograms: Mapping[str, Histogram | ValueCounts], q: float) -> Values:
    """One quantile by entity; its error is half the distance between the quantiles one standard error of rank away."""
    return values(list(histograms), [_quantile(histogram, q) for histogram in histograms.values()])


def _quantile(histogram: Histogram | ValueCounts, q: float) -> tuple[float, float, float, float]:
    n = float(histogram.total)
    step = math.sqrt(q * (1.0 - q) / max(n, 1.0))
    low, value, high = histogram.quantiles((max(q - step, 0.0), q, min(q + step, 1.0))).tolist()
    return value, n, 0.5 * (high - low) if n else 0.0, 0.0
