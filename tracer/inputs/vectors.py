"""Arguments that have one value a row: ids, labels, predictions, weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgauge.tracer.inputs.columns import Array, Floats, Refusal, is_flat
from streamgauge.tracer.inputs.readers import column_of


def flat_of(values: Any) -> Array:
    """One value a row, of any type. Raises Refusal for several."""
    if is_flat(values):
        return np.asarray(values.copy())
    if type(values) is np.ndarray and values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    column = column_of(values)
    if not isinstance(column, np.ndarray):
        raise Refusal(f"several values a row ({len(column.values)} for {len(column)} rows); give one")
    return column


def numbers_of(values: Any) -> Floats:
    """One number a row, NaN where it is missing; digits in text count. Raises Refusal for what is no number."""
    column = flat_of(values)
    if column.dtype.kind in "iubf":
        return column.astype(np.float64, copy=False)
    found = np.array([_number(value) for value in column.tolist()], np.float64)
    wrong = next((value for value in column.tolist() if not _is_missing(value)), None)
    if wrong is not None and np.isnan(found).all():
        raise Refusal(f"{str(wrong)[:40]!r} is no number")
    return found


def predictions_of(values: Any, *, are_logits: bool = False) -> Floats:
    """One prediction a row; of two classes (n, 2), the second's. Raises Refusal for more.

    >>> predictions_of(np.array([[0.9, 0.1], [0.3, 0.7]])).tolist()
    [0.1, 0.7]
    """
    if is_flat(values):
        return np.array(values, np.float64)
    shape = getattr(values, "shape", None)
    if shape is None and isinstance(values, (list, tuple)) and values and hasattr(values[0], "__len__"):
        shape = (len(values), len(values[0]))
    if shape is None or len(shape) < 2 or (shape[-1] != 2 and int(np.prod(tuple(shape))) == max(shape)):
        return numbers_of(values)
    if len(shape) != 2 or shape[1] != 2:
        raise Refusal(f"predictions of shape {tuple(shape)}; give one a row: the positive class's")
    first, second = (numbers_of(_class(values, number)) for number in (0, 1))
    return second - first if are_logits else second


def _class(values: Any, number: int) -> Any:
    return [row[number] for row in values] if isinstance(values, (list, tuple)) else values[:, number]


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or value != value
