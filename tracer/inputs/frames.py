"""Columns of pandas (2 and 3) and polars (1 and 2), without importing either: their own types say what they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamgauge.tracer.inputs.columns import Array, Column, Refusal, of_array, of_rows, with_missing

Read = Callable[[Any], Column]


def of_pandas(values: Any, read: Read) -> Column:
    """A Series, an Index or an array of pandas."""
    if getattr(values, "ndim", 1) != 1:
        raise Refusal("a data frame is no column; give it as the features")
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype):
        return read(values.to_numpy())
    if dtype is None:  # a single Timestamp, NA or Interval
        return read([values])
    kind = type(dtype).__name__
    if kind == "ArrowDtype":
        return read(getattr(values, "array", values).__arrow_array__())
    if kind == "CategoricalDtype":
        return _categories(values, read)
    if kind == "DatetimeTZDtype":
        return of_array(values.to_numpy(f"datetime64[{dtype.unit}]"))
    numpy_dtype = getattr(dtype, "numpy_dtype", None)  # Int64, Float64, boolean
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "iubf":
        missing = np.asarray(values.isna(), bool)
        return with_missing(values.to_numpy(numpy_dtype, na_value=0), missing)
    return read(np.asarray(values, object) if "string" in str(dtype) or str(dtype) == "str" else np.asarray(values))


def of_polars(values: Any, read: Read) -> Column:
    """A Series of polars."""
    dtype = getattr(values, "dtype", None)
    if dtype is None:
        raise Refusal("a data frame is no column; give it as the features")
    kind = getattr(dtype.base_type(), "__name__", str(dtype))
    if kind in ("List", "Array"):
        return _lists(values, kind, read)
    if kind == "Struct":
        raise Refusal("a column of structs; give its fields as columns of their own: frame.unnest(name)")
    if kind in ("Datetime", "Date"):
        return _scaled(values.dt.epoch("us"), 1e6)
    if kind in ("Duration", "Time"):
        whole = values.dt.total_microseconds() if kind == "Duration" else values.cast(int) // 1000
        return _scaled(whole, 1e6)
    if kind == "Decimal":
        return read(values.to_list())
    if (dtype.is_numeric() or kind == "Boolean") and kind not in ("Int128", "UInt128"):
        return _numbers(values)
    return read(values.to_list())


def _categories(values: Any, read: Read) -> Column:
    """Codes into categories; code -1 is missing."""
    categorical = getattr(values, "array", values)
    codes = np.asarray(categorical.codes)
    names = read(categorical.categories)
    if not isinstance(names, np.ndarray) or not len(names):
        return read([None] * len(codes))
    return with_missing(names[np.maximum(codes, 0)], codes < 0)


def _lists(values: Any, kind: str, read: Read) -> Column:
    missing = np.asarray(values.is_null().to_numpy(), bool)
    part = values.list if kind == "List" else values.arr
    if kind == "Array" and values.dtype.inner.is_float() and not missing.any():
        return of_array(values.to_numpy())
    lengths = part.len().fill_null(0).to_numpy().astype(np.int64)
    flat = values.filter(lengths > 0).explode()  # an empty list would become a null
    return of_rows(read(flat), np.where(missing, -1, lengths))


def _numbers(values: Any) -> Array:
    missing = np.asarray(values.is_null().to_numpy(), bool)
    return with_missing(np.array(values.fill_null(values.dtype.to_python()(0)).to_numpy()), missing)


def _scaled(whole: Any, scale: float) -> Array:
    found = _numbers(whole)
    return np.asarray(found, np.float64) / scale
