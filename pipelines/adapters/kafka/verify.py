"""Walks the topic `state`, where the Faust engine keeps rows: which are damaged, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streamgauge.pipelines.adapters.sqlite.verify import Finding, Walked, damaged_rows
from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.engines.faust.state import latest, read
from streamgauge.pipelines.engines.keeping import manifests_of
from streamgauge.pipelines.wire.kept import Stored
from streamgauge.tracer.kafka.client import QUIET, Cluster
from streamgauge.tracer.kafka.follow import message_of
from streamgauge.tracer.kafka.settings import client_settings
from streamgauge.tracer.transport import LogError

_PATIENCE: Final = 15.0  # seconds without any answer
_TOPIC: Final = "state"
_SETTINGS: Final[dict[str, Any]] = {
    "group.id": "streamgauge-verify", "enable.auto.commit": False, "enable.partition.eof": True,
    "auto.offset.reset": "earliest", "isolation.level": "read_committed",
}  # fmt: skip
_REMEDY: Final = "stop all hosts, delete the topic and make it anew (streamgauge topics --create); traces is read again"


def walk_state(kafka: Kafka) -> Walked:
    """The rows of all partitions. Raises LogError."""
    cluster = Cluster(kafka.client, _PATIENCE)
    name, looked, findings = cluster.topic(_TOPIC), 0, list[Finding]()
    with cluster.faults_of(_TOPIC):
        consumer = Consumer({**QUIET, **client_settings(kafka.client), **_SETTINGS, "error_cb": cluster.complain})
        try:
            for partition in cluster.partitions(consumer, _TOPIC):
                found, rows = _walked(partition, latest(_records(consumer, name, partition)))
                looked += rows
                findings += found
        finally:
            consumer.close()
    return Walked(Path(name), {"rows of state": looked}, findings)


def _walked(partition: int, there: dict[str, bytes]) -> tuple[list[Finding], int]:
    where = f"partition {partition}"
    try:
        found = read(partition, there)
        manifests = {} if found is None else manifests_of(found.commit.state)
    except ValueError as error:
        return [Finding(where, str(error), _REMEDY)], 0
    rows = {} if found is None else found.commit.rows
    findings: list[Finding] = []
    for key, manifest in manifests.items():
        frames = {name: frame for (of, name), frame in rows.items() if of == key and frame is not None}
        findings += damaged_rows(f"{where}, job {key}", Stored(frames, manifest), _REMEDY)
    return findings, len(rows)


def _records(consumer: Consumer, name: str, partition: int) -> Iterator[tuple[str, bytes]]:
    """All committed records of a partition. Raises LogError if nothing comes for long."""
    consumer.assign([TopicPartition(name, partition, 0)])
    while True:
        message = consumer.poll(_PATIENCE)
        if message is None:
            raise LogError(f"{name}/{partition} is not read within {_PATIENCE:g} s", retryable=True)
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            return
        if error is not None:
            raise KafkaException(error)
        one = message_of(_TOPIC, message)
        yield one.key, one.value
