"""One answer: the recorded logs through every engine, and what differs in a log but must not change what is said."""

from __future__ import annotations

import msgspec
import pytest

from streamgauge.pipelines.engines.keyed import KeyedConsumer, Route
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import Counters, DeadLetter
from streamgauge.tracer.transport import MemoryLog
from tests.engines import answers, logs
from tests.engines.answers import Answer, Run


def test_the_recorded_logs_hold_what_they_are_for(reference: Run) -> None:
    said = answers.of_job(reference.answers, "plain")
    assert {one.said.split(b'"')[1] for one in said if one.topic == "anomalies"} == {b"Anomaly", b"Tick"}
    assert _counts(reference, "plain")["late"] == 0
    assert _counts(reference, "late")["late"] > 0
    assert _counts(reference, "duplicated")["duplicate"] > 100
    reasons = {letter.reason for letter in _letters(reference)}
    assert {"truncated", "unknown job", "wrong key", "version", "names"} <= reasons


def test_the_size_of_a_batch_changes_nothing(reference: Run) -> None:
    assert answers.embedded(1).answers == reference.answers


@pytest.mark.parametrize("variant", ["shuffled", "sharded"])
def test_neither_interleaving_nor_sharding_changes_what_is_said(reference: Run, variant: str) -> None:
    assert answers.of_job(reference.answers, variant) == answers.of_job(reference.answers, "plain")


@pytest.mark.parametrize("variant", ["duplicated", "poisoned"])
def test_repeats_and_poison_change_counters_and_dead_letters_only(reference: Run, variant: str) -> None:
    said, plain = (_without_counts(answers.of_job(reference.answers, job)) for job in (variant, "plain"))
    assert said == plain


@pytest.mark.parametrize("batch", [1, 50])
def test_one_log_of_anomalies_gives_the_same_alerts(reference: Run, batch: int) -> None:
    assert _paged(reference.log, batch) == _paged(reference.log, 1000)


def _paged(log: MemoryLog, batch: int) -> list[bytes]:
    """What the pager says of the anomalies of a run, byte for byte."""
    own = MemoryLog()
    own.send([(one.topic, one.key, one.value) for one in log.read("anomalies", 0, 10**6)])
    paging = assembly.Paging(logs.config(), own)
    consumer = KeyedConsumer(
        own, "pager", "anomalies", lambda message: Route(""), lambda key: paging.make(), batch=batch
    )
    while consumer.step():
        pass
    alerts = [message.value for message in own.read("alerts", 0, 10**6)]
    assert alerts
    return alerts


def _counts(run: Run, job: str) -> dict[str, int]:
    """The counters that were said last of a job."""
    said = [outputs.decode(one.value) for one in run.log.read("scores", 0, 10**6) if one.key == job]
    return dict(max((one for one in said if isinstance(one, Counters)), key=lambda one: one.time).counts)


def _letters(run: Run) -> list[DeadLetter]:
    return [outputs.decode(one.value) for one in run.log.read("dead-letters", 0, 10**6)]


def _without_counts(said: frozenset[Answer]) -> frozenset[Answer]:
    counted = {"Counters", "DeadLetter"}
    return frozenset(one for one in said if msgspec.json.decode(one.said)[0] not in counted)
