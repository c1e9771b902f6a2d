"""Clocks that leap, lag and are damaged, one story each."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer.codec import encode
from streamgauge.tracer.records import Tick
from tests.pipelines.stream.logs import PANE, T0, records, tick
from tests.pipelines.stream.test_rules import SHORT, WALL, Story

DAY = 86400.0


@pytest.mark.parametrize("leap", [3600.0, DAY, 365 * DAY])
def test_a_worker_whose_clock_leaps_ahead_is_back_as_soon_as_its_clock_is(leap: float) -> None:
    story = Story(SHORT, WALL)
    story.live(90, "a", "b")
    story.send("a", 90 + leap, 5.0)
    story.live(240, "a", "b", since=90)
    shares = {end: story.total(end) for end in story.windows()}
    assert {end: shares[end] for end in (150.0, 180.0, 210.0)} == dict.fromkeys((150.0, 180.0, 210.0), 3.0)
    assert story.counts()["late"] == 0


def test_a_leap_is_a_fact_with_its_size_that_is_over_three_panes_later() -> None:
    story = Story()
    story.live(90, "a", "b")
    story.send("a", 90 + DAY, 5.0)
    story.live(180, "a", "b", since=90)
    begun, over = (item for item in records(story.sent, Anomaly) if item.metric == "clock")
    assert (begun.worker, begun.severity, begun.end) == ("a", "page", None)
    assert begun.text == "the worker's clock is 86410 s ahead; time goes on without it"
    assert over.end is not None and over.end - T0 == 100.0


def test_what_the_tracer_says_of_its_clock_is_the_same_fact() -> None:
    story = Story()
    story.live(60, "a")
    story.send("a", 60, 1.0, hard=(("clock", "", 86400.0),))
    story.live(120, "a", since=70)
    assert story.facts("clock") == [("a", 60.0, None), ("a", 60.0, 70.0)]


@pytest.mark.parametrize("skew", [-60.0, -30.0, 30.0, 60.0])
def test_a_skewed_clock_is_told_with_its_skew_and_over_when_it_is_right(skew: float) -> None:
    story = Story(SHORT, WALL, tick=1.0)
    story.live(120, "b")
    for k in range(12, 24):
        story.tick(k * PANE + 1)
        story.send("b", (k - 1) * PANE, 1.0)
        story.send("a", (k - 1) * PANE + skew, 1.0)
    (told,) = (item for item in records(story.sent, Anomaly) if item.metric == "skew")
    assert (told.worker, told.value, told.severity) == ("a", skew, "ticket")
    for k in range(24, 40):
        story.tick(k * PANE + 1)
        story.send("a", (k - 1) * PANE, 1.0)
    assert story.facts("skew")[-1][2] is not None


def test_a_backlog_is_no_skew() -> None:
    story = Story(SHORT, WALL, tick=1.0)
    story.live(120, "b")
    for k in range(12, 18):
        story.tick(k * PANE)
    for k in range(18, 40):
        story.tick(k * PANE)
        for old in (2 * k - 36 + 12, 2 * k - 36 + 13):
            story.send("b", min(old, k - 1) * PANE, 1.0)
    assert story.facts("skew") == []


def test_a_damaged_tick_moves_nothing_and_is_told() -> None:
    story = Story()
    story.live(90, "a")
    story.say(tick(T0 + 5_000 * DAY))
    story.live(240, "a", since=90)
    assert max(story.windows()) == 240.0
    assert [item.text for item in records(story.sent, Change) if item.name == "doubted"] == [
        "a tick 5e+03 days ahead of all that is known waits for a second one"
    ]


def test_a_host_that_was_away_for_days_is_believed_with_its_second_tick() -> None:
    story = Story()
    story.live(90, "a")
    story.tick(5 * DAY)
    assert story.is_live()
    story.tick(5 * DAY + 1)
    assert not story.is_live(), "an hour without members has passed"


@pytest.mark.parametrize("years", [1, 50])
def test_a_worker_whose_clock_was_never_set_costs_no_reminder_for_each_five_days_of_it(years: int) -> None:
    story = Story(SHORT, WALL)
    story.send("a", 0, 1.0)
    story.tick(years * 365 * DAY)
    story.tick(years * 365 * DAY + 1)
    said = [item for item in records(story.sent, Anomaly) if item.metric == "behind"]
    assert len(said) == 2, "when it fell behind, and once more at the end of the leap"
    assert len([item for item in records(story.sent, Change) if item.name == "gap"]) <= 4


def test_a_host_whose_clock_leapt_says_so_in_its_ticks() -> None:
    story = Story()
    story.live(60, "a")
    story.say(encode(Tick(job="j", time=T0 + 70, leap=600.0)), encode(Tick(job="j", time=T0 + 80, leap=600.0)))
    story.tick(90)
    told = [item for item in records(story.sent, Anomaly) if item.metric == "clock"]
    assert [(item.worker, item.severity, item.end is None) for item in told] == [
        ("", "page", True), ("", "page", False),
    ]  # fmt: skip
    assert told[0].text == "the pipeline's clock is 600 s ahead; time goes on without it"


def test_a_fact_that_lasts_is_said_again_so_that_nobody_forgets_it() -> None:
    story = Story(max_hold=1e9)
    story.live(60, "a", "b")
    story.send("a", 60, 1.0, hard=(("nonfinite", "loss", 1.0),))
    for day in range(20):
        story.tick(day * DAY + 7_000)
        story.send("b", day * DAY + 7_000, 1.0, interval=2 * DAY)
    told = [item for item in records(story.sent, Anomaly) if item.metric == "nonfinite"]
    assert len(told) == 5
    assert all(0.0 < after.time - before.time <= 5 * DAY for before, after in pairwise(told))
    assert len({(item.fingerprint, item.start, item.end) for item in told}) == 1
