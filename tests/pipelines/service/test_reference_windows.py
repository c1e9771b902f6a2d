"""Hours are told apart where an hour has rows enough, days where a day has, else nothing."""

from __future__ import annotations

import numpy as np
import pytest

from streamgauge.pipelines.config.schema import DAY, HOUR, JobConfig, WindowSpec
from streamgauge.pipelines.service.reference_windows import cut, days

JOB = JobConfig(name="ctr", timezone="Europe/Berlin")
NOW = 1_767_225_600.0
SHORT = WindowSpec(name="short", kind="short", length=60.0, slide=60.0)


def times(count: int, days: float) -> np.ndarray:
    return np.linspace(NOW - 300 * DAY, NOW - (300 - days) * DAY, count)


@pytest.mark.parametrize(
    ("at", "count", "told"),
    [
        (times(100_000, 4), 100_000, "hours and days"),
        (times(20_000, 4), 20_000, "days"),
        (times(2_000, 4), 2_000, ""),
        (None, 20_000, ""),
        (np.full(20_000, np.nan), 20_000, ""),
    ],
)
@pytest.mark.parametrize("length", [60.0, 3 * HOUR])
def test_what_is_told_apart_goes_by_how_many_rows_there_are(
    at: np.ndarray | None, count: int, told: str, length: float
) -> None:
    spec = WindowSpec(name="short", kind="short", length=length, slide=length)
    found = cut(at, count, 700, spec, JOB, NOW)
    assert found.told == told
    assert len(found.starts) == len(found.places)
    assert (np.diff(found.starts) > 0.0).all()
    assert NOW - 8 * DAY < found.starts[0] < found.starts[-1] <= NOW + HOUR
    seen = np.concatenate(found.windows) if found.told == "hours and days" else np.unique(np.concatenate(found.windows))
    assert len(seen) == len(np.unique(seen)) == count


def test_the_hour_of_the_day_and_the_day_of_the_week_stay() -> None:
    at = times(2_000_000, 15)
    found = cut(at, len(at), 700, SHORT, JOB, NOW)
    moved = found.starts[0] - at[found.windows[0][0]]
    assert abs(moved / (7 * DAY) - round(moved / (7 * DAY))) * 7 * DAY < HOUR


@pytest.mark.parametrize(("rows", "expected"), [(100, 1.0), (10_000, 3.0), (20_000, 5.0), (1_000_000, 7.0)])
@pytest.mark.parametrize("is_unreadable", [False, True])
def test_rows_without_times_are_as_many_days_as_their_windows_are_enough_for(
    rows: int, expected: float, is_unreadable: bool
) -> None:
    at = np.full(rows, np.nan) if is_unreadable else None
    found = cut(at, rows, 700, SHORT, JOB, NOW)
    assert days(at, rows, 700) == expected
    assert len(np.unique(found.starts // DAY)) <= expected + 1
    assert found.starts[0] == NOW - expected * DAY
