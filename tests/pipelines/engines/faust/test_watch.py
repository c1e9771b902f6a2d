"""What Faust leaves out is noticed at the end of the log, and only there."""

from __future__ import annotations

import pytest

from streamgauge.pipelines.engines.faust.watch import Watch
from streamgauge.tracer.transport import LogError


def test_what_came_since_the_last_look_is_not_left_out() -> None:
    watch = Watch()
    for end in range(10, 100):
        assert watch.left_out({0: end}, {0: end - 1}) == {}


def test_a_backlog_that_is_worked_off_is_not_left_out() -> None:
    watch = Watch()
    assert [watch.left_out({0: 1000}, {0: done}) for done in range(0, 1000, 10)] == [{}] * 100


def test_partitions_that_others_have_and_ends_that_no_broker_told_are_passed_over() -> None:
    watch = Watch()
    assert watch.left_out({0: 9, 1: 9}, {1: 9, 2: 0}) == {}
    assert watch.left_out({}, {1: 0, 2: 0}) == {}
    assert watch.left_out({0: 9, 1: 9}, {1: 9, 2: 0}) == {}


def test_a_long_gap_is_read_in_parts() -> None:
    watch = Watch()
    watch.left_out({3: 25_000}, {3: 0})
    assert watch.left_out({3: 25_000}, {3: 0}) == {3: 10_000}


def test_faust_that_brings_nothing_any_more_is_an_error_but_not_faust_that_lost_its_place_now_and_then() -> None:
    watch = Watch()
    for look in range(300):
        watch.left_out({0: look + 1}, {0: 0})
        if look % 80 == 79:
            watch.came(0)
    for look in range(300, 329):
        watch.left_out({0: look + 1}, {0: 0})
    with pytest.raises(LogError, match="traces/0 for 90 s"):
        watch.left_out({0: 400}, {0: 0})
