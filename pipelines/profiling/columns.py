"""The columns of a CSV or Parquet file, in the form that the summaries read.

The only file that imports pandas, and only when a file is read (`pip install streamgauge[profile]`).

    ProfileError           a file that cannot be profiled: missing, of another type, without the named column
"""

from __future__ import annotations

import decimal
import importlib
import os
import re
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer import inputs
from streamgauge.tracer.summaries import is_missing

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([ T]|$)")
_SAMPLE: Final = 200  # rows that are looked at before all are tried
Kind = Literal["numeric", "categorical", "time"]


class ProfileError(ValueError):
    """A file that cannot be profiled; the message names it and the remedy."""


class Column(NamedTuple):
    """One column in the form that the summaries read."""

    name: str
    kind: Kind
    values: NDArray[Any]  # numeric: as it is; time: seconds since the epoch; categorical: codes, -1 where missing
    vocabulary: NDArray[Any] | None = None  # categorical: the value of each code


def read(path: str | os.PathLike[str], *, is_dated: bool = False) -> Any:
    """A file as a pandas frame; `is_dated`: text that holds nothing but ISO 8601 dates becomes times."""
    frame = _read(path)
    return frame.apply(_dated) if is_dated and len(frame) else frame


def _read(path: str | os.PathLike[str]) -> Any:
    name = os.fspath(path)
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in (".csv", ".parquet"):
        raise ProfileError(f"{name}: a profile reads .csv and .parquet files, not {suffix or 'files without a suffix'}")
    if not os.path.isfile(name):
        raise ProfileError(f"{name}: no such file")
    pandas = _pandas()
    try:
        # nullable types: a missing value among whole numbers or booleans must not turn them into floats or text
        if suffix == ".csv":
            return pandas.read_csv(name, low_memory=False, dtype_backend="numpy_nullable")
        return pandas.read_parquet(name, dtype_backend="numpy_nullable")
    except ImportError as error:
        raise ProfileError(f"{name}: {error}; install streamgauge[profile]") from None
    except (ValueError, OSError) as error:  # pandas' and pyarrow's parse errors are ValueErrors
        raise ProfileError(f"{name}: cannot be read as {suffix[1:]}: {str(error).strip()}") from None


def column_of(name: str, series: Any) -> Column:
    """A pandas series in the form that the summaries read."""
    kind = series.dtype.kind if isinstance(series.dtype, np.dtype) else ""
    types = _pandas().api.types
    if kind in "iufb" and kind:
        return Column(name, "numeric", series.to_numpy())
    if types.is_datetime64_any_dtype(series.dtype):
        nanoseconds = series.to_numpy("datetime64[ns]")
        seconds = np.where(np.isnat(nanoseconds), np.nan, nanoseconds.view(np.int64) / 1e9)
        return Column(name, "time", seconds)
    if types.is_numeric_dtype(series.dtype) and not isinstance(series.dtype, _pandas().CategoricalDtype):
        return Column(name, "numeric", np.asarray(inputs.column_of(series)))
    if _are_decimals(series):
        return Column(name, "numeric", np.asarray(inputs.column_of(series)))
    try:
        codes, values = _pandas().factorize(series.astype(object))
    except TypeError:  # lists, maps: told apart by their text
        codes, values = _pandas().factorize(series.map(str, na_action="ignore").astype(object))
    vocabulary = np.empty(len(values), object)
    vocabulary[:] = list(values)
    return Column(name, "categorical", _blank(codes, vocabulary), vocabulary)


def labels_of(series: Any, name: str) -> NDArray[np.bool_]:
    """A label's column as booleans. Raises ProfileError where it is not 0 or 1 in every row."""
    try:
        values = series.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        values = np.full(len(series), np.nan)
    wrong = int(np.count_nonzero((values != 0.0) & (values != 1.0)))
    if wrong:
        raise ProfileError(f"label {name!r} must be 0 or 1 in every row; {wrong} of {len(values)} rows are not")
    return np.asarray(values == 1.0, bool)


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError:
        raise ProfileError("reading files needs pandas: pip install streamgauge[profile]") from None


def _dated(series: Any) -> Any:
    """A column of dates in text, as Parquet would have it; any other as it is."""
    if not _pandas().api.types.is_string_dtype(series.dtype):
        return series
    there = series.dropna().astype(object)
    if not len(there) or not all(isinstance(one, str) and _DATE.match(one) for one in there.iloc[:_SAMPLE]):
        return series
    try:
        return _pandas().to_datetime(series, format="ISO8601", utc=True)  # offsets may differ: summer and winter
    except (ValueError, TypeError):
        return series


def _are_decimals(series: Any) -> bool:
    """Whether a column of objects holds Decimals, as Parquet's are read: numbers, as they are in a CSV file."""
    if series.dtype != object:
        return False
    kinds = set(map(type, series.dropna()))
    return bool(kinds) and kinds <= {decimal.Decimal}


def _blank(codes: NDArray[Any], vocabulary: NDArray[Any]) -> NDArray[Any]:
    """Codes with -1 for blank values too."""
    missing = np.append(is_missing(vocabulary), True)  # the last one is what code -1 reads
    return np.where(missing[codes], -1, codes)
