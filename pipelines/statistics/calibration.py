"""Whether predictions are the right size: PCOC, expected calibration error, log loss, normalised entropy."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from streamgauge.pipelines.statistics.drift import chi2_quantile
from streamgauge.pipelines.statistics.estimate import Estimate, Floats
from streamgauge.tracer.summaries import LabelBuckets
from streamgauge.tracer.summaries.labels import CLIP

ECE_BUCKETS: Final = 20
PCOC_BUCKETS: Final = 10
NINETY_FIVE: Final = 1.959964  # standard deviations that hold 95 % of a normal law
THREE_SIGMAS: Final = 0.99865  # of a normal law, one-sided


def pcoc(labels: LabelBuckets) -> Estimate:
    """Predicted over observed clicks: sum w p / sum w y, a ratio; its relative error is 1 / sqrt(P), P effective.

    >>> pcoc(LabelBuckets.of([0.5, 0.5], [1, 0])).value
    1.0
    """
    predicted, observed = math.fsum(labels.sum_p.tolist()), math.fsum(labels.weight_positive.tolist())
    if observed <= 0:
        return Estimate(math.nan, math.nan)
    ratio = predicted / observed
    return Estimate(ratio, ratio / math.sqrt(labels.effective_positives))


def pcoc_bound(labels: LabelBuckets) -> float:
    """The least that PCOC can be with so few positives: over the upper limit of their Poisson mean, at three sigmas.

    Garwood 1936: half the chi2 quantile of 2 (P + 1) degrees. It is known without any positive.

    >>> round(pcoc_bound(LabelBuckets.of([0.5] * 200, [0] * 200)), 2)
    15.13
    """
    predicted = math.fsum(labels.sum_p.tolist())
    usual = math.fsum(np.concatenate(labels.squares()).tolist()) / _weight(labels)  # weight of a row, by weight
    return predicted / usual / (0.5 * chi2_quantile(2.0 * (labels.effective_positives + 1.0), THREE_SIGMAS))


def pcoc_by_bucket(labels: LabelBuckets, buckets: int = PCOC_BUCKETS) -> Floats:
    """PCOC in equal-mass buckets of the prediction, lowest first, of shape [buckets]; NaN without positives."""
    predicted, observed, _ = _equal_mass(labels, buckets)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(observed > 0, predicted / observed, np.nan)


def ece(labels: LabelBuckets, buckets: int = ECE_BUCKETS) -> Estimate:
    """Expected calibration error over equal-mass buckets, relative to the base rate.

    sum_b abs(sum_b w p - sum_b w y) / sum w y (Naeini et al. 2015, over the base rate). A perfect model shows the floor
    sqrt(2 / pi) sqrt(B / P), B the buckets that hold rows. NaN without positives.
    """
    predicted, observed, rows = _equal_mass(labels, buckets)
    total = math.fsum(observed.tolist())
    if total <= 0:
        return Estimate(math.nan, math.nan, math.nan)
    gap = math.fsum(np.abs(predicted - observed).tolist())
    used = int(np.count_nonzero(rows))
    return Estimate(gap / total, floor=math.sqrt(2.0 / math.pi) * math.sqrt(used / labels.effective_positives))


def calibration_curve(labels: LabelBuckets, buckets: int = ECE_BUCKETS) -> tuple[Floats, Floats, Floats]:
    """Mean prediction, observed rate and weight in buckets of near-equal weight; NaN where a bucket is empty."""
    predicted, observed, weight = _equal_mass(labels, buckets)
    held = np.where(weight > 0, weight, np.nan)
    return predicted / held, observed / held, weight


class Reliability(NamedTuple):
    """A reliability diagram: one element a bucket of near-equal weight, of those that hold rows."""

    predicted: Floats  # mean prediction
    observed: Floats  # rate of positives
    low: Floats  # Wilson's interval of that rate, at 95 %
    high: Floats
    weight: Floats


def reliability(labels: LabelBuckets, buckets: int = ECE_BUCKETS) -> Reliability:
    """Observed over predicted rates with their intervals (Wilson 1927), of the effective rows of each bucket.

    >>> found = reliability(LabelBuckets.of([0.5] * 10, [1, 0] * 5), buckets=1)
    >>> found.observed.tolist(), found.low.round(3).tolist(), found.high.round(3).tolist()
    ([0.5], [0.237], [0.763])
    """
    predicted, observed, weight = calibration_curve(labels, buckets)
    heavy, light = labels.squares()
    n = np.divide(weight**2, _by_mass(labels, buckets, heavy + light), out=np.ones(buckets), where=weight > 0)
    z2 = NINETY_FIVE**2
    middle = (observed + z2 / (2.0 * n)) / (1.0 + z2 / n)
    half = NINETY_FIVE * np.sqrt(observed * (1.0 - observed) / n + z2 / (4.0 * n * n)) / (1.0 + z2 / n)
    held = weight > 0
    columns = (predicted, observed, np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0), weight)
    return Reliability(*(column[held] for column in columns))


def log_loss(labels: LabelBuckets) -> float:
    """Weighted mean log loss in nats, predictions clipped to [1e-7, 1 - 1e-7]; NaN without rows."""
    weight = _weight(labels)
    return labels.log_loss / weight if weight > 0 else math.nan


def base_rate(labels: LabelBuckets) -> float:
    """Weighted share of positives; NaN without rows."""
    weight = _weight(labels)
    return math.fsum(labels.weight_positive.tolist()) / weight if weight > 0 else math.nan


def normalized_entropy(labels: LabelBuckets) -> Estimate:
    """Log loss over the entropy of the base rate (He et al. 2014); 1 says no more than the base rate does.

    The error is that of the ratio: each row's influence is (l - L) / H - L H' (y - r) / H^2 with l its loss, r the
    base rate, H its entropy and H' = ln((1 - r) / r); rows are taken at the mean prediction of their bucket. NaN where
    r is 0 or 1.
    """
    rate, loss = base_rate(labels), log_loss(labels)
    if not 0.0 < rate < 1.0:
        return Estimate(math.nan, math.nan)
    entropy = -rate * math.log(rate) - (1.0 - rate) * math.log1p(-rate)
    slope = loss * math.log((1.0 - rate) / rate) / entropy**2
    p = np.clip(labels.sum_p / (labels.weight_positive + labels.weight_negative), CLIP, 1.0 - CLIP)
    positive = (-np.log(p) - loss) / entropy - slope * (1.0 - rate)
    negative = (-np.log1p(-p) - loss) / entropy + slope * rate
    heavy, light = labels.squares()
    squares = math.fsum((heavy * positive**2 + light * negative**2).tolist())
    return Estimate(loss / entropy, math.sqrt(squares) / _weight(labels))


def _weight(labels: LabelBuckets) -> float:
    return math.fsum((labels.weight_positive + labels.weight_negative).tolist())


def _equal_mass(labels: LabelBuckets, buckets: int) -> tuple[Floats, Floats, Floats]:
    """Predicted, observed and total weight in buckets of near-equal weight, lowest first: [buckets] each."""
    columns = (labels.sum_p, labels.weight_positive, labels.weight_positive + labels.weight_negative)
    predicted, observed, weight = (_by_mass(labels, buckets, column) for column in columns)
    return predicted, observed, weight


def _by_mass(labels: LabelBuckets, buckets: int, column: Floats) -> Floats:
    """Sums of a column in buckets of near-equal weight, lowest first: [buckets]."""
    weight = labels.weight_positive + labels.weight_negative
    total = _weight(labels)
    if total <= 0:
        return np.zeros(buckets)
    middle = (np.cumsum(weight) - 0.5 * weight) / total
    place = np.minimum((middle * buckets).astype(np.int64), buckets - 1)
    return np.bincount(place, column, minlength=buckets).astype(np.float64)
