"""Slow decay: a level that goes the same way day after day, which every reference that learns goes along with.

Each day leaves one number, the mean of its windows, rejected ones too; 35 are kept, so that the newest week can be held
against a pinned one: four weeks ago, or since the last accepted change. Two tests, once a day:

    within a week   today and the same day a week before differ by more than 5 standard deviations of such differences
                    before that week, at least 6 of 7 daily steps go that way, and none is more than half of the whole
    within a month  the means of the last four weeks fall or rise evenly, and the last differs from the first by more
                    than 5 standard deviations of a random walk with the series' own weekly steps

While the days of the last week go one way (the first test with 3 standard deviations), what single windows say of that
way is no news of its own: it is one event, told by its first page or by these tests.

Both allow for days of the week, and of 100 walks eight look like decay in ten weeks. Found: 5 % a day within 7 days and
1 % a day within 30, where the noise of a window is at most 5 % of the level (tested on 24 windows a day).

Memory: 157 bytes a series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import numpy as np

from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.reference import Bools, Floats, Part, Rows

KEPT: Final = 35  # days
WEEK: Final = 7
FAST: Final = 5.0  # standard deviations within a week
COURSE: Final = 3.0  # within a week, for the days to have a course
SLOW: Final = 5.0  # within four weeks
ONE_WAY: Final = 6  # of seven steps
PART: Final = 0.5  # of the change, that one step may be at most
WALKED: Final = float(np.sqrt(19.0 / 7.0))  # a walk's way from its first week's mean to the fourth's, in weekly steps
EVEN: Final = 0.15  # of the change, that each of the three weeks' steps must be at least: a jump is in two
QUIET: Final = 28  # days after which the same decay is told again
_COLUMNS: Final = {
    "days": Column("<f4", (KEPT,), float("nan")), "total": Column("<f8"), "count": Column("<i4"),
    "told": Column("<i4", fill=-(1 << 30)), "course": Column("|i1"),
}  # fmt: skip


class _State(msgspec.Struct, array_like=True, frozen=True):
    day: int | None
    arrays: bytes


class Decay:
    """The last days of `series` series."""

    def __init__(self, series: int = 0) -> None:
        self._day: int | None = None
        self._arrays: Arrays = empty(_COLUMNS, series)
        self._changes = self._days_changed = 0  # not part of the state

    def begin(self, day: int, least: Floats) -> Floats:
        """Close the day before, if this is a new one: standard deviations of what decays, NaN for all else.

        `least` is the smallest change that means something, on the series' scale.
        """
        series = len(self._arrays["total"])
        self._changes += 1
        if self._day is None or day <= self._day:
            self._day = day if self._day is None else self._day
            return np.full(series, np.nan)
        self._close(day - self._day)
        self._day = day
        days = self._arrays["days"].astype(np.float64)
        found = _decay(days, least)
        self._arrays["course"] = np.sign(np.nan_to_num(_within_a_week(days, least, COURSE))).astype("|i1")
        is_new = day - self._arrays["told"] >= QUIET
        found = np.where(is_new, found, np.nan)
        self._arrays["told"] = np.where(np.isfinite(found), day, self._arrays["told"]).astype("<i4")
        return found

    @property
    def course(self) -> Rows:
        """1 or -1 where the days of the last week went that way, 0 elsewhere."""
        return self._arrays["course"].astype(np.int64)

    def learn(self, level: Floats, keep: Bools) -> None:
        """Add a window to its day where `keep`."""
        self._changes += 1
        arrays = self._arrays
        taken = keep & np.isfinite(level)
        arrays["total"] = np.where(taken, arrays["total"] + level, arrays["total"])
        arrays["count"] = (arrays["count"] + taken).astype("<i4")

    def pin(self, rows: Rows) -> None:
        """What these series are now is accepted: what came before is no reference."""
        self._arrays["days"][rows], self._arrays["course"][rows] = np.nan, 0
        self._changes, self._days_changed = self._changes + 1, self._days_changed + 1

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`, in that order; -1 is a new one."""
        self._arrays = pick(_COLUMNS, self._arrays, index)
        self._changes, self._days_changed = self._changes + 1, self._days_changed + 1

    def parts(self) -> Iterator[Part]:
        """All state in parts that change apart: the days, and the one that is going on."""
        yield "days", self._days_changed, lambda: pack({"days": self._arrays["days"]})
        yield "now", self._changes, self._now

    @classmethod
    def of_parts(cls, parts: Mapping[str, bytes]) -> Decay:
        """What `parts` were taken of. Raises KeyError where one is missing."""
        state, decay = msgspec.msgpack.decode(parts["now"], type=_State), cls()
        arrays = unpack(parts["days"]) | unpack(state.arrays)
        # A release that knew no course wrote none; the next day's begin finds it.
        decay._day, decay._arrays = state.day, empty(_COLUMNS, len(arrays["total"])) | arrays
        return decay

    def _now(self) -> bytes:
        arrays = {name: array for name, array in self._arrays.items() if name != "days"}
        return msgspec.msgpack.encode(_State(self._day, pack(arrays)))

    def _close(self, passed: int) -> None:
        self._days_changed += 1
        arrays = self._arrays
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.clip(arrays["total"] / arrays["count"], -3e38, 3e38)
        moved = min(passed, KEPT)
        days = np.full_like(arrays["days"], np.nan)
        days[:, : KEPT - moved] = arrays["days"][:, moved:]
        days[:, KEPT - moved] = mean
        arrays["days"] = days
        arrays["total"][:], arrays["count"][:] = 0.0, 0


def _decay(days: Floats, least: Floats) -> Floats:
    """Signed standard deviations of series that decay, NaN for the others; `days` [series, KEPT], the newest last."""
    fast, slow = _within_a_week(days, least, FAST), _within_a_month(days, least)
    found: Floats = np.where(np.isfinite(fast), fast, slow)
    return found


def _within_a_week(days: Floats, least: Floats, sigmas: float) -> Floats:
    steps = np.diff(days, axis=1)
    change = days[:, -1] - days[:, -1 - WEEK]
    weekly = days[:, WEEK:-WEEK] - days[:, : -2 * WEEK]
    # A walk of a week is as wide as sqrt(7) of its days; few weeks would say less by chance.
    noise = np.maximum(np.maximum(_spread(weekly), np.sqrt(WEEK) * _spread(steps[:, :-WEEK])), least)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = change / noise
    last = steps[:, -WEEK:]
    way = np.sum(np.sign(last) == np.sign(change)[:, None], axis=1)
    largest = np.abs(last).max(axis=1)
    found = (np.abs(z) > sigmas) & (way >= ONE_WAY) & (largest <= PART * np.abs(change))
    return np.where(found, z, np.nan)


def _within_a_month(days: Floats, least: Floats) -> Floats:
    weeks = days[:, -4 * WEEK :].reshape(len(days), 4, WEEK).mean(axis=2)
    change = weeks[:, 3] - weeks[:, 0]
    one_way = (np.diff(weeks, axis=1) * np.sign(change)[:, None] >= EVEN * np.abs(change)[:, None]).all(axis=1)
    weekly = days[:, -3 * WEEK :] - days[:, -4 * WEEK : -WEEK]
    with np.errstate(invalid="ignore", divide="ignore"):
        z = change / (WALKED * np.maximum(_spread(weekly), least))
    return np.where(one_way & (np.abs(z) > SLOW), z, np.nan)


def _spread(block: Floats) -> Floats:
    """1.4826 times the MAD about the median, of rows with at least five values; infinite for the others."""
    ordered = np.sort(block, axis=1)
    count = np.count_nonzero(ordered == ordered, axis=1)
    rows, last = np.arange(len(block)), block.shape[1] - 1
    center = ordered[rows, np.minimum(count // 2, last)]
    away = np.sort(np.abs(block - center[:, None]), axis=1)
    spread: Floats = np.where(count >= 5, 1.4826 * away[rows, np.minimum(count // 2, last)], np.inf)
    return spread
