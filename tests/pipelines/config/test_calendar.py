"""Claims about the local calendar: slots, classes of day, clock changes."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from streamgauge.pipelines.config.calendar import SATURDAY, SUNDAY, WEEKDAY, moment, slots
from streamgauge.pipelines.config.schema import DAY, HOUR, Holiday, WindowSpec

NEW_YORK = "America/New_York"


def spec(slide: float, length: float | None = None) -> WindowSpec:
    return WindowSpec(name="w", kind="short", length=length or slide, slide=slide)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(NEW_YORK)).timestamp()


@pytest.mark.parametrize(
    ("slide", "count"), [(10.0, 24), (60.0, 24), (HOUR, 24), (3 * HOUR, 8), (DAY, 1), (7 * DAY, 1)]
)
def test_a_day_has_a_slot_for_each_begin_of_a_window_at_most_24(slide: float, count: int) -> None:
    assert slots(spec(slide)) == count


def test_windows_below_an_hour_share_the_hours_slot() -> None:
    found = {moment(at(f"2013-01-22T09:{minute:02}:00"), spec(60.0), NEW_YORK).slot for minute in range(60)}
    assert found == {9}


@pytest.mark.parametrize("day", ["2013-03-10", "2013-03-11", "2013-11-03", "2013-11-04", "2013-07-01"])
def test_a_clock_change_moves_no_slot(day: str) -> None:
    assert moment(at(f"{day}T09:00:00"), spec(3 * HOUR), NEW_YORK).slot == 3


def test_the_hour_that_a_clock_change_repeats_is_one_slot() -> None:
    first = at("2013-11-03T01:00:00")
    one, other = moment(first, spec(HOUR), NEW_YORK), moment(first + HOUR, spec(HOUR), NEW_YORK)
    assert one[:5] == other[:5]  # what moved against other clocks is another thing


@pytest.mark.parametrize(
    ("day", "day_class"),
    [("2013-01-22", WEEKDAY), ("2013-01-26", SATURDAY), ("2013-01-27", SUNDAY), ("2013-07-04", SUNDAY)],
)
def test_a_holiday_has_the_class_of_a_sunday(day: str, day_class: int) -> None:
    found = moment(at(f"{day}T12:00:00"), spec(3 * HOUR), NEW_YORK, (Holiday(date="2013-07-04"),))
    assert found.day_class == day_class
    assert found.holiday == (day == "2013-07-04")
