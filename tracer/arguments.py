"""The single values of a tracer's calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgauge.tracer.inputs import Array, Refusal, array_of


def number(value: Any) -> float:
    """One number, such as a loss of any library. Raises whatever is wrong with it."""
    return float(array_of(value).reshape(())) if hasattr(value, "shape") and np.size(value) == 1 else float(value)


def count(value: Any) -> int:
    """A number of rows. Raises Refusal for a negative one."""
    found = int(value)
    if found < 0:
        raise Refusal(f"{found} rows; give a count")
    return found


def numeric(values: Any) -> Array:
    """An array, not copied. Raises Refusal for one without numbers."""
    array: Array = array_of(values)
    if array.dtype.kind not in "iubfc":
        raise Refusal(f"an array of {array.dtype} has no numbers")
    return array
