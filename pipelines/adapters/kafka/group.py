"""How far a consumer group of Kafka is: what an engine in another process has committed there, for the lag's sake."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamgauge.pipelines.config.schema import Kafka
from streamgauge.tracer.kafka.client import QUIET, Cluster
from streamgauge.tracer.kafka.settings import client_settings

_PATIENCE: Final = 5.0
_FRESH: Final = 1.0  # seconds for which an answer is told again


class GroupOffsets:
    """Asks for the offsets that a group has committed in `traces`. Any thread may call.

    Args:
        kafka: the brokers.
        group: its name without the prefix.
    """

    def __init__(self, kafka: Kafka, group: str) -> None:
        self._cluster = Cluster(kafka.client, _PATIENCE)
        settings: dict[str, Any] = {**QUIET, **client_settings(kafka.client), "group.id": kafka.prefix + group}
        self._consumer = Consumer(settings | {"error_cb": self._cluster.complain})
        self._lock = threading.Lock()
        self._asked, self._offsets = float("-inf"), dict[int, int]()

    def __call__(self) -> Mapping[int, int]:
        """The next offset by partition; none where nothing was committed. Raises LogError."""
        with self._lock:
            if time.monotonic() - self._asked > _FRESH:
                with self._cluster.faults_of("traces"):
                    self._offsets = self._ask()
                self._asked = time.monotonic()
            return self._offsets

    def _ask(self) -> dict[int, int]:
        name = self._cluster.topic("traces")
        places = [TopicPartition(name, number) for number in self._cluster.partitions(self._consumer, "traces")]
        answers = self._consumer.committed(places, timeout=_PATIENCE)
        for place in answers:
            if place.error is not None:
                raise KafkaException(place.error)
        return {place.partition: place.offset for place in answers if place.offset >= 0}
