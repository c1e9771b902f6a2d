"""What every log promises, held by the log in memory and the log on disk alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamgauge.pipelines.ports import Bus
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.transport import COMPACTED, LogError, MemoryLog, Transport

KINDS: dict[str, Callable[[Path], Bus]] = {
    "memory": lambda folder: MemoryLog(),
    "local": lambda folder: LocalLog(folder / "log.db"),
}


@pytest.fixture(params=sorted(KINDS))
def log(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    bus = KINDS[request.param](tmp_path)
    yield bus
    bus.close()


def test_offsets_start_at_0_and_are_dense_per_topic(log: Bus) -> None:
    log.send([("traces", "a", b"0"), ("scores", "a", b"x"), ("traces", "b", b"1")])
    log.send([("traces", "a", b"2")])
    messages = [(m.offset, m.key, m.value) for m in log.read("traces", 0, 10)]
    assert messages == [(0, "a", b"0"), (1, "b", b"1"), (2, "a", b"2")]
    assert [m.offset for m in log.read("scores", 0, 10)] == [0]
    assert (log.end("traces"), log.end("scores"), log.end("alerts")) == (3, 1, 0)


def test_read_goes_on_from_an_offset_and_stops_at_the_limit(log: Bus) -> None:
    log.send([("traces", "a", bytes([i])) for i in range(10)])
    assert [m.value[0] for m in log.read("traces", 4, 3)] == [4, 5, 6]
    assert log.read("traces", 10, 3) == []
    assert log.read("never written", 0, 3) == []


def test_nothing_is_sent_when_one_of_the_messages_is_wrong(log: Bus) -> None:
    with pytest.raises((LogError, TypeError)):
        log.send([("traces", "a", b"good"), ("traces", "a", None)])  # type: ignore[list-item]
    assert log.end("traces") == 0
    log.send([("traces", "a", b"next")])
    assert [m.value for m in log.read("traces", 0, 10)] == [b"next"]


def test_a_compacted_topic_keeps_the_last_value_of_each_key(log: Bus) -> None:
    log.send([("control", "j/p", b"1"), ("control", "j/q", b"2"), ("control", "j/p", b"3")])
    assert log.latest("control") == {"j/p": b"3", "j/q": b"2"}
    assert [(m.offset, m.key) for m in log.read("control", 0, 10)] == [(1, "j/q"), (2, "j/p")]
    assert log.end("control") == 3


def test_an_empty_value_removes_its_key_and_readers_see_that(log: Bus) -> None:
    log.send([("status", "w1", b"applied"), ("status", "w2", b"applied")])
    log.send([("status", "w1", b"")])
    assert log.latest("status") == {"w2": b"applied"}
    assert [(m.key, m.value) for m in log.read("status", 2, 10)] == [("w1", b"")]


def test_a_topic_that_is_not_compacted_has_no_latest_values(log: Bus) -> None:
    with pytest.raises(LogError, match="'traces' is not compacted") as caught:
        log.latest("traces")
    assert not caught.value.retryable


def test_commit_without_state_keeps_the_state_and_other_offsets(log: Bus) -> None:
    assert log.committed("engine") == ({}, None)
    log.commit("engine", {"traces": 5, "control": 1}, b"state")
    log.commit("engine", {"traces": 7})
    log.commit("store", {"scores": 2}, b"")
    assert log.committed("engine") == ({"traces": 7, "control": 1}, b"state")
    assert log.committed("store") == ({"scores": 2}, b"")


def test_wait_tells_of_what_came_since_it_last_returned_and_loses_nothing(log: Bus) -> None:
    log.wait(0.0)
    assert not log.wait(0.01)
    log.send([("traces", "a", b"1")])
    assert log.wait(1.0)
    assert not log.wait(0.01)


def test_a_commit_wakes_nobody(log: Bus) -> None:
    log.wait(0.0)
    log.commit("engine", {"traces": 1}, b"state")
    assert not log.wait(0.03)


def test_wait_wakes_when_another_thread_sends(log: Bus) -> None:
    log.wait(0.0)
    threading.Timer(0.05, log.send, ([("traces", "a", b"1")],)).start()
    started = time.monotonic()
    assert log.wait(10.0)
    assert time.monotonic() - started < 5.0


def test_threads_that_send_at_once_lose_and_repeat_nothing(log: Bus) -> None:
    def produce(name: str) -> None:
        for i in range(40):
            log.send([("traces", name, b"%d" % i)])

    threads = [threading.Thread(target=produce, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    messages = log.read("traces", 0, 1000)
    assert [m.offset for m in messages] == list(range(120))
    for name in ("a", "b", "c"):  # each producer's own order is kept
        assert [int(m.value) for m in messages if m.key == name] == list(range(40))


TOPICS = st.sampled_from(["traces", "scores", "control", "status"])
BATCH = st.lists(st.tuples(TOPICS, st.sampled_from(["", "a", "b"]), st.binary(max_size=3)), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(BATCH, max_size=6), offset=st.integers(-1, 12), limit=st.integers(0, 12))
def test_both_logs_answer_alike(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, str, bytes]]], offset: int, limit: int
) -> None:
    memory, local = MemoryLog(), LocalLog(tmp_path_factory.mktemp("log") / "log.db")
    for batch in batches:
        memory.send(batch)
        local.send(batch)
    for topic in ("traces", "scores", "control", "status"):
        assert memory.end(topic) == local.end(topic)
        assert memory.read(topic, offset, limit) == local.read(topic, offset, limit)
        if topic in COMPACTED:
            assert list(memory.latest(topic).items()) == list(local.latest(topic).items())
    local.close()


def test_the_tracer_needs_no_more_than_the_bus_offers(log: Bus) -> None:
    transport: Transport = log
    transport.send([("control", "j/p", b"1")])
    assert transport.latest("control") == {"j/p": b"1"}
