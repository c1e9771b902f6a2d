"""A clock that leaps is not followed, one that was set is, and both of its hands are given."""

from __future__ import annotations

import pytest

from streamgauge.tracer import tracer
from streamgauge.tracer.codec import decode, decode_names, points
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.steady import HOLD, Steady
from streamgauge.tracer.transport import MemoryLog


class Host:
    """A wall clock that can be set, and one that only goes forward."""

    def __init__(self) -> None:
        self.ran, self.offset = 100.0, 1_000_000.0
        self.steady = Steady(lambda: self.ran + self.offset, lambda: self.ran)

    def run(self, seconds: float, leap: float = 0.0) -> list[float]:
        """Look once a second; how far the told time is from the true one."""
        self.offset += leap
        errors = []
        for _ in range(round(seconds)):
            self.ran += 1.0
            errors.append(self.steady() - self.ran - 1_000_000.0)
        return errors


@pytest.mark.parametrize("leap", [600.0, 86_400.0, -3_600.0, 1e9])
def test_a_short_leap_moves_nothing_and_is_told_while_it_lasts(leap: float) -> None:
    host = Host()
    assert host.run(5, leap) == [0.0] * 5
    assert host.steady.leap == leap
    assert host.run(5, -leap) == [0.0] * 5
    assert host.steady.leap == 0.0


@pytest.mark.parametrize("leap", [30.0, -30.0, 3_600.0, -3_600.0])
def test_a_clock_that_was_set_is_followed_after_a_minute(leap: float) -> None:
    errors = Host().run(HOLD + 3, leap)
    assert errors[: int(HOLD)] == [0.0] * int(HOLD)
    assert errors[-1] == leap


def test_slewing_is_followed_at_once() -> None:
    host = Host()
    for _ in range(50):
        assert host.run(1, 0.4)[-1] == pytest.approx(host.offset - 1_000_000.0)
    assert host.steady.leap == 0.0


def test_a_leap_during_a_leap_begins_anew() -> None:
    host = Host()
    host.run(HOLD - 5, 600.0)
    assert host.run(10, 600.0) == [0.0] * 10


def test_a_leap_that_lasts_is_not_followed_while_the_workers_go_on_and_the_way_back_is_automatic() -> None:
    host = Host()
    for second in range(600):
        host.steady.hear(host.ran + 1_000_000.0 - 10.0)
        assert host.run(1, 600.0 if not second else 0.0) == [0.0]
    assert host.steady.leap == 600.0
    assert host.run(5, -600.0) == [0.0] * 5
    assert host.steady.leap == 0.0


def test_a_clock_that_was_set_right_is_followed_where_the_workers_say_so_too() -> None:
    host = Host()
    errors = []
    for second in range(round(HOLD) + 3):
        host.steady.hear(host.ran + 1_000_000.0 + 3_600.0)
        errors += host.run(1, 3_600.0 if not second else 0.0)
    assert errors[-1] == 3_600.0


def test_workers_that_are_silent_hold_no_clock_back() -> None:
    host = Host()
    host.steady.hear(host.ran + 1_000_000.0)
    assert host.run(HOLD + 3, 3_600.0)[-1] == 3_600.0


def test_the_time_of_a_process_is_the_wall_time() -> None:
    import time

    assert abs(Steady()() - time.time()) < 0.5


class Job:
    """A tracer on such a host, and what it has sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = Host()
        monkeypatch.setattr(tracer, "Steady", lambda: self.host.steady)
        self.log = MemoryLog()
        self.tracer = tracer.Tracer("ctr", "w", self.log, pane=10.0, usage=False)

    def run(self, seconds: int, leap: float = 0.0) -> None:
        """Train once a second."""
        self.host.offset += leap
        for _ in range(seconds):
            self.host.ran += 1.0
            self.tracer.step(loss=0.5)
            assert self.tracer.flush(5.0)

    def batches(self) -> list[TraceBatch]:
        found = [decode(message.value) for message in self.log.read("traces", 0, 10_000)]
        return [one for one in found if isinstance(one, TraceBatch)]

    def steps(self) -> dict[float, float]:
        """Steps by pane, seconds after the host's start."""
        counted: dict[float, float] = {}
        for batch in self.batches():
            names = decode_names(batch.names)
            for index, value in zip(points(batch).index.tolist(), points(batch).value.tolist(), strict=True):
                if names[index].name == "steps":
                    pane = batch.pane - 1_000_000.0
                    counted[pane] = counted.get(pane, 0.0) + value
        return counted


def test_a_worker_whose_clock_leaps_a_day_for_5_s_loses_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(monkeypatch)
    job.run(20)
    job.run(5, 86_400.0)
    job.run(25, -86_400.0)
    job.tracer.close()
    assert job.steps() == {100.0: 9.0, 110.0: 10.0, 120.0: 10.0, 130.0: 10.0, 140.0: 10.0, 150.0: 1.0}
    assert {fact for batch in job.batches() for fact in batch.hard} == {("clock", "", 86_400.0)}


def test_a_worker_whose_clock_is_set_an_hour_back_goes_on_there_under_a_new_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = Job(monkeypatch)
    job.tracer.observe({}, ids=["a", "b"])
    job.run(20)
    job.run(80, -3_600.0)
    job.tracer.label(["a"], [1])
    job.tracer.close()
    lives = list(dict.fromkeys(batch.incarnation for batch in job.batches()))
    assert len(lives) == 2
    assert sum(job.steps().values()) == 100.0
    assert max(pane for pane in job.steps() if pane < 0) >= 180.0 - 3_600.0 - 20.0
    names = [decode_names(batch.names) for batch in job.batches() if batch.incarnation == lives[1]]
    assert any(name.name == "settled" for found in names for name in found), "what waits for its label still does"
