"""The local calendar of a job: which slot of the day a window begins in, and what class of day that is."""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from streamgauge.anomaly.reference import Moment
from streamgauge.pipelines.config.schema import DAY, HOUR, Holiday, WindowSpec

WEEKDAY: Final = 0
SATURDAY: Final = 1
SUNDAY: Final = 2


def slots(spec: WindowSpec) -> int:
    """Slots in a local day: one for each begin of a window, at most 24, so windows below an hour share the hour's.

    >>> slots(WindowSpec(name="short", kind="short", length=3 * HOUR, slide=3 * HOUR))
    8
    """
    return max(1, math.ceil(DAY / max(HOUR, spec.slide)))


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
    is_holiday = local.date().isoformat() in dates(holidays)
    weekday = local.weekday()
    day_class = SUNDAY if is_holiday or weekday == 6 else SATURDAY if weekday == 5 else WEEKDAY
    return Moment(local.toordinal(), slot, day_class, is_holiday)


@lru_cache(maxsize=64)
def zone(timezone: str) -> ZoneInfo:
    """The time zone's rules."""
    return ZoneInfo(timezone)


@lru_cache(maxsize=64)
def dates(holidays: tuple[Holiday, ...]) -> frozenset[str]:
    """The dates in a calendar, as YYYY-MM-DD."""
    return frozenset(holiday.date for holiday in holidays)
