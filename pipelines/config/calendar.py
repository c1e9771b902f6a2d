"""The local calendar of a job: which slot of the day a window begins in, and what class of day that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from streamgauge.anomaly.cycle import CELLS
from streamgauge.anomaly.reference import Moment
from streamgauge.pipelines.config.schema import DAY, HOUR, Holiday, WindowSpec

WEEKDAY: Final = 0
SATURDAY: Final = 1
SUNDAY: Final = 2
SHIFTED: Final = 8  # days for which a clock change elsewhere may explain a pattern an hour off
ELSEWHERE: Final = ("Europe/Berlin", "America/New_York")  # the two dates on which most of the world's clocks change


def shortest(windows: Sequence[WindowSpec]) -> int:
    """The place of the shortest window that closes by watermark; -1 where all are of the wall's clock."""
    stream = [(spec.length, i) for i, spec in enumerate(windows) if spec.kind != "wall"]
    return min(stream)[1] if stream else -1


def slots(spec: WindowSpec) -> int:
    """Slots in a local day: one for each begin of a window, at most 24, so windows below an hour share the hour's.

    >>> slots(WindowSpec(name="short", kind="short", length=3 * HOUR, slide=3 * HOUR))
    8
    """
    return max(1, math.ceil(DAY / max(HOUR, spec.slide)))


def cells(spec: WindowSpec) -> int:
    """Cells in a local day (`anomaly.cycle`): as fine as the windows begin, five minutes at the finest.

    >>> cells(WindowSpec(name="short", kind="short", length=900.0, slide=900.0))
    96
    """
    return max(1, math.ceil(DAY / max(DAY / CELLS, spec.slide)))


def moment(start: float, spec: WindowSpec, timezone: str, holidays: tuple[Holiday, ...] = ()) -> Moment:
    """Where a window that begins at `start` (seconds since the UTC epoch) lies on the local calendar.

    A clock change makes one slot of its day longer or shorter and moves no other.

    >>> spec = WindowSpec(name="short", kind="short", length=3 * HOUR, slide=3 * HOUR)
    >>> moment(1358863200.0, spec, "America/New_York").slot  # 22 January 2013, 09:00 in New York
    3
    """
    local = datetime.fromtimestamp(start, zone(timezone))
    seconds = local.hour * 3600 + local.minute * 60 + local.second
    slot = min(int(seconds // max(HOUR, spec.slide)), slots(spec) - 1)
    cell = min(int(seconds // max(DAY / CELLS, spec.slide)), cells(spec) - 1)
    is_holiday = local.date().isoformat() in dates(holidays)
    weekday = local.weekday()
    day_class = SUNDAY if is_holiday or weekday == 6 else SATURDAY if weekday == 5 else WEEKDAY
    return Moment(local.toordinal(), slot, day_class, is_holiday, cell, clock_shift(start, timezone))


def elsewhere(at: Moment, spec: WindowSpec, seconds: float) -> Moment:
    """The same day's moment `seconds` later or, below 0, earlier, around midnight too."""
    cell = math.floor(at.cell + seconds / max(DAY / CELLS, spec.slide)) % cells(spec)
    return at._replace(cell=cell, slot=cell * slots(spec) // cells(spec))


def clock_shift(start: float, timezone: str) -> int:
    """Seconds by which other clocks moved against the job's within the last eight days, mostly 0.

    People keep the time of their own zone, jobs often another: what people do moves on the job's clock when theirs
    changes, and what follows UTC does when the job's own does.

    >>> clock_shift(1773100800.0, "UTC")  # 10 March 2026: two days after the clocks of New York
    3600
    """
    return clock_shifts(math.floor(start / HOUR), timezone)


@lru_cache(maxsize=4096)
def clock_shifts(hour: int, timezone: str) -> int:
    """The same of an hour since the epoch, remembered."""
    now = datetime.fromtimestamp(hour * HOUR, UTC)
    before = now - timedelta(days=SHIFTED)
    own = _offset(now, timezone) - _offset(before, timezone)
    for name in (*ELSEWHERE, "UTC"):
        moved = _offset(now, name) - _offset(before, name) - own
        if moved:
            return moved
    return 0


def _offset(at: datetime, timezone: str) -> int:
    offset = at.astimezone(zone(timezone)).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


@lru_cache(maxsize=64)
def zone(timezone: str) -> ZoneInfo:
    """The time zone's rules."""
    return ZoneInfo(timezone)


@lru_cache(maxsize=64)
def dates(holidays: tuple[Holiday, ...]) -> frozenset[str]:
    """The dates in a calendar, as YYYY-MM-DD."""
    return frozenset(holiday.date for holiday in holidays)
