"""Estimates for predictions of numbers, from `Errors`; each with its sampling error."""

from __future__ import annotations

import math

from streamgauge.pipelines.statistics.estimate import Estimate
from streamgauge.tracer.summaries import Errors


def mse(errors: Errors) -> Estimate:
    """Weighted mean squared error; its own error is that of the mean of e^2."""
    if not errors.weight:
        return Estimate(math.nan)
    value = errors.squared / errors.weight
    spread = max(0.0, errors.fourth / errors.weight - value * value)
    return Estimate(value, math.sqrt(spread / errors.effective_rows))


def rmse(errors: Errors) -> Estimate:
    """Its square root, in the label's unit."""
    found = mse(errors)
    value = math.sqrt(found.value) if found.value >= 0.0 else math.nan
    return Estimate(value, found.error / (2.0 * value) if value > 0.0 else 0.0)


def mae(errors: Errors) -> Estimate:
    """Weighted mean absolute error."""
    return _mean(errors, errors.over + errors.under)


def bias(errors: Errors) -> Estimate:
    """Weighted mean of prediction - label."""
    return _mean(errors, errors.over - errors.under)


def quantile_loss(errors: Errors, q: float) -> Estimate:
    """Mean pinball loss: q (y - p) where the label is above the prediction, (1 - q) (p - y) where it is below.

    >>> quantile_loss(Errors.of([1.0, 3.0], [2.0, 2.0]), 0.9).value
    0.5
    """
    return _mean(errors, q * errors.under + (1.0 - q) * errors.over)


def coverage_gap(errors: Errors, q: float) -> Estimate:
    """Share of the labels at or below their prediction, less the quantile that predictions are meant to be.

    >>> coverage_gap(Errors.of([1.0, 3.0], [2.0, 2.0]), 0.5).value
    0.0
    """
    if not errors.weight:
        return Estimate(math.nan)
    share, n = errors.covered / errors.weight, errors.effective_rows
    smoothed = (share * n + 1.0) / (n + 2.0)
    return Estimate(share - q, math.sqrt(smoothed * (1.0 - smoothed) / n))


def label_spread(errors: Errors) -> float:
    """Weighted standard deviation of the labels, NaN where they are all one."""
    if not errors.weight:
        return math.nan
    mean = errors.label / errors.weight
    variance = errors.label_squared / errors.weight - mean * mean
    least = 1e-12 * (errors.label_squared / errors.weight)  # what rounding leaves of a constant
    return math.sqrt(variance) if variance > least else math.nan


def relative_mse(errors: Errors) -> Estimate:
    """MSE / variance of the labels, which is 1 - R2; 1 says no more than their mean."""
    found, spread = mse(errors), label_spread(errors)
    return Estimate(found.value / spread**2, found.error / spread**2)


def relative_bias(errors: Errors) -> Estimate:
    """Bias in standard deviations of the labels."""
    found, spread = bias(errors), label_spread(errors)
    return Estimate(found.value / spread, found.error / spread)


def _mean(errors: Errors, total: float) -> Estimate:
    """A mean of e, or of its size; its standard error by the mean square, which is known whatever the sign."""
    if not errors.weight:
        return Estimate(math.nan)
    value = total / errors.weight
    spread = max(0.0, errors.squared / errors.weight - value * value)
    return Estimate(value, math.sqrt(spread / errors.effective_rows))
