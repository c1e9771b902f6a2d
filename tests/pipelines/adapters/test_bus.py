"""What every bus promises to the consumers of the pipeline: the logs in memory, on disk and on a real Kafka alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.wire.offsets import Offsets
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.transport import LogError, MemoryLog, Message


@pytest.fixture(params=["memory", "local", pytest.param("kafka", marks=pytest.mark.real)])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bus]:
    if request.param == "memory":
        yield MemoryLog()
    elif request.param == "local":
        log = LocalLog(tmp_path / "log.db")
        yield log
        log.close()
    else:
        servers = request.getfixturevalue("kafka")
        from tests.pipelines.adapters.kafka import world

        with world.bus(world.topics(servers), tmp_path) as kafka:
            yield kafka


def everything(bus: Bus, topic: str, offsets: dict[str, int] | None = None, batch: int = 100) -> list[Message]:
    """All messages of a topic, as a consumer reads them."""
    reading, found = Offsets(bus, (topic,), offsets or {}), list[Message]()
    while reading.lag(bus):
        read = reading.next(batch)
        found += [message for messages in read.values() for message in messages]
        reading.advance(read)
    return found


def test_every_log_of_a_topic_begins_empty_at_0(bus: Bus) -> None:
    logs = bus.logs("traces")
    assert len(set(logs)) == len(logs) >= 1
    assert dict(bus.bounds("traces")) == dict.fromkeys(logs, (0, 0))
    assert all(bus.read(log, 0, 10) == [] and bus.end(log) == 0 for log in logs)


def test_the_pagers_topic_is_one_log(bus: Bus) -> None:
    assert len(bus.logs("anomalies")) == 1


def test_messages_of_a_key_lie_in_one_log_in_their_order(bus: Bus) -> None:
    keys = [f"job-{number}" for number in range(20)]
    bus.send([("traces", key, b"%d" % number) for number in range(5) for key in keys])
    found = everything(bus, "traces", batch=7)
    for key in keys:
        own = [message for message in found if message.key == key]
        assert [message.value for message in own] == [b"0", b"1", b"2", b"3", b"4"]
        assert len({message.partition for message in own}) == 1
    assert {message.topic for message in found} == {"traces"}


def test_what_was_sent_is_there_for_who_asks_for_the_end_and_the_next_offset_goes_on(bus: Bus) -> None:
    (log,) = bus.logs("anomalies")
    bus.send([("anomalies", "a", b"%d" % number) for number in range(10)])
    assert bus.end(log) == 10
    first = bus.read(log, 0, 4)
    second = bus.read(log, first[-1].offset + 1, 100)
    assert [message.value for message in (*first, *second)] == [b"%d" % number for number in range(10)]
    assert [message.offset for message in (*first, *second)] == list(range(10))
    assert bus.read(log, 10, 100) == []


def test_any_offset_can_be_read_again(bus: Bus) -> None:
    (log,) = bus.logs("anomalies")
    bus.send([("anomalies", "a", b"%d" % number) for number in range(6)])
    assert bus.bounds("anomalies") == {log: (0, 6)}
    for at in (3, 0, 5, 0, 2):
        assert [message.value for message in bus.read(log, at, 2)] == [b"%d" % n for n in range(at, min(6, at + 2))]


def test_a_consumer_that_starts_again_goes_on_where_it_committed(bus: Bus) -> None:
    bus.send([("traces", f"job-{number}", b"%d" % number) for number in range(30)])
    reading = Offsets(bus, ("traces",), {})
    assert reading.lag(bus) == 30
    read = reading.next(10)
    reading.advance(read)
    bus.commit("engine", reading.offsets, b"state")
    offsets, state = bus.committed("engine")
    seen = {message.value for messages in read.values() for message in messages}
    rest = {message.value for message in everything(bus, "traces", offsets)}
    assert (seen & rest, seen | rest) == (set(), {b"%d" % number for number in range(30)})
    assert state == b"state"


def test_a_commit_without_state_keeps_the_state_and_other_offsets(bus: Bus) -> None:
    assert bus.committed("writer") == ({}, None)
    (log,) = bus.logs("anomalies")
    bus.commit("writer", {log: 5, "other": 1}, b"state")
    bus.commit("writer", {log: 7})
    assert bus.committed("writer") == ({log: 7, "other": 1}, b"state")


def test_a_compacted_topic_tells_the_last_value_of_each_key_until_it_is_removed(bus: Bus) -> None:
    assert bus.latest("control") == {}
    bus.send([("control", "j/p", b"1"), ("control", "j/q", b"2"), ("control", "j/p", b"3")])
    assert list(bus.latest("control").items()) == [("j/p", b"3"), ("j/q", b"2")]
    bus.send([("control", "j/p", b"")])
    assert bus.latest("control") == {"j/q": b"2"}
    with pytest.raises(LogError, match="'traces' is not compacted"):
        bus.latest("traces")


def test_wait_ends_when_something_comes_for_a_log_that_is_read(bus: Bus) -> None:
    (log,) = bus.logs("anomalies")
    assert bus.read(log, 0, 10) == []
    bus.wait(0.0)
    assert not bus.wait(0.01)
    timer = threading.Timer(0.05, bus.send, ([("anomalies", "a", b"1")],))
    timer.start()
    assert bus.wait(30.0)
    timer.join()
    assert [message.value for message in bus.read(log, 0, 10)] == [b"1"]
    bus.wait(0.0)
    assert not bus.wait(0.01)


def test_a_backlog_in_one_topic_holds_up_no_other(bus: Bus) -> None:
    bus.send([("scores", "a", bytes(1000))] * 3000)
    bus.send([("alerts", "a", b"now")])
    reading, found = Offsets(bus, ("scores", "alerts"), {}), list[Message]()
    assert reading.lag(bus) == 3001
    for _ in range(len(reading.logs())):
        read = reading.next(100)
        reading.advance(read)
        found += [message for messages in read.values() for message in messages]
    assert b"now" in {message.value for message in found}


def test_threads_that_send_at_once_lose_and_repeat_nothing(bus: Bus) -> None:
    def produce(name: str) -> None:
        for number in range(20):
            bus.send([("traces", name, b"%d" % number)])

    threads = [threading.Thread(target=produce, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = everything(bus, "traces")
    for name in ("a", "b", "c"):
        assert [message.value for message in found if message.key == name] == [b"%d" % n for n in range(20)]
