"""Which reader a value needs, by the library that its type comes from: one that the job has imported itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from streamgauge.tracer.inputs import arrow, frames, tensors
from streamgauge.tracer.inputs.columns import Array, Column, Refusal, of_array, of_masked
from streamgauge.tracer.inputs.items import of_items, of_objects, refuse_iterator

_LISTS: Final = (list, tuple, range, set, frozenset)
Reader = Callable[[Any], Column]


def column_of(values: Any) -> Column:
    """A flat copy of one column, whatever carries it: see `streamgauge.tracer.inputs`.

    Raises Refusal for what is no column of numbers, text, times or rows of them, and whatever its library raises.

    >>> column_of([1.5, None]).tolist(), column_of(np.ma.array([1, 99999], mask=[0, 1])).tolist()
    ([1.5, nan], [1.0, nan])
    >>> len(column_of([["a", "b"], [], None]))
    3
    """
    if type(values) is np.ndarray:
        return of_objects(values, column_of) if values.dtype.kind == "O" else of_array(values)
    if isinstance(values, _LISTS):
        return of_items(list(values), column_of)
    return _reader_of(type(values))(values)


def _reader_of(kind: type) -> Reader:
    for base in kind.__mro__:
        reader = READERS.get(base.__module__.partition(".")[0])
        if reader is not None:
            return reader
    return _any


def _numpy(values: Any) -> Column:
    if isinstance(values, np.ma.MaskedArray):
        return of_masked(values)
    return column_of(np.asarray(values))


def _array_like(values: Any) -> Column:
    """Anything that NumPy can read, such as JAX's arrays."""
    return column_of(_as_array(values))


def _any(values: Any) -> Column:
    """What no reader is for: an array by its protocol, a sized collection, one value."""
    refuse_iterator(values)
    if isinstance(values, Mapping):
        raise Refusal("a mapping; give its values as columns of their own")
    if hasattr(values, "__array__") or hasattr(values, "__array_interface__"):
        return column_of(_as_array(values))
    if hasattr(values, "__len__") and hasattr(values, "__iter__") and not isinstance(values, (str, bytes)):
        return of_items(list(values), column_of)
    return of_items([values], column_of)


def _as_array(values: Any) -> Array:
    array = np.asarray(values)
    if array.dtype.kind == "O" and array.ndim == 0:
        raise Refusal(f"a {type(values).__name__} is no column; give a list or an array")
    return array


READERS: Final[dict[str, Reader]] = {
    "numpy": _numpy,
    "pandas": lambda values: frames.of_pandas(values, column_of),
    "polars": lambda values: frames.of_polars(values, column_of),
    "pyarrow": lambda values: arrow.of_arrow(values, column_of),
    "tensorflow": lambda values: tensors.of_tensorflow(values, column_of),
    "torch": lambda values: tensors.of_torch(values, column_of),
    "jaxlib": _array_like,
    "jax": _array_like,
}
