"""Windows on UTC and on local clocks."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.config.schema import HOUR, WindowSpec
from streamgauge.pipelines.stream.windows import Calendar, Grid, to_micros, to_seconds

ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
TIMES = st.integers(to_micros(0), to_micros(2e9))


def at(text: str, zone: str, fold: int = 0) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp())


@given(st.sampled_from(ZONES), st.sampled_from([60, HOUR, 3 * HOUR, 24 * HOUR]), TIMES)
def test_bounds_part_time_without_gap_or_overlap(zone: str, slide: float, time: int) -> None:
    calendar = Calendar(to_micros(slide), zone)
    start, end = calendar.until(time), calendar.after(time)
    assert start <= time < end
    assert calendar.after(start) == end
    assert calendar.until(end) == end
    assert calendar.until(end - 1) == start


@pytest.mark.parametrize(
    ("day", "hours"), [("2013-03-10", [2, *[3] * 7]), ("2013-11-03", [4, *[3] * 7]), ("2013-06-01", [3] * 8)]
)
def test_the_window_with_a_clock_change_is_an_hour_shorter_or_longer(day: str, hours: list[int]) -> None:
    calendar = Calendar(to_micros(3 * HOUR), "America/New_York")
    bounds = [at(f"{day} 00:00", "America/New_York")]
    for _ in hours:
        bounds.append(calendar.after(bounds[-1]))
    assert [to_seconds(b - a) / HOUR for a, b in pairwise(bounds)] == hours


def test_the_hour_that_the_clocks_leave_out_has_no_window() -> None:
    calendar = Calendar(to_micros(HOUR), "America/New_York")
    one = at("2013-03-10 01:00", "America/New_York")
    change = calendar.after(one)
    assert change - one == to_micros(HOUR)
    assert calendar.after(change) == at("2013-03-10 04:00", "America/New_York")


def test_long_windows_start_at_the_same_local_time_before_and_after_a_change() -> None:
    spec = WindowSpec(name="day", kind="long", length=24 * HOUR, slide=3 * HOUR)
    grid = Grid([(4, spec)], "America/New_York")
    (window,) = grid.windows(at("2013-03-10 15:00", "America/New_York"))
    assert window.spec == 4
    assert window.start == at("2013-03-09 15:00", "America/New_York")
    assert window.end - window.start == to_micros(23 * HOUR)


@given(st.sampled_from(ZONES), TIMES)
def test_the_last_window_of_a_time_holds_it_and_the_next_does_not(zone: str, time: int) -> None:
    grid = Grid([(0, WindowSpec(name="w", kind="long", length=168 * HOUR, slide=3 * HOUR))], zone)
    last = grid.last(time)
    assert any(window.start <= time < window.end for window in grid.windows(last))
    assert all(window.start > time for window in grid.windows(grid.after(last)))


def test_slices_are_never_split_by_a_window() -> None:
    specs = [
        (0, WindowSpec(name="a", kind="short", length=60, slide=60)),
        (1, WindowSpec(name="b", kind="long", length=100, slide=40)),
        (2, WindowSpec(name="c", kind="long", length=6 * HOUR, slide=3 * HOUR)),
    ]
    grid = Grid(specs, "America/New_York")
    bound = end = at("2013-03-10 00:00", "America/New_York")
    seen = set()
    while bound < end + to_micros(6 * HOUR):
        seen.add(bound)
        bound = grid.after(bound)
    starts = {window.start for b in seen for window in grid.windows(b) if window.start >= end}
    assert starts <= seen


def test_times_out_of_any_calendar_are_still_parted() -> None:
    calendar = Calendar(to_micros(24 * HOUR), "Europe/Berlin")
    for time in (-(10**17), 10**17):
        assert calendar.until(time) <= time < calendar.after(time)
