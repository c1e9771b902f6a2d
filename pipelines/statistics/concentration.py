"""How concentrated a feature's values are: entropy, dispersion, top share, duplicates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from streamgauge.pipelines.statistics.estimate import Estimate, Floats
from streamgauge.tracer.summaries import Distinct, Heavy, Histogram, Ids, ValueCounts


def entropy(counts: ArrayLike) -> float:
    """Entropy in nats with the Miller-Madow correction, -sum p ln p + (K - 1) / (2 n), K the values seen (Miller 1955).

    >>> round(entropy([50, 50]), 4)
    0.6981
    """
    held = np.asarray(counts, np.float64)
    held = held[held > 0]
    total = math.fsum(held.tolist())
    if total <= 0:
        return math.nan
    p = held / total
    return -math.fsum((p * np.log(p)).tolist()) + (len(held) - 1) / (2.0 * total)


def numeric_dispersion(histogram: Histogram | ValueCounts) -> float:
    """IQR / (abs(median) + IQR), 0..1; NaN without values. It stays finite where the mean is 0.

    >>> numeric_dispersion(Histogram.of([5.0, 5.0, 5.0]))
    0.0
    """
    low, median, high = histogram.quantiles([0.25, 0.5, 0.75]).tolist()
    iqr = high - low
    return 0.0 if iqr == 0 else iqr / (abs(median) + iqr)


def categorical_dispersion(heavy: Heavy, distinct: Distinct) -> float:
    """Entropy / log(distinct), 0..1, Miller-Madow corrected; 0 where distinct is below 2, NaN without rows.

    Values that `heavy` does not keep are taken to go on as the kept ones fall off, by the power of their rank (Zipf
    1949): within 0.02 of the exact one for exponents of 0 to 2, within 0.03 where the sketch was merged of 16.
    """
    if heavy.total <= 0:
        return math.nan
    kept = len(heavy.counts)
    values = kept if heavy.is_exact else max(round(distinct.estimate()), kept + 1)
    if values < 2:
        return 0.0
    counts = heavy.counts + 0.5 * heavy.errors  # each lies between its count and its count + error
    p = counts / heavy.total
    tail = 1.0 - math.fsum(p.tolist())
    nats = -math.fsum((p * np.log(p)).tolist()) + (values - 1) / (2.0 * heavy.total)
    if tail > 0 and values > kept:  # of an exact one it is rounding
        nats += _tail_nats(np.sort(counts)[::-1], tail, values)
    return min(1.0, max(0.0, nats / math.log(values)))


def _tail_nats(counts: Floats, tail: float, values: int) -> float:
    """Entropy of the ranks beyond the kept ones: -sum p ln p with p = tail x r^-a / S, sums taken as integrals.

    a is that of the lower half of the kept counts, so that what is told of the head does not bend it.
    """
    ranks = np.arange(1.0, len(counts) + 1.0)
    lower = slice(len(counts) // 4, max(3 * len(counts) // 4, 2))
    x, y = np.log(ranks[lower]), np.log(counts[lower])
    x, y = x - x.mean(), y - y.mean()
    square = float((x * x).sum())
    power = max(0.0, -float((x * y).sum()) / square) if square > 0.0 else 0.0
    start = len(counts) + 0.5
    width, flat = (values + 0.5) / start, 1.0 - power  # of the ranks in units of the first one: no power of it is 0
    if abs(flat) < 1e-6:  # r^-1: the integrals are logarithms
        mass, moment = math.log(width), 0.5 * math.log(width) ** 2
    else:
        mass = (width**flat - 1.0) / flat
        moment = (width**flat * math.log(width) - mass) / flat
    return tail * (power * moment / mass - math.log(tail / (start * mass)))


def top_share(heavy: Heavy, n: int) -> Estimate:
    """Share of the rows that the n most frequent values have, with its sampling error; see `top_share_bound` too.

    >>> top_share(Heavy.of(np.array([1, 1, 1, 2], np.uint64)), 1).value
    0.75
    """
    if heavy.total <= 0:
        return Estimate(math.nan)
    share = int(np.sort(heavy.counts)[-n:].sum()) / heavy.total
    return Estimate(share, error=math.sqrt(share * (1.0 - share) / heavy.total))


def top_share_bound(heavy: Heavy, n: int) -> float:
    """How much higher than `top_share` the true share of the n most frequent values can be, by the sketch's bounds."""
    if heavy.total <= 0:
        return math.nan
    slack = int(heavy.errors.max()) if len(heavy.errors) else 0
    return n * max(slack, heavy.bound) / heavy.total


def duplicate_rate(ids: Ids) -> float:
    """Share of the sampled rows whose (id, label) was seen before: 1 - distinct / rows; NaN without rows.

    >>> duplicate_rate(Ids.of(np.array([1, 1, 2, 3], np.uint64)))
    0.25
    """
    rows = ids.rows()
    return 1.0 - ids.distinct() / rows if rows else math.nan
