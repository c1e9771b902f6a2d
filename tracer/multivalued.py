"""Features with several values a row, such as tags and click histories: values are summarised, rows are counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.features import Feature
from streamgauge.tracer.inputs import Array, Column, Ragged, column_of
from streamgauge.tracer.summaries import Counts, Summary, is_missing, to_floats

Mask = NDArray[np.bool_]


def missing_rows(column: Column) -> int:
    """Rows of which nothing is known."""
    if isinstance(column, Ragged):
        return int(np.count_nonzero(column.lengths < 0))
    return int(np.count_nonzero(is_missing(column)))


def counting_rows(summaries: Iterable[Summary], column: Ragged, feature: Feature) -> Iterable[Summary]:
    """The summaries of the values, with the counts of the rows in place of those of the values."""
    for summary in summaries:
        yield _row_counts(column, feature) if isinstance(summary, Counts) else summary


def rows_of(column: Ragged, codes: Array) -> Array:
    """Codes of the values by row: an array of arrays."""
    found = np.empty(len(column), object)
    ends = np.cumsum(column.sizes)
    for row, (start, end) in enumerate(zip(ends - column.sizes, ends)):
        found[row] = codes[start:end]
    return found


def flat(rows: Array, labels: Array) -> tuple[Array, Array]:
    """Codes of `rows_of`, end to end, each with the label of its row."""
    some = [row for row in rows if row is not None]
    sizes = [0 if row is None else len(row) for row in rows]
    return (np.concatenate(some) if some else np.zeros(0)), np.repeat(labels, sizes)


def flat_once(rows: Array) -> tuple[Array, NDArray[np.int64]]:
    """Codes of `rows_of`, end to end, each but once in its row, and the place of its row; a row of none is left out."""
    some = [(np.unique(row), i) for i, row in enumerate(rows) if row is not None and len(row)]
    sizes = [len(row) for row, _ in some]
    codes = np.concatenate([row for row, _ in some]) if some else np.zeros(0)
    return codes, np.repeat(np.array([i for _, i in some], np.int64), sizes)


def split(column: Column, separator: str, weight: str) -> Column:
    """Rows that come as text ("a|0.5,b|1") as several values, and the weights of these apart.

    >>> tags = split(np.array(["a|0.5,b|1", None, ""], object), ",", "|")
    >>> tags.values.tolist(), tags.lengths.tolist(), tags.weights.tolist()
    (['a', 'b'], [2, -1, 0], [0.5, 1.0])
    """
    if separator and not isinstance(column, Ragged):
        texts = [_text(value) for value in column.tolist()]
        column = column_of([None if text is None else text.split(separator) if text else [] for text in texts])
    if not weight:
        return column
    rows = column if isinstance(column, Ragged) else Ragged(column, np.ones(len(column), np.int64))
    pairs = [(_text(value) or "").rpartition(weight) for value in rows.values.tolist()]
    tags = np.array([tag if mark else rest for tag, mark, rest in pairs], object)
    weights, _ = to_floats(np.array([rest if mark else None for _, mark, rest in pairs], object))
    return Ragged(tags, rows.lengths, weights) if isinstance(column, Ragged) else tags


def with_numbers(rows: Ragged) -> Ragged:
    """Digits in text as numbers; what is none stays what it is, and counts as invalid.

    >>> with_numbers(Ragged(np.array(["1", "x"], object), np.array([2]))).values.tolist()
    [1.0, 'x']
    """
    if rows.values.dtype.kind not in "OUS":
        return rows
    values = np.array([_number_in(value) for value in rows.values.tolist()], object)
    return Ragged(values, rows.lengths, rows.weights)


def _number_in(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, (str, bytes)) else value
    except ValueError:
        return value


def _row_counts(column: Ragged, feature: Feature) -> Counts:
    """A row is invalid with one invalid value, and default or zero where all its values are."""
    values = column.values
    absent = is_missing(values)
    invalid, zero, infinite = _flags(values, absent, feature)
    default = np.zeros(len(values), bool) if feature.default is None else np.asarray(values == feature.default, bool)
    sizes = column.sizes
    places = np.repeat(np.arange(len(sizes)), sizes)

    def some(flags: Mask) -> Mask:
        return np.asarray(np.bincount(places, flags, len(sizes)) > 0)

    def every(flags: Mask) -> Mask:
        return np.asarray((sizes > 0) & (np.bincount(places, flags, len(sizes)) == sizes))

    masks = (column.lengths < 0, every(default), some(invalid), every(zero), some(infinite), some(~absent & ~invalid))
    return Counts(len(column), *(int(np.count_nonzero(mask)) for mask in masks))


def _flags(values: Array, absent: Mask, feature: Feature) -> tuple[Mask, Mask, Mask]:
    """Which values are invalid, zero, infinite."""
    nothing = np.zeros(len(values), bool)
    if feature.kind != "numeric":
        if feature.vocabulary is None:
            return nothing, nothing, nothing
        known = frozenset(feature.vocabulary)
        return ~absent & np.array([value not in known for value in values.tolist()], bool), nothing, nothing
    numbers, _ = to_floats(values)
    infinite = np.asarray(np.isinf(numbers))
    low, high = -np.inf if feature.low is None else feature.low, np.inf if feature.high is None else feature.high
    outside = np.asarray((numbers < low) | (numbers > high) | infinite | (np.isnan(numbers) & ~absent))
    return outside, np.asarray(numbers == 0.0), infinite


def _text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
