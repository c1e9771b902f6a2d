"""Arrays of any rank as they are, on the host: what norms and raw traces are taken of."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgauge.tracer.inputs.columns import Array
from streamgauge.tracer.inputs.tensors import numpy_of


def array_of(values: Any) -> Array:
    """An array that NumPy can compute with; not a copy. Whatever its library raises, where it has no values."""
    if type(values) is np.ndarray:
        return values
    if hasattr(values, "detach") and hasattr(values, "is_sparse"):
        return np.asarray(numpy_of(values.detach()))
    array = np.asarray(values.numpy() if hasattr(values, "numpy") else values)
    return array.astype(np.float32) if array.dtype.kind == "V" and not array.dtype.names else array
