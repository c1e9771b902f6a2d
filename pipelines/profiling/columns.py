"""The columns of a CSV or Parquet file, in the form that the summaries read.

The only file that imports pandas, and only when a file is read (`pip install streamgauge[profile]`).

    ProfileError           a file that cannot be profiled: missing, of another type, without the named column
"""

from __future__ import annotations

import csv
import decimal
import gzip
import importlib
import os
import re
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines import text_tables
from streamgauge.pipelines.text_tables import Form
from streamgauge.tracer import inputs
from streamgauge.tracer.summaries import is_missing

_TEXT: Final = (".csv", ".tsv", ".txt")
_PARQUET: Final = (".parquet", ".pq")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([ T]|$)")
_HEAD: Final = 1 << 20  # bytes of a text file that its form is told by
Kind = Literal["numeric", "categorical", "time"]


class ProfileError(ValueError):
    """A file that cannot be profiled; the message names it and the remedy."""


class Column(NamedTuple):
    """One column in the form that the summaries read."""

    name: str
    kind: Kind
    values: NDArray[Any]  # numeric: as it is; time: seconds since the epoch; categorical: codes, -1 where missing
    vocabulary: NDArray[Any] | None = None  # categorical: the value of each code


def read(path: str | os.PathLike[str], form: Form = Form(), *, is_dated: bool = False) -> Any:  # noqa: B008 - frozen
    """A file as a pandas frame; `is_dated`: text that holds nothing but dates becomes times.

    What had to be guessed of a text file is in `attrs["notes"]`, in words. Raises ProfileError.
    """
    frame, notes = _read(path, form)
    frame = frame.apply(_dated) if is_dated and len(frame) else frame
    frame.attrs["notes"] = notes
    return frame


def _read(path: str | os.PathLike[str], form: Form) -> tuple[Any, list[str]]:
    name = os.fspath(path)
    suffix = os.path.splitext(name.lower().removesuffix(".gz"))[1]
    if suffix not in (*_TEXT, *_PARQUET):
        raise ProfileError(f"{name}: a profile reads .csv (or .csv.gz) and .parquet, not {suffix or 'other'} files")
    if not os.path.isfile(name):
        raise ProfileError(f"{name}: no such file")
    pandas = _pandas()
    try:
        # nullable types: a missing value among whole numbers or booleans must not turn them into floats or text
        if suffix in _TEXT:
            return _text(pandas, name, form)
        return pandas.read_parquet(name, dtype_backend="numpy_nullable"), []
    except ImportError as error:
        raise ProfileError(f"{name}: {error}; install streamgauge[profile]") from None
    except (ValueError, OSError, EOFError) as error:  # pandas' and pyarrow's parse errors are ValueErrors
        raise ProfileError(f"{name}: cannot be read as {suffix[1:]}: {str(error).strip()}") from None


def _text(pandas: Any, name: str, form: Form) -> tuple[Any, list[str]]:
    """A text file, gzipped or not, as its first rows say that it is written."""
    with open(name, "rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(name) if is_packed else open(name, "rb") as file:
        head = file.read(_HEAD)
    # a sign may be cut in two where the head ends, and one that is no UTF-8 may come after it
    encoding = text_tables.encoding_of(head[: head.rfind(b"\n") + 1] or head)
    if not encoding:
        raise ValueError("it holds no text")
    lines = head.decode(encoding, "replace").splitlines()[: text_tables.SAMPLE]
    separator = form.separator or text_tables.separator_of(lines)
    rows = [row for row in csv.reader(lines, delimiter=separator) if row]
    has_header = form.has_header and not (rows and text_tables.is_row(rows[0]))
    sign = form.decimal or _decimal(rows[has_header:], separator)
    ask = partial(
        pandas.read_csv, name, sep=separator, decimal=sign, header=0 if has_header else None, low_memory=False,
        compression="gzip" if is_packed else None, dtype_backend="numpy_nullable",
    )  # fmt: skip
    try:
        frame = ask(encoding=encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"
        frame = ask(encoding=encoding, encoding_errors="replace")
    notes = text_tables.said(separator, sign, encoding)
    if not has_header:
        frame = frame.set_axis([f"column {i + 1}" for i in range(frame.shape[1])], axis=1)
        notes.append("there is no header: the columns are numbered")
    return frame, notes


def _decimal(rows: Sequence[Sequence[str]], separator: str) -> str:
    """Comma, where the numbers of a column say so; a cell that holds the separator is quoted text."""
    if separator == ",":
        return "."
    columns = zip_longest(*rows, fillvalue="")
    return "," if any(text_tables.decimal_of(column) == "," for column in columns) else "."


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
    sample = [one for one in there.iloc[: text_tables.SAMPLE] if isinstance(one, str)]
    as_people = [found for one in sample if (found := text_tables.PARTS.fullmatch(one.strip()))]
    if not sample or len(sample) < min(len(there), text_tables.SAMPLE):
        return series
    try:
        if len(as_people) == len(sample):
            return _as_people_write(series, there)
        if all(map(_DATE.match, sample)):
            return _pandas().to_datetime(series, format="ISO8601", utc=True)  # offsets may differ: summer and winter
    except (ValueError, TypeError):
        pass  # not all of them are dates
    return series


def _as_people_write(series: Any, there: Any) -> Any:
    """Dates such as 14.10.2025 13:53. Raises ValueError where one is none."""
    found = [text_tables.PARTS.fullmatch(one.strip()) for one in there]
    day_first = text_tables.is_day_first(one for one in found if one is not None)
    return _pandas().to_datetime(series, format="mixed", dayfirst=day_first, utc=True)


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
