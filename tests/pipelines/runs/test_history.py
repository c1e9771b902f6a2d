"""The runs of a job: where they begin and end, how they stand, what they ran with."""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.pipelines.runs.history import Run, find, name_of, runs_of

HOUR = 3600.0


def change(name: str, time: float, text: str = "") -> dict[str, Any]:
    return {"name": name, "time": time, "text": text}


def rollout(time: float) -> dict[str, Any]:
    return {"kind": "fact", "metric": "rollout", "start": time}


def runs(
    changes: list[dict[str, Any]], episodes: list[dict[str, Any]] | None = None, *, last: float | None = 9 * HOUR,
    now: float = 9 * HOUR,
) -> list[Run]:  # fmt: skip
    return runs_of(changes, episodes or [], last=last, now=now, slide=60.0)


def test_a_job_that_never_ran_has_no_run() -> None:
    assert runs([change("setting", 0.0)], last=None) == []


@pytest.mark.parametrize(
    ("last", "now", "state"),
    [(None, 60.0, "starting"), (0.0, 60.0, "starting"), (HOUR, HOUR + 180.0, "running"), (HOUR, HOUR + 181.0, "stale")],
)
def test_the_last_run_is_starting_running_or_stale(last: float | None, now: float, state: str) -> None:
    (run,) = runs([change("begin", 0.0)], last=last, now=now)
    assert (run.state, run.end, run.until(now)) == (state, None, now)


def test_a_job_that_ended_has_stopped_and_its_next_begin_is_another_run() -> None:
    first, second = runs([change("begin", 0.0), change("end", HOUR), change("begin", 2 * HOUR)])
    assert (first.state, first.end, first.until(9 * HOUR)) == ("stopped", HOUR, HOUR)
    assert (second.state, second.start, second.began) == ("running", 2 * HOUR, "started")


def test_most_workers_beginning_anew_is_another_run() -> None:
    first, second = runs([change("begin", 0.0)], [rollout(5 * HOUR)])
    assert (first.end, first.state) == (5 * HOUR, "stopped")
    assert (second.start, second.began, second.end) == (5 * HOUR, "rolled out", None)


def test_a_rollout_that_says_what_a_start_says_is_none() -> None:
    changes = [change("begin", 0.0), change("end", HOUR), change("begin", 2 * HOUR)]
    assert len(runs(changes, [rollout(300.0), rollout(1.5 * HOUR), rollout(2 * HOUR + 60.0)])) == 2


def test_what_workers_say_before_they_are_most_of_them_is_of_the_run_that_they_begin() -> None:
    told = [
        change("begin", 0.0), change("configured", 10.0, '{"rate": 0.1, "depth": 4}'), change("pushed", HOUR, "v1"),
        change("configured", 5 * HOUR - 300.0, '{"rate": 0.2}'), change("pushed", 6 * HOUR, "v2"),
    ]  # fmt: skip
    first, second = runs(told, [rollout(5 * HOUR)])
    assert (first.configuration, first.releases) == ({"rate": 0.1, "depth": 4}, ("pushed v1",))
    assert (second.configuration, second.releases) == ({"rate": 0.2}, ("pushed v2",))


def test_what_is_told_between_two_runs_is_of_the_later_one() -> None:
    told = [
        change("configured", -60.0, '{"rate": 0.1}'), change("begin", 0.0), change("end", HOUR),
        change("configured", 2 * HOUR - 5.0, '{"rate": 0.2}'), change("begin", 2 * HOUR),
    ]  # fmt: skip
    assert [run.configuration for run in runs(told)] == [{"rate": 0.1}, {"rate": 0.2}]


@pytest.mark.parametrize("text", ["", "rate=0.1", "[1]", '{"rate": NaN}', "{"])
def test_a_configuration_that_nobody_can_read_is_left_out(text: str) -> None:
    (run,) = runs([change("begin", 0.0), change("configured", 1.0, text)])
    assert run.configuration == {}


def test_a_run_is_found_by_its_place_or_the_beginning_of_its_name() -> None:
    first, second = known = runs([change("begin", 0.0), change("end", HOUR), change("begin", 86400.0)])
    assert find(known, "last") is find(known, "1970-01-02") is second
    assert find(known, "previous") is find(known, name_of(0.0)) is first
    for text, count in (("1970", 2), ("2026", 0), ("", 0)):
        with pytest.raises(LookupError, match=f"{count} runs begin at .*say last, previous, or one of: 1970-01-01T"):
            find(known, text)
    with pytest.raises(LookupError, match="none yet"):
        find([], "last")
