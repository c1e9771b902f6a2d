"""A file of rows ends the wait: a change pages in the first minutes, what is as in the file pages nobody."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.config.schema import Feature, JobConfig
from streamgauge.pipelines.service.reference_file import Rows, play
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.given import SETTING, parts
from streamgauge.tracer import codec
from streamgauge.tracer.records import Setting, Tick
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

NOW = 1_767_225_600.0  # 2026-01-01
MINUTE = 60.0
JOB = JobConfig(name="ctr", features=(Feature(name="age", kind="numeric"), Feature(name="city", kind="categorical")))


def rows(count: int, seed: int, missing: float = 0.02, rate: float = 0.1) -> Rows:
    generator = np.random.default_rng(seed)
    city = generator.choice(np.array(["Lyon", "Oslo", "Rome"], object), count)
    city[generator.random(count) < missing] = None
    features = {"age": generator.normal(40.0, 9.0, count), "city": city}
    return Rows(features, (generator.random(count) < rate).astype(float))


def settings(given: Rows) -> list[bytes]:
    played = play(given, JOB, NOW)
    bodies = parts("rows.parquet", played.histories, played.sketches)
    return [
        codec.encode(Setting(job="ctr", name=SETTING, revision=i, effective=NOW, body=body))
        for i, body in enumerate(bodies)
    ]


def lived(before: list[bytes], minutes: int, broken: int = 99, labels: int = 0, rate: float = 0.1) -> list[Anomaly]:
    """What pages in a worker's first minutes: from `broken` on a third of the cities is missing; labels come late."""
    found = Operator(JOB, Stage2(JOB)).on_records([*before, *_minutes(minutes, broken, labels, rate)])
    decoded = [outputs.decode(one.value) for one in found if one.topic == "anomalies"]
    return [one for one in decoded if isinstance(one, Anomaly) and one.severity == "page" and one.kind != "fact"]


def _minutes(minutes: int, broken: int, labels: int, rate: float) -> Iterator[bytes]:
    now, log, read = NOW, MemoryLog(), 0
    tracer = Tracer("ctr", "w0", log, clock=lambda: now, features=JOB.features, usage=False, incarnation="1")
    for minute in range(minutes):
        now = NOW + minute * MINUTE + 30.0
        seen = rows(600, 1_000 + minute, 0.33 if minute >= broken else 0.02, rate)
        tracer.step(features=seen.features, labels=seen.labels if minute >= labels else None, rows=600, loss=0.3)
        tracer.flush()
        yield from (one.value for one in log.read("traces", read, 1_000))
        read = log.end("traces")
        yield codec.encode(Tick(job="ctr", time=NOW + (minute + 1) * MINUTE + 1.0))


@pytest.mark.parametrize("is_timed", [False, True])
def test_a_change_pages_in_the_third_minute_of_a_job_with_a_reference(is_timed: bool) -> None:
    given = rows(20_000, 1)
    if is_timed:
        given = given._replace(times=NOW - 400 * 86400.0 + np.sort(np.random.default_rng(2).random(20_000)) * 5 * 86400)
    found = lived(settings(given), 5, broken=2)
    assert {(one.entity, one.metric) for one in found} == {("feature:city", "missing_rate")}
    assert found[0].start == NOW + 2 * MINUTE


def test_without_one_nothing_learnt_pages_for_thirty_minutes() -> None:
    assert not lived([], 5, broken=2)


def test_what_is_as_in_the_file_pages_nobody() -> None:
    assert not lived(settings(rows(20_000, 1)), 12)


def test_the_reference_of_a_series_waits_until_the_series_comes() -> None:
    found = lived(settings(rows(20_000, 1)), 8, labels=4, rate=0.9)
    assert {one.metric for one in found} == {"label_rate"}


def test_the_same_reference_in_any_batches_and_through_a_restart_gives_the_same() -> None:
    messages = [*settings(rows(20_000, 1)), *_minutes(4, 2, 0, 0.1)]
    whole, one = Operator(JOB, Stage2(JOB)), Operator(JOB, Stage2(JOB))
    at_once, by_one = whole.on_records(messages), []
    for message in messages:
        by_one += one.on_records([message])
        data = one.snapshot()
        one = Operator(JOB, Stage2(JOB))
        one.restore(data)
    assert by_one == at_once


def test_a_reference_that_is_damaged_is_a_dead_letter() -> None:
    body = b'{"window": "short", "labels": [["", "sample", "feature:city", "missing_rate"]], "starts": [1.0]}'
    setting = codec.encode(Setting(job="ctr", name=SETTING, revision=1, effective=NOW, body=body))
    (found,) = Operator(JOB, Stage2(JOB)).on_records([setting])
    assert found.topic == "dead-letters"
