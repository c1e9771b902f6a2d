"""The model in service: how old it may be is declared or learnt, and too old is told once, at every interleaving."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import JobConfig, WindowSpec
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.paging import lineage, waking, words
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.serving_age import METRIC, ServingAge
from streamgauge.pipelines.stream.shards import Combiner
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer.codec import encode
from streamgauge.tracer.records import Event, Open, Tick, shard_of
from tests.pipelines.reports import partial, presence, report, totals

MINUTE = 60.0
SPEC = (WindowSpec(name="1m", kind="short", length=MINUTE, slide=MINUTE),)
LEARNING = JobConfig(name="ctr", pane=10.0, windows=SPEC)
DECLARED = msgspec.structs.replace(LEARNING, push_interval=900.0)


def pushed(minute: float, version: str = "", name: str = "pushed") -> Change:
    return Change(job="ctr", name=name, time=minute * MINUTE, text=version or f"v{minute:g}")


def window(minute: int) -> Report:
    sound = partial("a", totals("sample", rows=600.0), [])
    return report(sound, window=0, start=(minute - 1) * MINUTE, end=minute * MINUTE, presences=[presence("a")])


def told(stage: Stage2, changes: Sequence[Change], until: int, since: int = 1) -> list[tuple[int, bool]]:
    """The minutes in which the model in service is told to be too old (True) or new again."""
    found = []
    for minute in range(since, until + 1):
        for change in changes:
            if minute - 1 < change.time / MINUTE <= minute:
                stage.on_change(change)
        said = [out for out in stage.on_report(window(minute)) if isinstance(out, Anomaly) and out.metric == METRIC]
        found += [(minute, one.end is None) for one in said]
    return found


def turns(changes: Sequence[Change], until: int) -> list[tuple[int, bool]]:
    """The minutes in which the model in service becomes too old (True) or new again, by a learnt interval."""
    age, found, was = ServingAge(), [], False
    ordered = sorted(changes, key=lambda change: change.time)
    for minute in range(1, until + 1):
        while ordered and ordered[0].time <= minute * MINUTE:
            age.take(ordered.pop(0))
        condition = age.condition(LEARNING, minute * MINUTE)
        if condition is not None and condition.holds is not was:
            was = not was
            found.append((minute, was))
    return found


def test_older_than_four_declared_intervals_is_told_once_and_over_with_the_next_push() -> None:
    assert told(Stage2(DECLARED), [pushed(10), pushed(25), pushed(130)], 140) == [(86, True), (130, False)]


def test_an_interval_is_learnt_in_two_days_and_nights_without_a_push_count() -> None:
    days = [pushed(24 * 60 * day + 60 * hour) for day in range(4) for hour in range(9, 18)]
    assert turns(days, 3 * 24 * 60 + 24 * 60) == []
    friday = 3 * 24 * 60 + 17 * 60
    assert turns(days, friday + 65 * 60) == [(friday + 64 * 60 + 1, True)]


def test_one_outage_is_no_interval() -> None:
    every = [pushed(60 * i) for i in (*range(50), *range(60, 63))]
    assert turns(every, 67 * 60) == [(53 * 60 + 1, True), (60 * 60, False), (66 * 60 + 1, True)]


def test_a_push_that_each_worker_tells_of_is_one() -> None:
    every = [pushed(60 * i + late, f"v{i}") for i in range(50) for late in (0, 7, 3)]
    assert turns(every, 54 * 60) == [(53 * 60 + 1, True)]


def test_a_release_that_was_taken_back_leaves_the_one_before_in_service() -> None:
    changes = [pushed(10, "v1"), pushed(60, "v2"), pushed(61, "v2", name="rolled_back")]
    assert told(Stage2(DECLARED), changes, 90) == [(71, True)]


def test_a_declared_interval_without_any_push_is_told_of() -> None:
    assert told(Stage2(DECLARED), [], 70) == [(62, True)]
    assert told(Stage2(msgspec.structs.replace(DECLARED, unpaged=(METRIC,))), [], 70) == []


def test_it_pages_at_the_place_of_serving_and_says_what_is_usual() -> None:
    stage = Stage2(DECLARED)
    for change in (pushed(10, "ada: ranker 41 (canary)"),):
        stage.on_change(change)
    stage.on_report(window(60))
    (old,) = [out for out in stage.on_report(window(71)) if isinstance(out, Anomaly)]
    assert waking.judged(old, DECLARED).severity == "page"
    assert lineage.node(old) == "serving"
    assert words.describe(old) == "the model in service is 1 h 1 min old (ranker 41); one every 15 min is declared"


@given(st.lists(st.tuples(st.integers(0, 90), st.sampled_from(("v1", "v2", "v3"))), max_size=12), st.integers(0, 99))
def test_the_order_in_which_pushes_are_told_changes_nothing(pushes: list[tuple[int, str]], seed: int) -> None:
    changes = [pushed(10.0 * minute, f"{version}-{minute}") for minute, version in pushes]
    shuffled = random.Random(seed).sample(changes, len(changes))
    ages = [ServingAge(), ServingAge()]
    for age, order in zip(ages, (changes, shuffled), strict=True):
        for change in order:
            age.take(change)
    assert ages[0].condition(LEARNING, 1e6) == ages[1].condition(LEARNING, 1e6)
    kept = ServingAge()
    kept.restore(ages[0].snapshot())
    assert kept.snapshot() == ages[0].snapshot()


@pytest.mark.parametrize("seed", range(3))
def test_shards_that_are_read_at_different_speeds_give_the_same_answer(seed: int) -> None:
    config = msgspec.structs.replace(DECLARED, shards=2, tick=10.0, push_interval=60.0)
    workers = {shard_of(f"w{i}", 2): f"w{i}" for i in range(9)}
    said = []
    for shard in (0, 1):
        log = [encode(Open(job="ctr", shard=shard, shards=2, start=600.0))]
        for k in range(1, 121):
            if k in (9, 40) and shard:
                event = Event(job="ctr", worker=workers[1], name="pushed", time=600.0 + 10 * k, text=f"v{k}")
                log.append(encode(event))
            log.append(encode(Tick(job="ctr", time=600.0 + 10 * k)))
        sent = Operator(config, None, shard).on_records(log)
        said.append([output.value for output in sent if output.topic == "partials"])
    source, combiner, queues = random.Random(seed), Combiner(config, Stage2(config)), [list(part) for part in said]
    found = []
    while any(queues):
        queue = source.choice([queue for queue in queues if queue]) if seed else next(q for q in reversed(queues) if q)
        for output in combiner.on_records([queue.pop(0)]):
            record = outputs.decode(output.value) if output.topic == "anomalies" else None
            if isinstance(record, Anomaly) and record.metric == METRIC:
                found.append((record.time, record.end is None))
        restored = Combiner(config, Stage2(config))
        restored.restore(combiner.snapshot())
        combiner = restored
    assert found == [(960.0, True), (1020.0, False), (1260.0, True)]
