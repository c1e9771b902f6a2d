"""The tests' own Kafka: what it keeps through a kill, alone and as one of three."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers.kafka import KafkaServers

pytestmark = pytest.mark.real
PATIENCE_S = 60.0


def create(servers: KafkaServers, topic: str, copies: int) -> None:
    admin = AdminClient({"bootstrap.servers": servers.bootstrap})
    admin.create_topics([NewTopic(topic, 1, copies)])[topic].result(PATIENCE_S)


def produce(servers: KafkaServers, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": servers.bootstrap, "acks": "all", "log_level": 0})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(PATIENCE_S) == 0


def consume(servers: KafkaServers, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": servers.bootstrap, "group.id": "reader", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(values) < count and time.monotonic() < deadline:
        values += [message.value() or b"" for message in consumer.consume(100, 0.2) if message.error() is None]
    consumer.close()
    return values


def test_one_broker_keeps_its_data_through_a_kill_and_a_restart(kafka_jars: None, tmp_path: Path) -> None:
    servers = KafkaServers(tmp_path)
    try:
        create(servers, "kept", 1)
        produce(servers, "kept", [b"a", b"b"])
        servers.kill()
        servers.start()
        produce(servers, "kept", [b"c"])
        assert consume(servers, "kept", 3) == [b"a", b"b", b"c"]
    finally:
        servers.stop()


def test_the_shared_broker_serves_what_it_was_given(kafka: KafkaServers) -> None:
    create(kafka, "servers-shared", 1)
    produce(kafka, "servers-shared", [b"1"])
    assert consume(kafka, "servers-shared", 1) == [b"1"]


def test_two_of_three_brokers_serve_while_one_is_dead(kafka3: KafkaServers) -> None:
    create(kafka3, "servers-three", 3)
    produce(kafka3, "servers-three", [b"1"])
    kafka3.kill(0)
    produce(kafka3, "servers-three", [b"2"])
    assert consume(kafka3, "servers-three", 2) == [b"1", b"2"]
    kafka3.start(0)
    assert consume(kafka3, "servers-three", 2) == [b"1", b"2"]
