"""What a new worker costs, and a cluster that falls silent at once: counted in steps, not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.tracer.codec import encode
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Tick, TraceBatch
from streamgauge.tracer.transport import LogError, MemoryLog
from tests.pipelines.stream.logs import Echo

T0 = 1_700_000_400.0


def batch(worker: int, pane: float) -> bytes:
    return encode(TraceBatch(
        job="j", worker=f"w{worker}", incarnation="i", sequence=1, pane=pane, pane_length=10.0, interval=10.0,
        watermark=pane + 10.0,
    ))  # fmt: skip


def calls(work: Callable[[], Any]) -> int:
    """Python functions that are called."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def operator(workers: int) -> Operator:
    made = Operator(JobConfig(name="j"), Echo())
    made.on_records([*(batch(worker, T0) for worker in range(workers)), encode(Tick(job="j", time=T0 + 1.0))])
    return made


def test_a_new_worker_costs_the_same_however_many_there_are() -> None:
    few, many = operator(50), operator(400)
    assert calls(lambda: many.on_records([batch(9999, T0)])) <= calls(lambda: few.on_records([batch(9999, T0)])) + 2


def test_a_cluster_that_falls_silent_at_once_costs_each_worker_the_same() -> None:
    def silence(one: Operator) -> int:
        return calls(lambda: one.on_records([encode(Tick(job="j", time=T0 + 45.0))]))

    few, many = silence(operator(50)), silence(operator(400))
    assert many < 8.5 * few
    assert all(worker.member.state == "missing" for worker in operator_silent(400)._job.workers.values())


def operator_silent(workers: int) -> Operator:
    one = operator(workers)
    one.on_records([encode(Tick(job="j", time=T0 + 45.0))])
    return one


def test_the_last_value_of_one_key_is_looked_up_alone(tmp_path: Any) -> None:
    for log in (MemoryLog(), LocalLog(tmp_path / "log.db")):
        log.send([("status", "j/a", b"1"), ("status", "j/b", b"2"), ("status", "j/a", b"3"), ("status", "j/b", b"")])
        found = [log.value_of("status", key) for key in ("j/a", "j/b", "j/c")]
        assert found == [b"3", None, None]
        with pytest.raises(LogError):
            log.value_of("traces", "j/a")
        log.close()
