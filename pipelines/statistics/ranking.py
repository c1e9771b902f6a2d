"""How well predictions order positives before negatives, from logit-spaced buckets: AUC, average precision, curves."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from streamgauge.pipelines.statistics.estimate import Estimate, Floats
from streamgauge.tracer.summaries import LabelBuckets


class Auc(NamedTuple):
    """Area under the ROC curve; the exact value lies within `bound` of `value`."""

    value: float
    error: float  # Hanley-McNeil standard error, which dwarfs the bound
    bound: float
    positives: int
    negatives: int


def auc(labels: LabelBuckets) -> Auc:
    """AUC = sum over buckets of neg_b (pos above b + pos_b / 2) / (P N), weighted; NaN without both classes.

    Rows in one bucket count as ties, so the error is at most 1/2 sum pos_b neg_b / (P N).
    """
    pos, neg = labels.weight_positive, labels.weight_negative
    rows, other = labels.positive_rows, labels.rows - labels.positive_rows
    pairs = math.fsum(pos.tolist()) * math.fsum(neg.tolist())
    if pairs <= 0:
        return Auc(math.nan, math.nan, math.nan, rows, other)
    above = np.cumsum(pos[::-1])[::-1] - pos
    tied = 0.5 * math.fsum((pos * neg).tolist())
    value = (math.fsum((neg * above).tolist()) + tied) / pairs
    error = hanley_mcneil(value, labels.effective_positives, labels.effective_negatives)
    return Auc(value, error, tied / pairs, rows, other)


def hanley_mcneil(value: float, positives: float, negatives: float) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982); of weighted rows the sizes are effective ones.

    >>> round(hanley_mcneil(0.75, 50, 50), 3)
    0.049
    """
    q1 = value / (2.0 - value)
    q2 = 2.0 * value * value / (1.0 + value)
    square = value * value
    spread = value * (1.0 - value) + (positives - 1) * (q1 - square) + (negatives - 1) * (q2 - square)
    return math.sqrt(max(0.0, spread) / (positives * negatives))


def average_precision(labels: LabelBuckets) -> float:
    """Average precision: sum of recall steps x precision, predictions in descending order; NaN without positives."""
    recall, precision = precision_recall_curve(labels)
    return math.fsum((np.diff(recall, prepend=0.0) * precision).tolist()) if len(recall) else math.nan


def roc_curve(labels: LabelBuckets) -> tuple[Floats, Floats]:
    """False and true positive rates from (0, 0) to (1, 1), one point a bucket; empty without both classes."""
    hits, misses = _descending(labels)
    if len(hits) == 0 or hits[-1] <= 0 or misses[-1] <= 0:
        return np.zeros(0), np.zeros(0)
    start = np.zeros(1)
    return np.concatenate((start, misses / misses[-1])), np.concatenate((start, hits / hits[-1]))


def precision_recall_curve(labels: LabelBuckets) -> tuple[Floats, Floats]:
    """Recall, rising to 1, and precision, one point a bucket; empty without positives."""
    hits, misses = _descending(labels)
    if len(hits) == 0 or hits[-1] <= 0:
        return np.zeros(0), np.zeros(0)
    return hits / hits[-1], hits / (hits + misses)


def auc_volatility(values: ArrayLike, errors: ArrayLike) -> Estimate:
    """Spread of the AUC beyond its sampling noise: sqrt(max(0, var(auc) - mean(se^2))) / (mean(auc) - 0.5).

    Unknown where the mean AUC is not above 0.5 or fewer than two values are known.

    >>> auc_volatility([0.7, 0.7, 0.7], [0.01, 0.01, 0.01]).value
    0.0
    """
    area, error = np.asarray(values, np.float64), np.asarray(errors, np.float64)
    known = np.isfinite(area) & np.isfinite(error)
    area, error = area[known], error[known]
    if len(area) < 2:
        return Estimate(math.nan)
    mean = math.fsum(area.tolist()) / len(area)
    variance = math.fsum(((area - mean) ** 2).tolist()) / (len(area) - 1)
    noise = math.fsum((error**2).tolist()) / len(area)
    return Estimate(math.sqrt(max(0.0, variance - noise)) / (mean - 0.5) if mean > 0.5 else math.nan)


def _descending(labels: LabelBuckets) -> tuple[Floats, Floats]:
    """Weights of positives and negatives at or above each bucket, highest bucket first."""
    return np.cumsum(labels.weight_positive[::-1]), np.cumsum(labels.weight_negative[::-1])
