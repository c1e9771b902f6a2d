"""Arrays of any rank as they are, on the host: what norms and raw traces are taken of."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgauge.tracer.inputs.columns import Array, Refusal
from streamgauge.tracer.inputs.tensors import numpy_of


def array_of(values: Any) -> Array:
    """An array that NumPy can compute with; not a copy. Whatever its library raises, where it has no values."""
    if type(values) is np.ndarray and values.dtype.kind != "V":
        return values
    if hasattr(values, "detach") and hasattr(values, "is_sparse"):
        return np.asarray(numpy_of(values.detach()))
    array = np.asarray(values.numpy() if hasattr(values, "numpy") else values)
    is_void = array.dtype.type is np.void  # bytes or a structure; bfloat16 and float8 are of this kind, too
    return array.astype(np.float32) if array.dtype.kind == "V" and not is_void else array


def tensor_of(values: Any) -> Array:
    """An array of numbers, not a copy. Raises Refusal for one without, such as strings.

    >>> tensor_of(np.array([3 + 4j])).dtype
    dtype('complex128')
    """
    array = array_of(values)
    fault = fault_of_tensor(array.dtype)
    if fault:
        raise Refusal(fault)
    return array


def fault_of_tensor(dtype: np.dtype[Any]) -> str:
    """Why arrays of a type cannot be traced, or "".

    >>> fault_of_tensor(np.dtype("U3"))
    'an array of <U3 has no numbers'
    """
    return "" if dtype.kind in "iubfc" else f"an array of {dtype} has no numbers"
