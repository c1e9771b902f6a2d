"""What on-call's verdicts teach a threshold: a bounded multiplier a series.

A false alarm raises the multiplier by 10 %, a true one lowers it by 5 %: in balance at 65 % true alarms, the precision
that is aimed for. It stays within 0.7 to 2.5, does not act before three verdicts, and fades by half in 30 days.
Verdicts are gathered below the line that separates keyed work from the pager; the result goes back into the job's log
as a `Setting`.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from anomaly.types import SeriesKey

Verdict = Literal["true_alarm", "false_alarm", "expected", "new_trend", "none"]

RAISE: Final = math.log(1.10)
LOWER: Final = math.log(0.95)
LOWEST: Final = math.log(0.7)
HIGHEST: Final = math.log(2.5)
LEAST_VERDICTS: Final = 3
HALF_LIFE: Final = 30 * 86400.0


class Threshold(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What is known of one series: its log multiplier as of `time`, and the verdicts behind it."""

    log: float = 0.0
    verdicts: int = 0
    time: float = 0.0
    last: str = ""  # the notification judged last: one step an incident, however often it is judged

    def factor(self, now: float) -> float:
        """What the configured threshold is multiplied by."""
        return math.exp(_faded(self, now)) if self.verdicts >= LEAST_VERDICTS else 1.0


class Multipliers(msgspec.Struct, frozen=True):
    """The body of the setting `thresholds`: all multipliers that are not 1, sorted by series."""

    factors: tuple[tuple[SeriesKey, float], ...] = ()


Thresholds = dict[SeriesKey, Threshold]


def judge(thresholds: Thresholds, key: SeriesKey, verdict: Verdict, notification: str, now: float) -> Thresholds:
    """The thresholds after one verdict.

    `expected` and `new_trend` say that the change was real, so they move no threshold; the first belongs in the
    calendar, the second is accepted by the reference once it lasts.

    >>> key = SeriesKey("flights", "", "sample", "", "volume")
    >>> state: Thresholds = {}
    >>> for n in range(3):
    ...     state = judge(state, key, "false_alarm", f"n{n}", now=0.0)
    >>> round(state[key].factor(0.0), 3)
    1.331
    """
    step = {"false_alarm": RAISE, "true_alarm": LOWER}.get(verdict)
    before = thresholds.get(key, Threshold())
    if step is None or before.last == notification:
        return thresholds
    log = min(HIGHEST, max(LOWEST, _faded(before, now) + step))
    after = Threshold(log=log, verdicts=before.verdicts + 1, time=now, last=notification)
    return {**thresholds, key: after}


def setting(thresholds: Thresholds, now: float) -> bytes:
    """The multipliers in force as JSON, the body of a `Setting` named `thresholds`."""
    factors = ((key, thresholds[key].factor(now)) for key in sorted(thresholds))
    return msgspec.json.encode(Multipliers(tuple((key, factor) for key, factor in factors if factor != 1.0)))


def _faded(threshold: Threshold, now: float) -> float:
    return threshold.log * math.exp2(-max(0.0, now - threshold.time) / HALF_LIFE)
