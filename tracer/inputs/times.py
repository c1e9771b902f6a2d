"""Times as jobs give them, as seconds since the epoch: numbers of a declared unit, times of any library, ISO 8601."""

from __future__ import annotations

import datetime
from typing import Any, Final, Literal

import numpy as np

from streamgauge.tracer.inputs.columns import Array, Floats, Refusal
from streamgauge.tracer.inputs.items import seconds
from streamgauge.tracer.inputs.readers import column_of

TimeUnit = Literal["s", "ms", "us", "ns"]
UNITS: Final[dict[TimeUnit, float]] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}  # in a second
NAMES: Final[dict[TimeUnit, str]] = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
REACH: Final = 30 * 365.25 * 86400.0  # no sample is further from the clock than this


def seconds_of(values: Any, unit: TimeUnit = "s") -> Floats:
    """One number a row, NaN where the time is missing; `unit` is that of numbers. Raises Refusal for what is no time.

    >>> seconds_of(["1970-01-01T00:01:00Z", None]).tolist(), seconds_of([1500], "ms").tolist()
    ([60.0, nan], [1.5])
    """
    column = column_of(values)
    if not isinstance(column, np.ndarray):
        raise Refusal("several times a row; give one")
    if column.dtype.kind in "iubf":
        is_scaled = unit != "s" and not _is_time(values)
        return column.astype(np.float64) / UNITS[unit] if is_scaled else column.astype(np.float64)
    return _of_text(column, unit)


def within_reach(times: Floats, now: float, reach: float = REACH) -> Floats:
    """Times with NaN for those beyond reach of the clock. Raises Refusal where most are: another unit, or no times.

    >>> within_reach(np.array([1.7e12]), 1.7e9)
    Traceback (most recent call last):
    streamgauge.tracer.inputs.columns.Refusal: 1.7e+12 looks like milliseconds; say so: Tracer(time_unit="ms")
    """
    known = ~np.isnan(times)
    far = known & ~(np.abs(times - now) <= reach)
    if not far.any():
        return times
    if 2 * np.count_nonzero(far) > np.count_nonzero(known):
        raise Refusal(_of_far(float(times[far][0]), now, reach))
    return np.where(far, np.nan, times)


def _of_far(time: float, now: float, reach: float) -> str:
    for unit in ("ms", "us", "ns"):
        if abs(time / UNITS[unit] - now) <= reach:
            return f'{time:g} looks like {NAMES[unit]}; say so: Tracer(time_unit="{unit}")'
    return f"{time:g} s since the epoch is more than 30 years from the clock ({now:.0f})"


def _is_time(values: Any) -> bool:
    """Whether a column of numbers was one of times: their unit is their own."""
    dtype = getattr(values, "dtype", None)
    text = str(getattr(values, "type", dtype)).lower()
    if any(word in text for word in ("datetime", "timestamp", "date")):
        return True
    first = next((one for one in _items(values) if one is not None and one == one), None)
    return isinstance(first, (datetime.date, np.datetime64))


def _items(values: Any) -> Any:
    if isinstance(values, (list, tuple)):
        return values
    if isinstance(values, datetime.date) or (isinstance(values, np.ndarray) and values.dtype.kind == "O"):
        return np.atleast_1d(np.asarray(values, object)).ravel().tolist()
    return ()


def _of_text(column: Array, unit: TimeUnit) -> Floats:
    found = np.array([_iso(value, unit) for value in column.tolist()], np.float64)
    given = [value for value in column.tolist() if value is not None and value == value and value != ""]
    if given and np.isnan(found).all():
        raise Refusal(f"{str(given[0])[:40]!r} is no time; give seconds, datetimes, or ISO 8601 text")
    return found


def _iso(value: Any, unit: TimeUnit) -> float:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (datetime.date, np.datetime64)):
        return seconds(value)
    if isinstance(value, (int, float)):
        return value / UNITS[unit]
    try:
        text = value[:-1] + "+00:00" if value.endswith("Z") else value
        return seconds(datetime.datetime.fromisoformat(text))
    except (AttributeError, TypeError, ValueError):
        return float("nan")

