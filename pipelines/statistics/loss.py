"""What predictions cost and what a threshold on them is worth: Brier score, average precision, F1, each with its bound.

From the 4,096 logit buckets of `LabelBuckets`: counts are exact, the order within a bucket is not known. The `floor`
of each estimate bounds what that can make: the exact value lies within it, unweighted and weighted.
"""

from __future__ import annotations

import math

import numpy as np

from streamgauge.pipelines.statistics.estimate import Estimate, Floats
from streamgauge.pipelines.statistics.ranking import average_precision
from streamgauge.tracer.summaries import LabelBuckets
from streamgauge.tracer.summaries.buckets import BUCKETS, LIMIT


def brier(labels: LabelBuckets) -> Estimate:
    """Brier score (Brier 1950): weighted mean of (p - y)^2, each row taken at the mean prediction of its bucket.

    The exact score differs by sum_b (2 min(pos_b, neg_b) d_b + n_b d_b^2) / n at most, d_b the width of bucket b. A
    soft label is split between both classes, which adds the mean of y (1 - y). NaN without rows.

    >>> round(brier(LabelBuckets.of([0.8, 0.4], [1, 0])).value, 3)
    0.1
    """
    pos, neg = labels.weight_positive, labels.weight_negative
    weight = pos + neg
    total = math.fsum(weight.tolist())
    if total <= 0:
        return Estimate(math.nan, math.nan, math.nan)
    p = np.clip(labels.sum_p / weight, 0.0, 1.0)
    losses = pos * (1.0 - p) ** 2 + neg * p**2
    value = math.fsum(losses.tolist()) / total
    width = _widths(labels)
    off = 2.0 * np.minimum(pos, neg) * width + weight * width**2
    squares = math.fsum((pos * (1.0 - p) ** 4 + neg * p**4).tolist()) / total
    error = math.sqrt(max(0.0, squares - value**2) / (labels.effective_positives + labels.effective_negatives))
    return Estimate(value, error, math.fsum(off.tolist()) / total)


def pr_auc(labels: LabelBuckets) -> Estimate:
    """Average precision; the exact one lies within the floor, whatever the order of rows in one bucket.

    With t positives and f negatives above a bucket, the j-th of its positives has a precision between
    (t + j) / (t + f + j), all its n negatives after it, and (t + j) / (t + f + n + j), all before it. Both rise with j,
    so their sums lie between integrals. NaN without positives.
    """
    value = average_precision(labels)
    if value != value:
        return Estimate(math.nan, math.nan, math.nan)
    pos, neg = labels.weight_positive[::-1], labels.weight_negative[::-1]
    hits, misses = np.cumsum(pos) - pos, np.cumsum(neg) - neg
    is_plain = np.array_equal(labels.weight_positive, labels.positives)
    heaviest = np.minimum(1.0, pos) if is_plain else pos  # the weight of one row, at most
    total = math.fsum(pos.tolist())
    high = math.fsum(_area(hits + heaviest, misses, pos).tolist()) / total
    low = math.fsum(_area(hits, misses + neg, pos).tolist()) / total
    error = math.sqrt(max(value * (1.0 - value), 0.0) / max(labels.effective_positives, 1.0))
    return Estimate(value, error, max(high - value, value - low, 0.0))


def max_f1(labels: LabelBuckets) -> Estimate:
    """The largest F1 = 2 TP / (TP + FP + P) over all thresholds between buckets; NaN without positives.

    A threshold within a bucket takes its positives first at best: the floor is how much more that could be.
    """
    pos, neg = labels.weight_positive[::-1], labels.weight_negative[::-1]
    total = math.fsum(pos.tolist())
    if total <= 0:
        return Estimate(math.nan, math.nan, math.nan)
    hits, misses = np.cumsum(pos), np.cumsum(neg)
    value = float((2.0 * hits / (hits + misses + total)).max())
    best = float((2.0 * hits / (hits + misses - neg + total)).max())
    return Estimate(value, floor=max(0.0, best - value))


def _area(hits: Floats, misses: Floats, length: Floats) -> Floats:
    """Integral of (hits + x) / (hits + misses + x) over x in 0..length, element by element."""
    start = hits + misses
    with np.errstate(divide="ignore", invalid="ignore"):
        gone = np.where(misses > 0.0, misses * np.log((start + length) / start), 0.0)
    return np.where(length > 0.0, length - gone, 0.0)


def _widths(labels: LabelBuckets) -> Floats:
    """How far apart predictions in one bucket can be; the end buckets reach to 0 and 1."""
    edges = np.linspace(-LIMIT, LIMIT, BUCKETS + 1)
    at = 1.0 / (1.0 + np.exp(-edges))
    at[0], at[-1] = 0.0, 1.0
    return np.diff(at)[labels.bucket]
