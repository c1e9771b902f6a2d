"""What a job tells of itself: events on its log, whatever is traced."""

from __future__ import annotations

import argparse
import json
import math

import numpy as np
import pytest

from streamgauge.tracer import codec, control
from streamgauge.tracer.records import Event, key_of
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog


class Job:
    """One tracer in stream time, and what it sent."""

    def __init__(self, shards: int = 1) -> None:
        self.now, self.log = 10.0, MemoryLog()
        self.tracer = Tracer("ctr", "w", self.log, clock=lambda: self.now, usage=False, shards=shards)

    def events(self) -> list[tuple[str, Event]]:
        assert self.tracer.flush(1.0)
        found = [(message.key, codec.decode(message.value)) for message in self.log.read("traces", 0, 100)]
        return [(key, record) for key, record in found if isinstance(record, Event)]


def test_an_event_is_a_record_of_the_job_at_its_time() -> None:
    job = Job()
    job.tracer.event("pushed", "v7")
    assert job.events() == [("ctr", Event(job="ctr", worker="w", name="pushed", time=10.0, text="v7"))]


def test_in_a_sharded_job_the_shard_that_tells_of_the_job_hears_it() -> None:
    job = Job(shards=16)
    job.tracer.event("pushed", "v7")
    ((key, event),) = job.events()
    assert (key, event.shard) == (key_of("ctr", 0, 16), 0)


def test_it_is_told_while_a_plan_says_off() -> None:
    job = Job()
    plan = control.plan("ctr", "quiet", 1, issued=10.0, expires=600.0, off=True)
    job.log.send([("control", control.key_of("ctr", "quiet"), plan)])
    for job.now in (20.0, 30.0):
        job.tracer.scalar("lr", 0.1)  # without a catalogue no plan is checked
        job.tracer.step(loss=1.0)
        job.tracer.beat()
    assert not job.tracer.is_on
    job.tracer.event("pushed", "v8")
    assert [event.text for _, event in job.events()] == ["v8"]


def test_a_configuration_is_an_event_with_its_names_and_values() -> None:
    job = Job()
    job.tracer.configured({"rate": np.float32(0.5), "layers": [8, 1], "is_deep": True, "decay": math.inf, "seed": None})
    job.tracer.configured(argparse.Namespace(rate=0.25))
    job.tracer.configured({f"name{i}": "x" * 500 for i in range(40)})
    told = [(event.name, json.loads(event.text)) for _, event in job.events()]
    assert told[0] == (
        "configured", {"rate": 0.5, "layers": "[8, 1]", "is_deep": True, "decay": "inf", "seed": None}
    )
    assert told[1] == ("configured", {"rate": 0.25})
    assert told[2][1] == {f"name{i}": "x" * 200 for i in range(9)}  # what an event holds


@pytest.mark.parametrize("values", [7, [("rate", 0.1)], "rate=0.1"])
def test_a_configuration_without_names_is_refused_and_raises_nothing(values: object) -> None:
    job = Job()
    job.tracer.configured(values)
    assert job.events() == []
    assert job.tracer.counters["refused_argument:values"] == 1


@pytest.mark.parametrize("name", ["", "Pushed it", "x" * 61, 7, None])
def test_a_name_that_nobody_could_ask_for_is_refused_and_raises_nothing(name: object) -> None:
    job = Job()
    job.tracer.event(name, "v7")  # type: ignore[arg-type]
    assert job.events() == []
    assert name is None or job.tracer.counters["refused_argument:name"] == 1


def test_its_text_is_what_may_travel() -> None:
    job = Job()
    job.tracer.event("pushed", 41)  # type: ignore[arg-type]
    job.tracer.event("pushed", "a" * 3_000 + chr(0xDC80))
    job.tracer.event("pushed", chr(0xDC80))
    assert [event.text for _, event in job.events()] == ["41", "a" * 2_000, "?"]
