"""The local calendar: which day and which hour of it a time falls on."""

from __future__ import annotations

import datetime

from streamgauge.pipelines.config.calendar import zone


def day_and_hour(time: float, timezone: str) -> tuple[int, int]:
    """Proleptic ordinal of the local day, and the hour.

    >>> day_and_hour(0.0, "America/New_York") == (datetime.date(1969, 12, 31).toordinal(), 19)
    True
    """
    local = datetime.datetime.fromtimestamp(time, zone(timezone))
    return local.toordinal(), local.hour
