"""Lists of Python values, and arrays of objects, as columns: numbers, text, times, rows of several values."""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from streamgauge.tracer.inputs.columns import EXACT, NA, Array, Column, Refusal, joined, of_rows, with_missing

_ABSENT: Final = frozenset({"NAType", "NaTType", "MaskedConstant", "NoneType"})  # the types of missing marks
_TEXT: Final = (str, bytes, bytearray)
_TIMES: Final = (datetime.datetime, datetime.date, np.datetime64)
_DURATIONS: Final = (datetime.timedelta, np.timedelta64, datetime.time)
_TEXT_ONLY: Final = frozenset({str, type(None)})
_PLAIN: Final = frozenset({int, float, str, bool})
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_SECOND: Final = datetime.timedelta(seconds=1)
Read = Callable[[Any], Column]  # a column of a container


def of_items(items: Sequence[Any], read: Read) -> Column:
    """The column of a list; `read` is for rows that are containers themselves.

    >>> of_items([1, None, 3], np.array).tolist(), of_items(["a", None], np.array).tolist()
    ([1.0, nan, 3.0], ['a', None])
    """
    kinds = set(map(type, items))
    absent = {kind for kind in kinds if kind.__name__ in _ABSENT}
    present = kinds - absent
    if present <= _PLAIN or not any(_is_container(kind) for kind in present):
        return _scalars(items, present, absent)
    if all(getattr(item, "shape", None) == () or _is_absent(item) for item in items):  # tensors of no axis
        return of_items([None if _is_absent(item) else np.asarray(read(item)).item() for item in items], read)
    return _rows(items, read)


def of_objects(values: Array, read: Read) -> Column:
    """The column of an array of objects."""
    if values.ndim > 1 and values.shape[-1] > 1:
        per_row = int(np.prod(values.shape[1:]))
        return of_rows(_flat(values.reshape(-1).tolist(), read), np.full(len(values), per_row, np.int64))
    items = values.reshape(-1).tolist()
    if _TEXT_ONLY.issuperset(map(type, items)):  # most columns: nothing in it to be read, or to change behind our back
        return values.reshape(-1).copy()
    return of_items(items, read)


def seconds(value: Any) -> float:
    """A date or a time of Python's as seconds since the epoch; without a zone it is UTC.

    >>> seconds(datetime.date(1970, 1, 2))
    86400.0
    """
    if isinstance(value, np.datetime64):
        return float((value - np.datetime64(0, "s")) / np.timedelta64(1, "s"))
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    at = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
    return float((at - _EPOCH) / _SECOND)


def _scalars(items: Sequence[Any], present: set[type], absent: set[type]) -> Array:
    if not present:
        return _objects([None] * len(items))
    if all(issubclass(kind, (numbers.Real, np.bool_, np.number)) for kind in present):
        return _numbers(items, present, absent)
    if all(issubclass(kind, (decimal.Decimal, numbers.Real)) for kind in present):
        return _numbers([_of_decimal(value) for value in items], {int, float}, absent)
    if all(issubclass(kind, _TIMES) for kind in present):
        return np.array([NA if _is_absent(value) else seconds(value) for value in items])
    if all(issubclass(kind, _DURATIONS) for kind in present):
        return np.array([NA if _is_absent(value) else _duration(value) for value in items])
    return _objects([None if _is_absent(value) else value for value in items] if absent else items)


def _numbers(items: Sequence[Any], present: set[type], absent: set[type]) -> Array:
    """Numbers, some of them missing; whole ones that float64 would round stay objects."""
    has_float = any(issubclass(kind, (float, np.floating)) for kind in present)
    if not absent and not has_float:
        return _whole(items)
    missing = np.array([_is_absent(value) for value in items], bool) if absent else np.zeros(len(items), bool)
    present_or_nan = [NA if gone else value for value, gone in zip(items, missing.tolist())]
    try:
        found = np.array(present_or_nan, np.float64)
    except OverflowError:
        found = np.array([], np.float64)
    is_only_float = all(issubclass(kind, (float, np.floating)) for kind in present)
    if len(found) == len(items) and (is_only_float or not (np.abs(found[np.isfinite(found)]) > EXACT).any()):
        return found
    return with_missing(_objects(items), missing | np.array([value != value for value in items], bool))


def _whole(items: Sequence[Any]) -> Array:
    """Integers and booleans: int64, uint64, or objects where neither holds them all."""
    found = np.array(items)
    if found.dtype.kind in "iub":
        return found
    return _objects([int(value) for value in items])  # NumPy makes floats of [-1, 2**63]


def _rows(items: Sequence[Any], read: Read) -> Column:
    """Rows of several values; one that is missing has length -1, a single value is a row of one."""
    rows = [None if _is_absent(item) or _is_nan(item) else _row(item, read) for item in items]
    lengths = np.array([-1 if row is None else len(row) for row in rows], np.int64)
    some = [row for row in rows if row is not None]
    arrays = [row for row in some if isinstance(row, np.ndarray)]
    if arrays and len(arrays) == len(some):
        return of_rows(joined(arrays), lengths)
    values, weights = _weighed(value for row in some for value in row)
    return of_rows(_flat(values, read), lengths, weights)


def _row(item: Any, read: Read) -> Collection[Any] | Array:
    if isinstance(item, Mapping):
        return list(item.items())
    if isinstance(item, (list, tuple)):
        return item
    if not _is_container(type(item)):
        return [item]
    if isinstance(item, (set, frozenset)):
        return list(item)
    column = read(item)
    return column if isinstance(column, np.ndarray) else column.values


def _weighed(values: Iterable[Any]) -> tuple[list[Any], Any]:
    """Values, and their weights where all of them are pairs (tag, weight)."""
    found = list(values)
    if found and all(type(one) is tuple and len(one) == 2 and isinstance(one[1], numbers.Real) for one in found):
        return [tag for tag, _ in found], np.array([float(weight) for _, weight in found])
    return found, None


def _flat(values: list[Any], read: Read) -> Column:
    """The column of the values of all rows."""
    return of_items(values, read) if values else np.zeros(0)


def _objects(items: Sequence[Any]) -> Array:
    found = np.empty(len(items), object)
    found[:] = items
    return found


def _is_container(kind: type) -> bool:
    """Whether a value of this type may hold several; a tensor of no axis is read as a number."""
    if issubclass(kind, (*_TEXT, np.generic)):
        return False
    return any(hasattr(kind, name) for name in ("__len__", "__array__", "__dlpack__"))


def _is_absent(value: Any) -> bool:
    return type(value).__name__ in _ABSENT


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


def _of_decimal(value: Any) -> Any:
    """A whole one stays whole, so that ids stay apart; what is no Decimal stays as it is."""
    if not isinstance(value, decimal.Decimal):
        return value
    if value.is_finite() and value == value.to_integral_value() and abs(value) < 2**64:
        return int(value)
    return float(value)


def _duration(value: Any) -> float:
    """Seconds; of a time of the day, since its midnight."""
    if isinstance(value, datetime.time):
        value = datetime.datetime.combine(datetime.date.min, value) - datetime.datetime.min
    return float(value / _SECOND if isinstance(value, datetime.timedelta) else value / np.timedelta64(1, "s"))


def refuse_iterator(values: Any) -> None:
    """Raises Refusal for what reading would use up."""
    if hasattr(values, "__next__"):
        raise Refusal(f"a {type(values).__name__} is used up by reading it; give a list or an array")
