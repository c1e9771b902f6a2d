"""A storm at the defaults, judged by its truth; the whole measure over ten seeds is `python -m benchmarks storm`."""

from __future__ import annotations

from benchmarks import storm as storms
from benchmarks.storms import generator, judging, playing, rival
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.paging.pager import Pager
from tests.growth import lines


def test_a_storm_is_told_as_its_roots_and_few_others_at_the_defaults() -> None:
    storm = generator.storm(3, alerts=1500, hours=0.9)
    ours = judging.judge(storm, playing.told(playing.messages(storm.edges, storm.events, storm.until - 7200)))
    theirs = judging.judge(storm, rival.told(storm.edges, storm.events))
    assert ours.recall > max(0.9, theirs.recall)
    assert ours.justified > max(0.93, theirs.justified)
    assert ours.reduction > max(0.88, theirs.reduction)
    assert ours.hold <= 45.0
    assert ours.hold_p95 <= 90.0


def test_missing_and_spurious_edges_cost_some_roots_only() -> None:
    storm = generator.storm(4, alerts=800, hours=0.5)
    for edges in (generator.without(storm.edges, 0.3, 4), generator.with_spurious(storm.edges, 0.2, 4)):
        assert judging.judge(storm, playing.told(playing.messages(edges, storm.events, 3600.0))).recall > 0.75


def test_an_event_costs_the_same_with_eight_times_as_many_alerts_live() -> None:
    costs = []
    for live in (250, 2000):
        before, timed, count = storms.crowd(live, 400)
        pager = Pager(Config(jobs=(JobConfig(name=playing.JOB),)))
        pager.on_records(before)
        costs.append(lines(lambda pager=pager, timed=timed: pager.on_records(timed)) / count)  # type: ignore[misc]
    assert costs[1] < 1.3 * costs[0]
