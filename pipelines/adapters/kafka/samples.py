"""A job's own sample topic on Kafka, as `pipelines.bridge` reads it: messages by partition, offsets with metadata."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

try:
    import confluent_kafka
except ImportError as error:
    raise ImportError("Kafka needs confluent-kafka: pip install 'streamgauge[kafka]'") from error
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streamgauge.pipelines.bridge.blocks import Sample
from streamgauge.tracer.kafka.client import REFILL
from streamgauge.tracer.transport import LogError

_SETTINGS: Final[dict[str, Any]] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.partition.eof": True,
    "session.timeout.ms": 10_000,  # after which the partitions of one that was killed go to another
    "heartbeat.interval.ms": 3_000,
    "queued.max.messages.kbytes": 65_536,
    **REFILL,
    "log_level": 3,
}
_NO_TIME: Final = 0
_log = logging.getLogger(__name__)


class Readers(Protocol):
    """Who is told which partitions are this process's."""

    def begin(self, partition: int, offset: int | None, metadata: str) -> None:
        """A partition is this process's from its committed offset (None: there is none) on."""
        ...

    def end(self, partition: int) -> None:
        """It is no longer."""
        ...


class KafkaSamples:
    """One member of the group that shares the topic's partitions.

    Args:
        settings: of the client: brokers, security.
        group: whose committed offsets say where to go on.
        topic: its whole name.
        readers: told of partitions that come and go, from within `poll`.
    """

    def __init__(self, settings: Mapping[str, Any], group: str, topic: str, readers: Readers) -> None:
        self._topic, self._readers = topic, readers
        self._ended: dict[int, int] = {}  # by partition: the offset at which there was no more
        self._trouble = ""
        client = {**_SETTINGS, **settings, "group.id": group, "error_cb": self._on_error}
        self._consumer = Consumer(client)
        self._consumer.subscribe([topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    def poll(self, limit: int, timeout: float) -> dict[int, list[Sample]]:
        """Up to `limit` messages by partition, in order; none after `timeout` seconds. Raises LogError."""
        found: dict[int, list[Sample]] = {}
        for raw in self._consumer.consume(limit, timeout):
            error, partition = raw.error(), raw.partition() or 0
            if error is None:
                found.setdefault(partition, []).append(_sample(raw))
            elif error.code() == KafkaError._PARTITION_EOF:
                self._ended[partition] = raw.offset() or 0
            else:
                raise self._fault(error)
        return found

    def is_at_end(self, partition: int, offset: int) -> bool:
        """Whether there was no message at an offset when it was last looked for."""
        return self._ended.get(partition, -1) >= offset

    def commit(self, partition: int, offset: int, metadata: str) -> None:
        """Where the partition goes on. Raises LogError, not retryable where another member has the partition now."""
        try:
            place = TopicPartition(self._topic, partition, offset, metadata)
            self._consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:
            raise self._fault(error.args[0]) from error

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        committed = consumer.committed(places, timeout=30.0)
        for place in committed:
            is_known = place.offset >= 0
            self._readers.begin(place.partition, place.offset if is_known else None, place.metadata or "")
        consumer.incremental_assign(committed)

    def _revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            self._readers.end(place.partition)
            self._ended.pop(place.partition, None)

    def _on_error(self, error: KafkaError) -> None:
        self._trouble = error.str()

    def _fault(self, error: KafkaError) -> LogError:
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            return LogError(f"Kafka has no topic {self._topic!r}; name the job's sample topic", retryable=True)
        trouble = f" ({self._trouble})" if self._trouble else ""
        lost = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS)
        text = f"Kafka, topic {self._topic!r}: {error.str()}{trouble}"
        return LogError(text, retryable=error.code() not in lost)


def _sample(raw: confluent_kafka.Message) -> Sample:
    kind, stamp = raw.timestamp()
    return Sample(raw.offset() or 0, 0.0 if kind == _NO_TIME else stamp / 1000, raw.value() or b"")
