"""How concentrated a feature's values are: entropy, dispersion, top share, duplicates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from streamgauge.pipelines.statistics.estimate import Estimate
from streamgauge.tracer.summaries import Distinct, Heavy, Histogram, Ids


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


def numeric_dispersion(histogram: Histogram) -> float:
    """IQR / (abs(median) + IQR), 0..1; NaN without values. It stays finite where the mean is 0.

    >>> numeric_dispersion(Histogram.of([5.0, 5.0, 5.0]))
    0.0
    """
    low, median, high = histogram.quantiles([0.25, 0.5, 0.75]).tolist()
    iqr = high - low
    return 0.0 if iqr == 0 else iqr / (abs(median) + iqr)


def categorical_dispersion(heavy: Heavy, distinct: Distinct) -> float:
    """Entropy / log(distinct), 0..1, Miller-Madow corrected; 0 where distinct is below 2, NaN without rows.

    Values that `heavy` does not keep are taken as equally frequent, which their bound makes nearly true.
    """
    if heavy.total <= 0:
        return math.nan
    kept = len(heavy.counts)
    values = kept if heavy.is_exact else max(round(distinct.estimate()), kept + 1)
    if values < 2:
        return 0.0
    p = heavy.counts / heavy.total
    tail = heavy.other / heavy.total
    nats = -math.fsum((p * np.log(p)).tolist()) + (values - 1) / (2.0 * heavy.total)
    if tail > 0:
        nats -= tail * math.log(tail / (values - kept))
    return min(1.0, nats / math.log(values))


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
