"""How a file of rows is cut into windows for a reference, and which hours each window stands for; pure.

Hours are told apart where an hour has rows enough for a window, days where a day has; else the whole file is normal at
any time. A window of too few rows would say more of chance than of what is normal.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.config.calendar import moment, slots
from streamgauge.pipelines.config.schema import DAY, HOUR, JobConfig, WindowSpec

WEEK: Final = 7 * DAY
ENOUGH: Final = 700  # rows of a window: 500 values are the least evidence that any metric of a feature wants
POSITIVES: Final = 40  # labels of a window that are not zero, twice the least evidence
PARTS: Final = 6  # windows of an hour, or of a day that stands for its hours: enough to know the wobble between them
Index = NDArray[np.int64]
Floats = NDArray[np.float64]


class Cut(NamedTuple):
    """Windows, and the history that they make."""

    windows: list[Index]  # the rows of each
    starts: Floats  # of the history's windows, seconds since the epoch, ascending
    places: Index  # which window each of them is
    told: str  # what is told apart, in words


def enough(labels: NDArray[Any] | None) -> int:
    """Rows that a window needs, by how rare labels are.

    >>> enough(None), enough(np.array([0.0] * 99 + [1.0]))
    (700, 4000)
    """
    if labels is None or labels.dtype.kind not in "fiub":
        return ENOUGH
    share = float(np.mean(np.nan_to_num(labels) != 0.0))
    return ENOUGH if share == 0.0 else max(ENOUGH, round(POSITIVES / share))


def cut(times: Floats | None, rows: int, least: int, spec: WindowSpec, job: JobConfig, now: float) -> Cut:
    """The windows of `rows` rows of which each has at least `least`, where there are that many.

    Args:
        times: seconds since the epoch, NaN unknown; shape [rows].
        rows: how many there are.
        least: what `enough` says.
        spec: the kind of windows.
        job: whose calendar counts.
        now: the history ends just before.
    """
    known = np.arange(0) if times is None else np.flatnonzero(np.isfinite(times))
    if times is None or len(known) < least:
        return _any_time(np.arange(rows), least, spec, now)
    known = known[np.argsort(times[known], kind="stable")]
    at = _moved(times[known], now)
    first = _midnight(float(at[0]), spec, job)
    if _median(at, first, max(HOUR, spec.length)) >= least:
        return _hourly(known, at, first, least, spec)
    if _median(at, first, DAY) >= least:
        days, day = _parts(known, at, first, DAY)
        split = [np.array_split(part, _count(part, least)) for part in days]
        found = _spread(split, first + day * DAY, spec, "days")
        past = found.starts < now
        return found._replace(starts=found.starts[past], places=found.places[past])
    return _any_time(known, least, spec, now)


def days(times: Floats | None, rows: int, least: int) -> float:
    """How much history that is; rows without times count as a day for each `PARTS` windows of them, at most a week."""
    known = np.arange(0) if times is None else times[np.isfinite(times)]
    if len(known) < least:
        return float(_days(_windows(rows, least)))
    return max(1.0, round(float(known.max() - known.min()) / DAY))


def _hourly(known: Index, at: Floats, first: float, least: int, spec: WindowSpec) -> Cut:
    size = max(HOUR, spec.length)
    parts, hours = _parts(known, at, first, size)
    windows, starts = list[Index](), list[float]()
    for part, hour in zip(parts, hours.tolist(), strict=True):
        split = np.array_split(part, min(_count(part, least), int(size // spec.length)))
        starts += [first + hour * size + k * spec.length for k in range(len(split))]
        windows += split
    return Cut(windows, np.array(starts), np.arange(len(windows)), "hours and days")


def _any_time(known: Index, least: int, spec: WindowSpec, now: float) -> Cut:
    """Days that each have a part of the windows: as many as the rows are enough for."""
    count = _windows(len(known), least)
    windows, by_day = np.array_split(known, count), np.array_split(np.arange(count), _days(count))
    begin = np.floor(now / HOUR) * HOUR - len(by_day) * DAY
    split = [[windows[i] for i in mine.tolist()] for mine in by_day]
    return _spread(split, begin + np.arange(len(by_day)) * DAY, spec, "")


def _windows(rows: int, least: int) -> int:
    return int(np.clip(rows // least, 1, 7 * PARTS))


def _days(windows: int) -> int:
    return -(-windows // PARTS)


def _spread(by_day: list[list[Index]], begins: Floats, spec: WindowSpec, told: str) -> Cut:
    """Every slot of a day has all windows of that day, as many as fit."""
    size, fit = DAY / slots(spec), max(1, int(max(HOUR, spec.slide) // spec.length))
    windows, starts, places = list[Index](), list[float](), list[int]()
    for begin, mine in zip(begins.tolist(), by_day, strict=True):
        for slot in range(slots(spec)):
            for k in range(min(len(mine), fit)):
                starts.append(begin + slot * size + k * spec.length)
                places.append(len(windows) + k)
        windows += mine
    return Cut(windows, np.array(starts), np.array(places, np.int64), told)


def _parts(known: Index, at: Floats, first: float, size: float) -> tuple[list[Index], Floats]:
    """The rows of each `size` seconds that has any, and which those are, counted from `first`."""
    place = np.floor((at - first) / size)
    found, begins = np.unique(place, return_index=True)
    return np.split(known, begins[1:]), found


def _median(at: Floats, first: float, size: float) -> float:
    return float(np.median(np.unique(np.floor((at - first) / size), return_counts=True)[1]))


def _count(part: Index, least: int) -> int:
    return int(np.clip(len(part) // least, 1, PARTS))


def _moved(times: Floats, now: float) -> Floats:
    """The same hours of the day just before `now`; of two weeks and more the same days of the week, too."""
    by = WEEK if times[-1] - times[0] >= 2 * WEEK - DAY else DAY
    return np.asarray(times + np.floor((now - times[-1]) / by) * by)


def _midnight(time: float, spec: WindowSpec, job: JobConfig) -> float:
    """The begin of the local day."""
    hour = float(np.floor(time / HOUR) * HOUR)
    whole = msgspec.structs.replace(spec, slide=HOUR, length=HOUR)
    return hour - moment(hour, whole, job.timezone).slot * HOUR
