"""The embedded engine: whatever is killed, re-read or busy, what it sends is the same but for repeats."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.combining import combining
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.engines.ticking import CATCH_UP
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.outputs import DeadLetter, Output
from streamgauge.tracer import bounds, codec, records
from streamgauge.tracer.records import Open, Setting, Tick
from streamgauge.tracer.transport import LogError, MemoryLog
from tests.pipelines.engines.tally import Tally, batch, tick

JOBS = (JobConfig(name="a"), JobConfig(name="b", tick=2.0), JobConfig(name="c", shards=2))
LOG = Config(clock="log", jobs=JOBS)
WALL = Config(clock="wall", jobs=JOBS)


def read(log: MemoryLog, topic: str) -> list[Any]:
    kinds = outputs.KINDS | {"tick": Tick}
    return [outputs.decode(message.value, kinds) for message in log.read(topic, 0, 10**6)]


def unique(log: MemoryLog, topic: str) -> list[Any]:
    """What a consumer that drops repeats by number (a tick by its time) keeps."""
    last: dict[str, float] = {}
    kept = []
    for record in read(log, topic):
        kind = f"{record.job}/{type(record).__name__}"
        at = record.time if isinstance(record, Tick) else record.number
        if at > last.get(kind, -math.inf):
            last[kind] = at
            kept.append(record)
    return kept


def drain(engine: Engine) -> None:
    while engine.step():
        pass


def test_outputs_are_sent_and_offsets_committed_with_the_state() -> None:
    log = MemoryLog()
    log.send([("traces", "a", batch("a")), ("traces", "a", tick("a", 10.0))])
    engine = Engine(LOG, log, Tally)
    drain(engine)
    assert [score.micropoints for score in read(log, "scores")] == [1]
    assert engine.consumer.done == 2
    engine.commit()
    assert log.committed("engine")[0] == {"traces": 2}
    again = Engine(LOG, log, Tally)
    log.send([("traces", "a", batch("a", sequence=2)), ("traces", "a", tick("a", 20.0))])
    drain(again)
    assert [score.micropoints for score in read(log, "scores")] == [1, 2]


KINDS = ["a", "b", "tick a", "tick b", "poison", "unknown", "step", "commit", "kill"]
STEPS = st.lists(st.sampled_from(KINDS), max_size=60)


@given(STEPS, st.integers(1, 7))
def test_kills_and_batches_change_nothing_but_repeats(steps: list[str], size: int) -> None:
    log, steady = MemoryLog(), MemoryLog()
    engine, time = Engine(LOG, log, Tally, every=math.inf, batch=size), 0.0
    for step in steps:
        time += 1.0
        if step == "step":
            engine.step()
        elif step == "commit":
            engine.commit()
        elif step == "kill":
            engine = Engine(LOG, log, Tally, every=math.inf, batch=size)
        else:
            message = {
                "poison": ("a", batch("a", "poison")), "unknown": ("x", batch("x")), "tick a": ("a", tick("a", time)),
                "tick b": ("b", tick("b", time)), "a": ("a", batch("a")), "b": ("b", batch("b")),
            }[step]  # fmt: skip
            log.send([("traces", *message)])
            steady.send([("traces", *message)])
    for one in (engine, Engine(LOG, steady, Tally, every=math.inf)):
        for _ in range(200):
            one.step()
    for topic in ("scores", "anomalies"):
        for job in ("a", "b"):  # the promise holds for each job: keys may interleave differently
            kept = [[record for record in unique(one, topic) if record.job == job] for one in (log, steady)]
            assert kept[0] == kept[1]
    assert {d.identity for d in read(log, "dead-letters")} == {d.identity for d in read(steady, "dead-letters")}


@pytest.mark.parametrize(("key", "value", "reason"), [
    ("x", batch("x"), "unknown job"),
    ("a", batch("b"), "wrong key"),
    ("c", batch("c", shard=1, shards=2), "wrong key"),
    ("a", batch("a", shard=3, shards=4), "wrong key"),
    ("a", b"\x95\x01", "truncated"),
    ("a", b"\x00" * (bounds.MAX_BYTES + 1), "oversized"),
    ("a", msgspec.msgpack.encode([9, 1, "a", "w", 0]), "version"),
    ("a", msgspec.msgpack.encode([1, 99, "a", "w", 0]), "kind"),
    ("a", msgspec.msgpack.encode(["x", 1, "a", "w", 0]), "type"),
])  # fmt: skip
def test_what_no_operator_can_use_is_a_dead_letter_with_its_reason(key: str, value: bytes, reason: str) -> None:
    log = MemoryLog()
    log.send([("traces", key, value), ("traces", "a", batch("a")), ("traces", "a", tick("a", 10.0))])
    drain(Engine(LOG, log, Tally))
    (letter,) = read(log, "dead-letters")
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.topic, letter.key, letter.data) == (reason, "traces", key, value)
    assert letter.identity == codec.identity_of(value)
    assert [score.micropoints for score in read(log, "scores")] == [1]


def test_a_record_on_which_an_operator_fails_is_left_out_and_its_key_goes_on() -> None:
    log = MemoryLog()
    for worker in ("w", "poison", "w"):
        log.send([("traces", "a", batch("a", worker))])
    log.send([("traces", "a", tick("a", 10.0))])
    engine = Engine(LOG, log, Tally)
    for _ in range(3):
        engine.step()
    assert [score.micropoints for score in read(log, "scores")] == [2]
    (letter,) = read(log, "dead-letters")
    assert (letter.reason, letter.text) == ("operator failed", "RuntimeError: cannot fold this")


class Full(MemoryLog):
    """A log whose disk is full while `room` is False."""

    room = True

    def send(self, messages: Any) -> None:
        if not self.room:
            raise LogError("log.db is full; free disk space", retryable=True)
        super().send(messages)


def test_what_cannot_be_sent_is_kept_and_not_committed() -> None:
    log = Full()
    log.send([("traces", "a", batch("a")), ("traces", "a", tick("a", 10.0))])
    engine = Engine(LOG, log, Tally, every=0.0)
    log.room = False
    for _ in range(3):
        with pytest.raises(LogError):
            engine.step()
        engine.commit()
    assert log.committed("engine") == ({}, None)
    assert engine.consumer.done == 0
    log.room = True
    drain(engine)
    assert [score.micropoints for score in read(log, "scores")] == [1]
    assert log.committed("engine")[0] == {"traces": 2}


def test_wall_ticks_come_once_for_each_multiple_and_live_key_only() -> None:
    log = MemoryLog()
    engine = Engine(WALL, log, Tally)
    assert engine.tick(100.5) == 0
    log.send([("traces", "a", batch("a")), ("traces", "b", batch("b"))])
    drain(engine)
    start = log.end("traces")
    assert [engine.tick(now) for now in (100.5, 100.9, 101.0, 102.5)] == [2, 0, 1, 2]
    ticks = [codec.decode(message.value) for message in log.read("traces", start, 100)]
    assert ticks == [
        Tick(job="a", time=100.0), Tick(job="b", time=100.0), Tick(job="a", time=101.0), Tick(job="a", time=102.0),
        Tick(job="b", time=102.0),
    ]
    drain(engine)
    assert not any(isinstance(record, Tick) for record in read(log, "anomalies"))


@pytest.mark.parametrize("fails_at", ["tick", "step"])
def test_after_a_log_that_took_nothing_time_waits_for_what_the_workers_kept(fails_at: str) -> None:
    log = Full()
    engine = Engine(WALL, log, Tally)
    log.send([("traces", "a", batch("a"))])
    drain(engine)
    assert engine.tick(100.0) == 1
    log.send([("traces", "x", batch("x"))])  # a dead letter to be sent
    log.room = False
    with pytest.raises(LogError):
        engine.tick(101.0) if fails_at == "tick" else engine.step()
    log.room = True
    drain(engine)
    assert [engine.tick(now) for now in (160.0, 165.0, 160.0 + CATCH_UP)] == [0, 0, 1]


def test_an_unreadable_tick_of_a_driver_stops_nothing() -> None:
    log = MemoryLog()
    log.send([("traces", "a", msgspec.msgpack.encode([1, 3, "a", "", 0, "noon"]))])
    log.send([("traces", "a", batch("a")), ("traces", "a", tick("a", 10.0))])
    drain(Engine(LOG, log, Tally))
    assert [score.micropoints for score in read(log, "scores")] == [1]
    assert len(read(log, "dead-letters")) == 1


def test_with_the_logs_clock_no_ticks_are_written_and_the_pager_gets_them_behind_what_they_caused() -> None:
    log = MemoryLog()
    log.send([("traces", "a", batch("a")), ("traces", "a", tick("a", 10.0)), ("traces", "a", tick("a", 20.0))])
    engine = Engine(LOG, log, Tally)
    drain(engine)
    assert engine.tick(1e9) == 0
    assert [(type(record).__name__, record.time) for record in read(log, "anomalies")] == [
        ("Anomaly", 10.0), ("Tick", 10.0), ("Anomaly", 20.0), ("Tick", 20.0),
    ]


def test_the_first_record_of_a_sharded_job_opens_all_its_shards() -> None:
    log = MemoryLog()
    worker = next(name for name in "uvwxyz" if records.shard_of(name, 2) == 1)
    log.send([("traces", "c/1", batch("c", worker, 1, 2)), ("traces", "c/1", batch("c", worker, 1, 2, 2))])
    drain(Engine(LOG, log, Tally))
    opened = [(m.key, codec.decode(m.value)) for m in log.read("traces", 2, 100)]
    assert opened == [(f"c/{shard}", Open(job="c", shard=shard, shards=2, start=0.0)) for shard in (0, 1)]


def test_the_configuration_is_appended_when_it_differs_from_the_logs() -> None:
    log = MemoryLog()
    assert Engine(LOG, log, Tally).begin() == 4
    assert Engine(LOG, log, Tally).begin() == 0
    changed = Config(clock="log", jobs=(JobConfig(name="a", tick=7.0), *JOBS[1:]))
    assert Engine(changed, log, Tally).begin() == 1
    settings = [codec.decode(message.value) for message in log.read("traces", 0, 100)]
    assert all(isinstance(setting, Setting) for setting in settings)
    assert [(s.job, s.shard, s.revision) for s in settings if isinstance(s, Setting)] == [
        ("a", 0, 1), ("b", 0, 1), ("c", 0, 1), ("c", 1, 1), ("a", 0, 2),
    ]
    last = settings[-1]
    assert isinstance(last, Setting)
    assert msgspec.json.decode(last.body, type=JobConfig) == changed.jobs[0]


def test_reports_of_shards_reach_the_combiner_of_their_job() -> None:
    class Both(Tally):
        def on_records(self, data: list[bytes]) -> list[Output]:
            self.count += len(data)
            return self.emit(float(self.count))

    log = MemoryLog()
    report = Report(job="c", shard=0, shards=2, number=1, window=0, start=0, end=10, revision=0, clock=10)
    log.send([("partials", "c", outputs.encode(report)), ("partials", "?", outputs.encode(report))])
    consumer = combining(LOG, log, Both)
    consumer.step()
    assert [score.job for score in read(log, "scores")] == ["c"]
    assert [letter.reason for letter in read(log, "dead-letters")] == ["unknown job"]
