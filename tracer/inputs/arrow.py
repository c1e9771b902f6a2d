"""Columns of pyarrow, chunked or not: dictionaries are decoded first, since `to_numpy` gives their nulls a value."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from streamgauge.tracer.inputs.columns import Array, Column, Refusal, of_array, of_rows, with_missing

Read = Callable[[Any], Column]


def of_arrow(values: Any, read: Read) -> Column:
    """An Array, a ChunkedArray or a Scalar."""
    if not hasattr(values, "type"):
        raise Refusal(f"a {type(values).__name__} is no column; give it as the features")
    if not hasattr(values, "null_count"):
        return read([values.as_py()])
    kinds = sys.modules["pyarrow"].types
    kind = values.type
    if hasattr(kind, "storage_type"):
        return of_arrow(values.cast(kind.storage_type), read)
    if kinds.is_dictionary(kind):
        return of_arrow(values.cast(kind.value_type), read)
    if kinds.is_integer(kind) or kinds.is_boolean(kind) or kinds.is_floating(kind):
        return _numbers(values)
    if kinds.is_timestamp(kind) or kinds.is_date(kind):
        return _since_epoch(values, "datetime64[us]" if kinds.is_date(kind) else f"datetime64[{kind.unit}]")
    if kinds.is_duration(kind):
        return _since_epoch(values, f"timedelta64[{kind.unit}]")
    if kinds.is_fixed_size_list(kind) and kinds.is_floating(kind.value_type) and not values.null_count:
        flat = _single(values).flatten()
        return of_array(np.asarray(_numbers(flat)).reshape(len(values), kind.list_size))
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        return _lists(values, read)
    if kinds.is_struct(kind) or kinds.is_union(kind) or kinds.is_map(kind):
        raise Refusal(f"a column of {kind}; give its fields as columns of their own: table.flatten()")
    return read(values.to_pylist())


def _numbers(values: Any) -> Array:
    missing = np.asarray(values.is_null(), bool)
    whole = values.fill_null(False if str(values.type) == "bool" else 0) if missing.any() else values
    return with_missing(np.array(_to_numpy(whole)), missing)


def _since_epoch(values: Any, dtype: str) -> Column:
    """Times by way of whole numbers: whatever the unit, a null stays one."""
    pyarrow = sys.modules["pyarrow"]
    if dtype == "datetime64[us]" and not pyarrow.types.is_timestamp(values.type):
        values = values.cast(pyarrow.timestamp("us"))
    missing = np.asarray(values.is_null(), bool)
    found = np.array(_to_numpy(values.cast(pyarrow.int64()).fill_null(0))).view(dtype)
    found[missing] = "NaT"
    return of_array(found)


def _lists(values: Any, read: Read) -> Column:
    values = _single(values)
    missing = np.asarray(values.is_null(), bool)
    lengths = np.array(_to_numpy(sys.modules["pyarrow.compute"].list_value_length(values).fill_null(0)), np.int64)
    return of_rows(read(values.flatten()), np.where(missing, -1, lengths))


def _single(values: Any) -> Any:
    """One array of a chunked one's."""
    if not hasattr(values, "chunks"):
        return values
    found = values.combine_chunks()  # older releases give a ChunkedArray of one
    return found.chunk(0) if hasattr(found, "chunks") else found


def _to_numpy(values: Any) -> Array:
    return np.asarray(values.to_numpy() if hasattr(values, "chunks") else values.to_numpy(zero_copy_only=False))
