"""Young series: from some thirty windows on they may page, with a band that is wider the less is known; pure.

The band is three times as wide at first and narrows with the logarithm of the history to its full width at the end of
the warm-up. Windows that overlap tell little that is new, so series of such windows wait until three days are known.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np

from streamgauge.anomaly.days import TRAILING
from streamgauge.anomaly.reference import SLOT_MINIMUM, Floats, Rows

WINDOWS: Final = 30  # that do not overlap
WIDEST: Final = 3.0
ENTRIES: Final = TRAILING - 4  # of those windows may be without a value
_DAY: Final = 86400.0


class Phase(NamedTuple):
    """How far a job has come: `learning`, then `young`, then `grown`; and until when it stays there."""

    name: Literal["learning", "young", "grown"]
    until: float  # seconds since the epoch; infinite for what is grown


def phase(first: float, now: float, least: float, warm_up: float) -> Phase:
    """The phase of a job whose first window began at `first`.

    >>> phase(0.0, 60.0, 1_800.0, 86_400.0), phase(0.0, 3_600.0, 1_800.0, 86_400.0).name
    (Phase(name='learning', until=1800.0), 'young')
    """
    learnt, grown = first + min(least, warm_up), first + warm_up
    if now < learnt:
        return Phase("learning", learnt)
    return Phase("young", grown) if now < grown else Phase("grown", float("inf"))


def least(length: float, slide: float) -> float:
    """Seconds of history from which on a series of these windows may page.

    >>> least(60.0, 60.0), least(3600.0, 60.0)
    (1800.0, 259200.0)
    """
    return WINDOWS * length if slide >= length else max(WINDOWS * length, SLOT_MINIMUM * _DAY)


def widening(age: Floats, entries: Rows, least: float, warm_up: float) -> Floats:
    """How many times wider than the full band each series' is; infinite while it may not page.

    Args:
        age: seconds of history, NaN for none; shape [n].
        entries: values behind its reference; shape [n].
        least: what `least` says of its windows.
        warm_up: seconds after which it is grown; 0: at once.

    >>> ages = np.array([60.0, 1_800.0, 46_661.0, 1_209_600.0])
    >>> widening(ages, np.full(4, 24), 1_800.0, 1_209_600.0).round(2).tolist()
    [inf, 3.0, 2.0, 1.0]
    """
    if warm_up <= least:
        return np.where(age >= warm_up, 1.0, np.inf)
    share = np.log(np.maximum(age, least) / least) / np.log(warm_up / least)
    width = np.maximum(WIDEST - (WIDEST - 1.0) * share, 1.0)
    is_known = (entries >= ENTRIES) | ((age >= SLOT_MINIMUM * _DAY) & (entries >= SLOT_MINIMUM)) | (age >= warm_up)
    known: Floats = np.where((age >= least) & is_known, width, np.inf)
    return known


def phrase(age: float) -> str:
    """How young, in words.

    >>> phrase(2_400.0), phrase(7_200.0), phrase(259_200.0)
    ('young: 40 min of history', 'young: 2 h of history', 'young: 3 days of history')
    """
    unit, size = ("days", _DAY) if age >= 2.0 * _DAY else ("h", 3600.0) if age >= 7200.0 else ("min", 60.0)
    return f"young: {age / size:.0f} {unit} of history"
