"""Reading from Kafka without a group: the last values of a compacted topic, kept up to date, and a look at a slice."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Raw

from streamgauge.tracer.kafka.client import MISSING, Cluster
from streamgauge.tracer.transport import LogError, Message

VERIFY: Final = 30.0  # seconds between looks whether the topic was deleted or made again
_BATCH: Final = 1000
_SLICE: Final = 0.1


class Followed:
    """The last value by key of one compacted topic; holes and tombstones in it are passed over.

    The first `catch_up` reads it to its end; one that raises LogError may be tried again and goes on where it was.
    """

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.values: dict[str, bytes] = {}
        self.asked = 0.0  # when, by the monotonic clock
        self.consumer = cluster.consumer()
        self._cluster, self._topic = cluster, topic
        self._next: dict[int, int] = {}  # the offset behind the last one seen, by partition; empty: not assigned yet
        self._unread: dict[int, int] = {}  # the end of each partition that has not been read to it
        self._verified = 0.0

    def catch_up(self) -> None:
        """Take what has come; waits only until everything was read once."""
        deadline = time.monotonic() + self._cluster.patience
        with self._cluster.faults_of(self._topic):
            try:
                if not self._next or not self._is_the_same():
                    self._begin()
                while (self._take(_SLICE if self._unread else 0.0) or self._unread) and time.monotonic() < deadline:
                    pass
            except KafkaException:
                self._next.clear()  # the next time begins anew
                raise
        if self._unread:
            text = f"{self._cluster.name} did not send topic {self._cluster.topic(self._topic)!r} whole in"
            raise LogError(f"{text} {self._cluster.patience:g} s{self._cluster.why}", retryable=True)

    def close(self) -> None:
        """Let go of it."""
        self.consumer.close()

    def _begin(self) -> None:
        self.consumer.unassign()
        self.values.clear()
        bounds, name = self._bounds(), self._cluster.topic(self._topic)
        self.consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in bounds])
        self._next = {number: first for number, (first, _) in bounds.items()}
        self._unread = {number: end for number, (first, end) in bounds.items() if first < end}
        self._verified = time.monotonic()

    def _bounds(self) -> dict[int, tuple[int, int]]:
        name, numbers = self._cluster.topic(self._topic), self._cluster.partitions(self.consumer, self._topic)
        places = [TopicPartition(name, number) for number in numbers]
        return {
            place.partition: self.consumer.get_watermark_offsets(place, timeout=self._cluster.patience)
            for place in places
        }

    def _is_the_same(self) -> bool:
        """Whether the topic is still the one that was read, which an assigned client does not notice by itself."""
        if time.monotonic() - self._verified < VERIFY:
            return True
        self._verified = time.monotonic()
        try:
            bounds = self._bounds()
        except KafkaException as error:
            if error.args[0].code() in MISSING:
                raise
            return True  # brokers are away
        return bounds.keys() == self._next.keys() and all(self._next[number] <= bounds[number][1] for number in bounds)

    def _take(self, timeout: float) -> int:
        taken = self.consumer.consume(_BATCH, timeout)
        for raw in taken:
            error = raw.error()
            if error is None:
                self._keep(message_of(self._topic, raw))
            elif error.code() == KafkaError._PARTITION_EOF:  # also where the last offsets are holes
                self._unread.pop(raw.partition() or 0, None)
            else:
                raise KafkaException(error)
        return len(taken)

    def _keep(self, message: Message) -> None:
        self._next[message.partition] = message.offset + 1
        if message.offset + 1 >= self._unread.get(message.partition, math.inf):
            del self._unread[message.partition]
        if message.value:
            self.values[message.key] = message.value
        else:
            self.values.pop(message.key, None)


def read(cluster: Cluster, log: str, offset: int, limit: int) -> list[Message]:
    """Up to `limit` messages of a partition (`topic/number`; `topic` where it has one) from `offset` on.

    To look at a topic, not to follow it: each call makes a client. Raises LogError.
    """
    topic, _, number = log.partition("/")
    consumer = cluster.consumer()
    try:
        with cluster.faults_of(topic):
            numbers = cluster.partitions(consumer, topic)
            if not number and len(numbers) > 1:
                text = f"topic {topic!r} has {len(numbers)} partitions; read one of {topic}/0 to {topic}/{numbers[-1]}"
                raise LogError(text, retryable=False)
            place = TopicPartition(cluster.topic(topic), int(number or 0))
            first, end = consumer.get_watermark_offsets(place, timeout=cluster.patience)
            place.offset = max(offset, first)
            if place.offset >= end:
                return []
            consumer.assign([place])
            return [message_of(topic, raw) for raw in _slice(cluster, consumer, end, limit)]
    finally:
        consumer.close()


def _slice(cluster: Cluster, consumer: Consumer, end: int, limit: int) -> Sequence[Raw]:
    found: list[Raw] = []
    deadline = time.monotonic() + cluster.patience
    while len(found) < limit and (not found or (found[-1].offset() or 0) + 1 < end) and time.monotonic() < deadline:
        for raw in consumer.consume(min(_BATCH, limit - len(found)), _SLICE):
            error = raw.error()
            if error is None:
                found.append(raw)
            elif error.code() == KafkaError._PARTITION_EOF:
                return found
            else:
                raise KafkaException(error)
    return found


def message_of(topic: str, raw: Raw) -> Message:
    """A record under our name for its topic; what is no text in a foreign key is shown as such."""
    key = bytes(raw.key() or b"").decode(errors="backslashreplace")
    return Message(topic, key, bytes(raw.value() or b""), raw.offset() or 0, raw.partition() or 0)
