"""The consumer behind every key: what a stream of records that an operator cannot take costs."""

from __future__ import annotations

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.engines.keyed import KeyedConsumer, Route
from streamgauge.tracer.transport import MemoryLog
from tests.pipelines.engines.tally import Tally, batch


def test_each_record_that_makes_an_operator_fail_is_one_dead_letter_however_many_come() -> None:
    log = MemoryLog()
    consumer = KeyedConsumer(
        log, "engine", "traces", lambda message: Route(message.key), lambda key: Tally(JobConfig(name=key)),
        every=3600.0,
    )  # fmt: skip
    for number in range(30):
        log.send([("traces", "ctr", batch("ctr", worker="poison", sequence=number))])
        while consumer.lag(log):
            consumer.step()
    assert log.end("dead-letters") == 30
