"""The local calendar: which day and which hour of it a time falls on."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo


class LocalTime:
    """The wall clock of a time zone.

    >>> LocalTime("America/New_York").day_and_hour(0.0) == (719162, 19)  # 31 December 1969, 19:00
    True
    """

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def day_and_hour(self, time: float) -> tuple[int, int]:
        """Proleptic ordinal of the local day, and the hour."""
        local = datetime.datetime.fromtimestamp(time, self._zone)
        return local.toordinal(), local.hour
