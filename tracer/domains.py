"""What labels and predictions may be: the one declared mapping of labels to 0..1, and of predictions to probabilities.

A mapped label is NaN where it is missing and inf where it is outside its domain; so is a mapped prediction. Of a job
that predicts numbers (a time watched, a price) both stay as they are.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.inputs import NA, Array, Floats

Scale = Literal["binary", "sign", "soft", "count", "number"]
PredictionScale = Literal["probability", "logit"]
Predicts = Literal["kept", "all"]
SCALES: Final[tuple[Scale, ...]] = ("binary", "sign", "soft", "count", "number")
# A prediction this far outside 0..1 is clipped: one rounding of a 16-bit float at 1 (2^-10).
ROUNDING: Final = 1e-3
POSITIVE: Final = 0.5  # a mapped label above it is positive


def labels_of(values: Array, scale: Scale = "binary", positive: float | str | None = None) -> Floats:
    """Labels as 0..1 by the declared scale, or numbers as they are.

    `binary`: 0 and 1 (booleans), or `positive` and anything else; `sign`: -1 and +1; `soft`: a share in 0..1;
    `count`: positive from `positive` (1 by default) on, never below 0; `number`: any that is finite.

    >>> labels_of(np.array([-1.0, 1.0, 0.0]), "sign").tolist()
    [0.0, 1.0, inf]
    >>> labels_of(np.array(["click", "skip", None], object), positive="click").tolist()
    [1.0, 0.0, nan]
    """
    if isinstance(positive, str):
        return _equal(values, positive)
    numbers = _numbers(values)
    if scale == "number":
        return _within(numbers, np.abs(numbers) < np.inf, numbers)
    if scale == "sign":
        return _within(numbers, np.abs(numbers) == 1.0, (numbers + 1.0) / 2.0)
    if scale == "soft":
        return _within(numbers, (numbers >= 0.0) & (numbers <= 1.0), numbers)
    if scale == "count":
        least = 1.0 if positive is None else positive
        return _within(numbers, (numbers >= 0.0) & (numbers < np.inf), np.where(numbers >= least, 1.0, 0.0))
    if positive is not None:
        return _within(numbers, np.abs(numbers) < np.inf, np.where(numbers == positive, 1.0, 0.0))
    return _within(numbers, (numbers == 0.0) | (numbers == 1.0), numbers)


def probabilities_of(values: Floats, scale: PredictionScale = "probability") -> tuple[Floats, int]:
    """Predictions as probabilities, and how many were clipped to 0..1; what lies further out, or is NaN, is inf.

    >>> probabilities_of(np.array([0.25, 1.0000001, -3.0]))
    (array([0.25, 1.  ,  inf]), 1)
    >>> probabilities_of(np.array([0.0]), "logit")[0].tolist()
    [0.5]
    """
    if scale == "logit":
        with np.errstate(over="ignore"):
            inside = 1.0 / (1.0 + np.exp(-values))
        return np.where(np.isnan(values), _kept(values), inside), 0
    outside = ~((values >= 0.0) & (values <= 1.0))
    if not outside.any():
        return values, 0
    near = outside & (values >= -ROUNDING) & (values <= 1.0 + ROUNDING)
    found = np.where(near, np.clip(values, 0.0, 1.0), np.where(outside, _kept(values), values))
    return found, int(np.count_nonzero(near))


def numbers_of(values: Floats) -> Floats:
    """Predictions of numbers: what is not finite is inf, what is missing stays so.

    >>> numbers_of(np.array([2.5, np.nan, -np.inf])).tolist()
    [2.5, inf, inf]
    """
    return np.where(np.isfinite(values), values, _kept(values))


def of_all_rows(predictions: Floats, keep_rate: float) -> Floats:
    """Of predictions for rows of which only this share of the negatives was kept, those for all rows.

    q = p / (p + (1 - p) / w) (He et al. 2014, section 6.3).

    >>> of_all_rows(np.array([0.5, np.inf]), 0.1).round(3).tolist()
    [0.091, inf]
    """
    usable = np.isfinite(predictions)
    odds = np.where(usable, predictions, 0.0)
    return np.where(usable, odds / (odds + (1.0 - odds) / keep_rate), predictions)


def _kept(values: Floats) -> Floats:
    """Missing marks stay missing; everything else becomes inf."""
    return np.where(values.view(np.uint64) == NA.view(np.uint64), values, np.inf)


def _within(numbers: Floats, inside: NDArray[np.bool_], mapped: Floats) -> Floats:
    return np.where(inside, mapped, np.where(np.isnan(numbers), np.nan, np.inf))


def _numbers(values: Array) -> Floats:
    """Numbers, NaN where missing, inf for what is none."""
    if values.dtype.kind in "iubf":
        return values.astype(np.float64)
    return np.array([_number(value) for value in values.tolist()], np.float64)


def _number(value: Any) -> float:
    try:
        return float("nan") if value is None or value == "" else float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan") if value != value else float("inf")


def _equal(values: Array, positive: str) -> Floats:
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values.tolist()]
    return np.array(
        [np.nan if v is None or v == "" or v != v else float(str(v) == positive) for v in texts], np.float64
    )
