"""The bus on a real Kafka where it is unlike a log of one's own: brokers, topics, hosts and limits that change."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from streamgauge.pipelines.adapters.kafka import host, logs
from streamgauge.pipelines.adapters.kafka.bus import KafkaBus
from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.engines.keyed import KeyedConsumer, Route
from streamgauge.pipelines.paging.outbox import Outbox
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.offsets import Offsets
from streamgauge.pipelines.wire.outputs import DeadLetter, Output
from streamgauge.pipelines.wire.topics import LARGEST
from streamgauge.tracer.codec import identity_of
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.transport import LogError, Message
from tests.pipelines.adapters.kafka import world as kafka_world
from tests.pipelines.adapters.kafka.world import PATIENCE_S, until
from tests.servers.kafka import KafkaServers

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that end and topics that are looked at sooner than on a cluster."""
    monkeypatch.setattr(host, "SESSION", 2.0)
    monkeypatch.setattr(logs, "_REFRESH", 0.2)
    monkeypatch.setattr(logs, "_SOON", 0.2)


@pytest.fixture
def world(kafka: KafkaServers) -> Kafka:
    return kafka_world.topics(kafka)


@pytest.fixture
def bus(world: Kafka, tmp_path: Path) -> Iterator[KafkaBus]:
    with kafka_world.bus(world, tmp_path) as made:
        yield made


def says(act: Callable[[], object], text: str) -> bool:
    try:
        act()
    except LogError as error:
        return text in str(error)
    return False


def administer(world: Kafka, act: Callable[[AdminClient], Mapping[Any, Future[Any]]]) -> None:
    client = AdminClient({"bootstrap.servers": world.bootstrap})  # it has to outlive what it was asked
    for answer in act(client).values():
        answer.result(PATIENCE_S)


def read_all(reading: Offsets, bus: KafkaBus) -> list[bytes]:
    found: list[Message] = []
    while reading.lag(bus):
        read = reading.next(100)
        reading.advance(read)
        found += [message for messages in read.values() for message in messages]
    return [message.value for message in found]


def delete_before(world: Kafka, topic: str, partition: int, offset: int) -> None:
    place = TopicPartition(world.prefix + topic, partition, offset)
    administer(world, lambda client: client.delete_records([place]))


class Echo:
    """An operator that sends what it gets on to `scores`, the first record `times` over."""

    def __init__(self, times: int = 1) -> None:
        self.times = times

    def on_records(self, records: list[bytes]) -> list[Output]:
        return [Output("scores", "a", record * (self.times if record == b"big" else 1)) for record in records]

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        pass


def test_a_second_host_is_refused_with_who_the_first_one_is(world: Kafka, tmp_path: Path) -> None:
    with kafka_world.buses(world, tmp_path / "one", takes=True) as first:
        mine = first.open()
        with pytest.raises(LogError, match=r"another streamgauge runs on Kafka at .*test in .*one at /127.0.0.1"):
            kafka_world.buses(world, tmp_path / "other", takes=True).__enter__()
        mine.send([("scores", "a", b"still mine")])
        mine.close()


def test_after_a_crash_the_same_folder_goes_on_at_once_and_the_old_process_can_write_no_more(
    world: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "SESSION", 30.0)
    with kafka_world.buses(world, tmp_path, takes=True) as crashed:  # as if it hung: its session lives on
        old, started = crashed.open(), time.monotonic()
        with kafka_world.buses(world, tmp_path, takes=True) as again:
            assert time.monotonic() - started < 30.0, "it need not wait for the session's end"
            new = again.open()
            new.send([("scores", "a", b"1")])
            why = "another streamgauge runs with a copy of this data folder"
            until(lambda: says(lambda: old.send([("scores", "a", b"2")]), why))
            new.close()
        old.close()


def test_a_host_whose_name_was_taken_by_nobody_who_lives_has_its_place_again(world: Kafka, tmp_path: Path) -> None:
    """As when the broker dies that knew who came last under the name."""
    with kafka_world.buses(world, tmp_path, takes=True) as buses:
        bus, mine = buses.open(), buses._host
        assert mine is not None
        taker = Consumer({
            "bootstrap.servers": world.bootstrap, "group.id": mine._group, "group.instance.id": mine._identity,
            "session.timeout.ms": 6000, "partition.assignment.strategy": "cooperative-sticky",
        })  # fmt: skip
        taker.subscribe([mine._cluster.topic("anomalies")])
        until(lambda: taker.poll(0.1) is None and bool(mine._fault))
        taker.close()  # it leaves without a word, as members with a name do
        until(lambda: not says(mine.check, ""))
        bus.send([("scores", "a", b"again mine")])
        bus.close()


def test_another_folder_has_the_place_soon_after_the_first_host_is_gone(world: Kafka, tmp_path: Path) -> None:
    with kafka_world.buses(world, tmp_path / "one", takes=True):
        pass
    with kafka_world.buses(world, tmp_path / "other", takes=True) as other:
        bus = other.open()
        bus.send([("scores", "a", b"1")])
        bus.close()


def test_what_retention_took_is_counted_said_and_no_lag(
    world: Kafka, bus: KafkaBus, caplog: pytest.LogCaptureFixture
) -> None:
    (log,) = bus.logs("anomalies")
    bus.send([("anomalies", "a", b"%d" % number) for number in range(10)])
    assert len(bus.read(log, 0, 3)) == 3
    delete_before(world, "anomalies", 0, 7)
    reading = Offsets(bus, ("anomalies",), {log: 3})
    assert reading.lag(bus) == 3
    bus.close()  # as a restart: it asks for 3
    with caplog.at_level(logging.ERROR):
        assert read_all(reading, bus) == [b"7", b"8", b"9"]
    assert "begins at 7: 4 messages went by the brokers' retention" in caplog.text
    delete_before(world, "anomalies", 0, 10)
    assert Offsets(bus, ("anomalies",), {}).lag(bus) == 0


def test_a_topic_that_is_deleted_is_told_and_one_made_anew_is_read_from_its_beginning(
    world: Kafka, bus: KafkaBus
) -> None:
    (old,) = bus.logs("scores")[:1]
    bus.send([("scores", "a", b"%d" % number) for number in range(10)])
    reading = Offsets(bus, ("scores",), {})
    assert len(read_all(reading, bus)) == 10
    administer(world, lambda client: client.delete_topics([f"{world.prefix}scores"]))
    until(lambda: says(lambda: bus.logs("scores"), "streamgauge topics --create"))
    kafka_world.make(world, "scores")
    until(lambda: bool(bus.logs("scores")))
    assert old not in bus.logs("scores")
    until(lambda: bus.send([("scores", "a", b"new %d" % number) for number in range(20)]) is None)
    assert read_all(reading, bus) == [b"new %d" % number for number in range(20)]


def test_more_partitions_of_traces_stop_the_engine_with_what_to_do_also_after_a_restart(
    world: Kafka, tmp_path: Path
) -> None:
    with kafka_world.buses(world, tmp_path, takes=True) as first:
        bus = first.open()
        consumer = KeyedConsumer(bus, "engine", "traces", lambda message: Route("a"), lambda key: Echo())
        assert consumer.step() == 0
        name = f"{world.prefix}traces"
        administer(world, lambda client: client.create_partitions([NewPartitions(name, 4)]))
        until(lambda: says(lambda: consumer.step(), "3 when its jobs began: their keys have moved. Stop the jobs"))
        bus.close()
    with pytest.raises(LogError, match="has 4 partitions, 3 when its jobs began"):
        kafka_world.buses(world, tmp_path, takes=True).__enter__()


def test_more_partitions_of_another_topic_are_read_too(world: Kafka, bus: KafkaBus) -> None:
    reading, name = Offsets(bus, ("scores",), {}), f"{world.prefix}scores"
    bus.send([("scores", "a", b"before")])
    assert read_all(reading, bus) == [b"before"]
    administer(world, lambda client: client.create_partitions([NewPartitions(name, 9)]))
    until(lambda: len(bus.logs("scores")) == 9)
    producer = Producer({"bootstrap.servers": world.bootstrap})
    for partition in range(9):
        until(lambda at=partition: produced(producer, name, at))  # type: ignore[misc]
    assert sorted(read_all(reading, bus)) == [b"%d" % number for number in range(9)]


def produced(producer: Producer, topic: str, partition: int) -> bool:
    failed: list[object] = []
    try:
        producer.produce(topic, b"%d" % partition, b"a", partition, on_delivery=lambda e, m: e and failed.append(e))
    except Exception:
        return False
    return producer.flush(PATIENCE_S) == 0 and not failed


def test_an_output_that_no_broker_takes_is_a_dead_letter_and_the_next_is_sent(
    world: Kafka, bus: KafkaBus
) -> None:
    bus.send([("traces", "a", b"1"), ("traces", "a", b"big"), ("traces", "a", b"2")])
    consumer = KeyedConsumer(bus, "engine", "traces", lambda message: Route("a"), lambda key: Echo(LARGEST))
    until(lambda: consumer.step() == 3)
    assert read_all(Offsets(bus, ("scores",), {}), bus) == [b"1", b"2"]
    (letter,) = (outputs.decode(value) for value in read_all(Offsets(bus, ("dead-letters",), {}), bus))
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.topic, letter.identity) == (
        "refused by the log", "scores", identity_of(b"big" * LARGEST),
    )
    assert "at most" in letter.text and len(letter.data) < 20_000
    assert consumer.lag(bus) == 0


def test_ordinary_tools_see_how_far_each_consumer_is(world: Kafka, tmp_path: Path) -> None:
    with kafka_world.buses(world, tmp_path, takes=True) as several:
        bus = several.open()
        bus.send([("traces", f"job-{number}", b"x") for number in range(20)])
        consumer = KeyedConsumer(bus, "engine", "traces", lambda message: Route("a"), lambda key: Echo(), every=0.0)
        until(lambda: not consumer.lag(bus) or not consumer.step())
        consumer.commit()
        ends = [end for _, end in bus.bounds("traces").values()]
        bus.close()
    tool = Consumer({"bootstrap.servers": world.bootstrap, "group.id": f"{world.prefix}streamgauge-engine"})
    places = [TopicPartition(f"{world.prefix}traces", number) for number, end in enumerate(ends) if end]
    until(lambda: [place.offset for place in tool.committed(places, 10)] == [end for end in ends if end])
    tool.close()


def test_a_notifier_that_is_new_to_brokers_is_told_what_comes_from_now_on(world: Kafka, tmp_path: Path) -> None:
    class Phone:
        name = "phone"

        def notify(self, notification: object) -> None:
            raise AssertionError("told of the past")

    with kafka_world.buses(world, tmp_path, takes=True) as several:
        bus = several.open()
        bus.send([("alerts", "a", b"the past")])
        outbox = Outbox(bus, Phone())
        assert (outbox.lag(bus), outbox.step()) == (0, 0)
        bus.close()


def test_a_data_folder_taken_to_other_topics_reads_them_from_their_beginning(
    kafka: KafkaServers, world: Kafka, tmp_path: Path
) -> None:
    with kafka_world.buses(world, tmp_path, takes=True) as here:
        bus = here.open()
        bus.send([("scores", "a", b"here")])
        reading = Offsets(bus, ("scores",), {})
        read_all(reading, bus)
        bus.commit("writer", reading.offsets)
        bus.close()
    with kafka_world.buses(kafka_world.topics(kafka), tmp_path, takes=True) as there:
        bus = there.open()
        bus.send([("scores", "a", b"there")])
        assert read_all(Offsets(bus, ("scores",), bus.committed("writer")[0]), bus) == [b"there"]
        bus.close()
    assert LocalLog(tmp_path / "kafka.db").committed("writer")[0] == reading.offsets


def test_missing_topics_are_named_with_the_command_that_makes_them_and_none_is_made(
    kafka: KafkaServers, tmp_path: Path
) -> None:
    empty = Kafka(bootstrap=kafka.bootstrap, prefix="nobody-made-these.")
    named = r"no topics 'nobody-made-these.traces', .*`streamgauge topics --create`"
    with pytest.raises(LogError, match=named) as caught:
        kafka_world.buses(empty, tmp_path, takes=True).__enter__()
    assert not caught.value.retryable
    client = AdminClient({"bootstrap.servers": kafka.bootstrap})
    assert not [name for name in client.list_topics(timeout=PATIENCE_S).topics if name.startswith(empty.prefix)]
