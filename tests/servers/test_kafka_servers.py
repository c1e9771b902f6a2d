"""The tests' own Kafka, with a bare client. What it keeps through a kill: tests/tracer/kafka/test_outages.py."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.servers.kafka import KafkaServers
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.real


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


def test_the_shared_broker_serves_what_it_was_given(kafka: KafkaServers) -> None:
    kafka.create("servers-shared")
    produce(kafka, "servers-shared", [b"1"])
    assert consume(kafka, "servers-shared", 1) == [b"1"]
