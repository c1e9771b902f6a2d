"""When somebody is told: days of the week and hours of the day, as people write them; pure."""

from __future__ import annotations

import datetime
import re
from typing import Final, NamedTuple

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TEXT: Final = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))?\s+)?(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)")
_DAY: Final = 24 * 60


class Hours(NamedTuple):
    """Days (0 Monday) and minutes of the day [start, end); an end not above the start lies on the next day."""

    days: frozenset[int]
    start: int
    end: int

    def hold(self, local: datetime.datetime) -> bool:
        """Whether a local time lies within."""
        minute, day = 60 * local.hour + local.minute, local.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


def parse(text: str) -> Hours:
    """Hours from "mon-fri 08:00-20:00", "sat 10:00-14:00" or "20:00-08:00" (every day).

    >>> night = parse("fri 20:00-08:00")
    >>> night.hold(datetime.datetime(2026, 11, 28, 7, 59)), night.hold(datetime.datetime(2026, 11, 28, 8, 0))
    (True, False)

    Raises:
        ValueError: it is neither.
    """
    found = _TEXT.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f'must read "mon-fri 08:00-20:00" or "20:00-08:00", got {text!r}')
    first, last, *clock = found.groups()
    for name in (first, last):
        if name and name not in DAYS:
            raise ValueError(f"unknown day {name!r}; known are {', '.join(DAYS)}")
    hours = [int(number) for number in clock]
    start, end = 60 * hours[0] + hours[1], 60 * hours[2] + hours[3]
    if max(start, end) > _DAY or max(hours[1], hours[3]) > 59 or start == _DAY:
        raise ValueError(f"hours lie in 00:00-24:00, got {text!r}")
    return Hours(_days(first, last), start, end)


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % 7 if last else 0
    return frozenset((begin + i) % 7 for i in range(length + 1))
