"""A roll-out is a fact of the job once most of its workers began anew; one missing worker of many is a ticket."""

from __future__ import annotations

import pytest

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import JobConfig, Limit
from streamgauge.pipelines.stream import limits
from tests.pipelines.stream.logs import PANE, records
from tests.pipelines.stream.test_rules import Story


def restarted(story: Story, worker: str, at: float, life: str = "second") -> None:
    story.sequences[worker] = 0
    story.send(worker, at, 1.0, incarnation=life)
    story.tick(at + PANE)


def rolled(story: Story) -> list[tuple[float, str]]:
    found = [item for item in records(story.sent, Anomaly) if item.metric == "rollout"]
    return [(item.start, item.text) for item in found]


@pytest.mark.parametrize("is_restored", [False, True])
def test_the_worker_that_makes_most_of_them_new_makes_it_a_roll_out_told_once(is_restored: bool) -> None:
    story = Story()
    story.live(30, "a", "b", "c", "d")
    for i, worker in enumerate("abcd"):
        assert len(rolled(story)) == (i > 2)
        restarted(story, worker, 30.0 + 10 * i)
        if is_restored:
            state, lives = story.operator.snapshot(), Story()
            lives.operator.restore(state)
            story.operator = lives.operator
    assert [text for _, text in rolled(story)] == ["rolled out: 3 of 4 workers began anew within 10 min"]


def test_a_worker_that_crashes_again_and_again_is_no_roll_out() -> None:
    story = Story()
    story.live(30, "a", "b", "c", "d")
    for i in range(6):
        restarted(story, "a", 30.0 + 10 * i, f"life {i}")
    assert rolled(story) == []


def test_restarts_that_lie_apart_are_no_roll_out() -> None:
    story = Story(missing_after=10_000.0, max_hold=10_000.0)
    story.live(30, "a", "b")
    restarted(story, "a", 30.0)
    story.live(700, "b", since=30)
    restarted(story, "b", 700.0)
    assert rolled(story) == []


@pytest.mark.parametrize(("workers", "severity"), [(3, "page"), (4, "ticket")])
def test_a_missing_worker_pages_beyond_three_in_ten(workers: int, severity: str) -> None:
    story = Story(missing_after=60.0)
    names = [f"w{i}" for i in range(workers)]
    story.live(30, *names)
    story.live(150, *names[1:], since=30)
    (missing,) = [item for item in records(story.sent, Anomaly) if item.metric == "missing"]
    assert (missing.worker, missing.severity) == ("w0", severity)


def test_calibration_and_delays_beyond_their_slo_are_limits_that_nobody_declared() -> None:
    job = JobConfig(name="j", slo={"train_delay": 60.0})
    assert {one.metric for one in limits.standing(job)} == {"pcoc", "train_delay_p95"}
    assert {one.metric for one in limits.standing(job, is_cold=True)} == {"train_delay_p95"}
    mine = JobConfig(name="j", limits=(Limit(metric="pcoc", above=3.0),), unpaged=("train_delay_p95",), slo=job.slo)
    assert limits.standing(mine) == ()
