"""The topics of a Kafka cluster: look at them, make them, set their settings. Every fault is a LogError."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from confluent_kafka.cimpl import NewTopic

from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.wire.topics import Topic
from streamgauge.tracer.kafka.client import MISSING, QUIET, Cluster
from streamgauge.tracer.kafka.settings import SettingsError, client_settings
from streamgauge.tracer.transport import LogError

PATIENCE: Final = 15.0


class KafkaTopics:
    """The topics under the configured prefix. Raises LogError for settings that no client can be made with."""

    def __init__(self, kafka: Kafka) -> None:
        self._patience = PATIENCE
        try:
            self._cluster = Cluster(kafka.client, PATIENCE)
            settings: dict[str, Any] = {**QUIET, **client_settings(kafka.client), "error_cb": self._cluster.complain}
            self._admin = AdminClient(settings)
        except SettingsError as error:
            raise LogError(str(error), retryable=False) from error

    def found(self, names: Iterable[str], settings: Iterable[str]) -> dict[str, Topic]:
        """Those of our topics that exist, with some of their settings."""
        with self._told(""):
            known = self._admin.list_topics(timeout=self._patience).topics
            real = {name: known[full] for name in names if (full := self._cluster.topic(name)) in known}
            entries = self._settings(real)
        return {
            name: Topic(
                name,
                len(topic.partitions),
                min((len(partition.replicas) for partition in topic.partitions.values()), default=0),
                {setting: str(entries[name][setting].value) for setting in settings if setting in entries[name]},
            )
            for name, topic in real.items()
            if name in entries
        }

    def create(self, topics: Sequence[Topic]) -> None:
        """Make topics; one that somebody else has made meanwhile stays as it is."""
        made = [
            NewTopic(self._cluster.topic(topic.name), topic.partitions, topic.copies, config=dict(topic.settings))
            for topic in topics
        ]
        answers = self._admin.create_topics(made, operation_timeout=self._patience, request_timeout=self._patience)
        for topic in topics:
            with self._told(topic.name):
                _wait(answers[self._cluster.topic(topic.name)], self._patience, KafkaError.TOPIC_ALREADY_EXISTS)

    def alter(self, topic: str, settings: Mapping[str, str]) -> None:
        """Set some settings of a topic and leave the others as they are."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()
        ]
        full = self._cluster.topic(topic)
        resource = ConfigResource(ResourceType.TOPIC, full, incremental_configs=entries)
        with self._told(topic):
            answers = self._admin.incremental_alter_configs([resource], request_timeout=self._patience)
            _wait(answers[resource], self._patience)

    def delete_before(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Let the records of some partitions with smaller offsets go. Raises LogError."""
        name = self._cluster.topic(topic)
        places = [TopicPartition(name, partition, offset) for partition, offset in sorted(offsets.items())]
        with self._told(topic):
            answers = self._admin.delete_records(places, request_timeout=self._patience)
            for answer in answers.values():
                _wait(answer, self._patience)

    def _settings(self, names: Iterable[str]) -> dict[str, dict[str, ConfigEntry]]:
        asked = {name: ConfigResource(ResourceType.TOPIC, self._cluster.topic(name)) for name in names}
        if not asked:
            return {}
        answers = self._admin.describe_configs(list(asked.values()), request_timeout=self._patience)
        found: dict[str, dict[str, ConfigEntry]] = {}
        for name, resource in asked.items():
            try:
                found[name] = answers[resource].result(self._patience)
            except KafkaException as error:
                if error.args[0].code() not in MISSING:  # just made or deleted: not every broker knows yet
                    raise
        return found

    @contextmanager
    def _told(self, topic: str) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            fault: KafkaError = error.args[0]
            self._admin.poll(0)  # hears what the client complains of
            what = f", topic {self._cluster.topic(topic)!r}" if topic else ""
            text = f"{self._cluster.name}{what}: {fault.str()}{self._cluster.why}"
            raise LogError(text, retryable=fault.retriable()) from error


def _wait(answer: Future[Any], patience: float, *harmless: int) -> None:
    try:
        answer.result(2 * patience)
    except KafkaException as error:
        if error.args[0].code() not in harmless:
            raise
