"""One host: of all `streamgauge run` on the same brokers and prefix, the one whose group gives it the pager's topic.

The group `<prefix>streamgauge-host` has `anomalies` to give, which has one partition. A member is known by its data
folder, so after a crash the same folder goes on at once; another one waits until the broker has missed the last holder
for `SESSION` seconds, and is refused while that one lives. Whose name is taken joins once more, under another one:
brokers forget who came last under a name when one of them dies, and then nobody holds the place; a copy would.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streamgauge.pipelines.adapters.kafka.logs import KafkaLogs
from streamgauge.tracer.kafka.client import QUIET, Cluster
from streamgauge.tracer.kafka.settings import client_settings
from streamgauge.tracer.transport import LogError

SESSION: Final = 6.0  # seconds: the least that brokers allow by default
_TOPIC: Final = "anomalies"
_SLACK: Final = 1.0
_PATIENCE: Final = 6.0  # to be given the place, beside a dead holder's session
_POLL: Final = 0.2


class KafkaHost(threading.Thread):
    """This process's right to be the host; `take`, then every `check` raises LogError as long as another one has it.

    Args:
        cluster: the brokers.
        logs: to find out who has the place.
        identity: of the data folder, the same after a restart.
        where: how other processes are told who holds it.
    """

    def __init__(self, cluster: Cluster, logs: KafkaLogs, identity: str, where: str) -> None:
        super().__init__(name="kafka-host", daemon=True)
        self._cluster, self._logs, self._identity, self._where = cluster, logs, identity, where
        self._group = f"{cluster.given.prefix}streamgauge-host"
        self._changed = threading.Condition()
        self._is_told, self._is_held, self._fault = False, False, ""
        self._stopping = threading.Event()
        self._names = 1  # that this process has had in the group
        self._until = float("inf")  # by when it has to get the place back that another one took
        self._consumer = self._joined(identity)

    def claim(self) -> None:
        """Become the host. Raises LogError if another process is, or nobody answers."""
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: self._is_told or self._fault, SESSION + self._cluster.patience)
            self._changed.wait_for(lambda: self._is_held or self._fault, SESSION + _SLACK)  # a dead holder's session
        if not self._is_held:
            self.close()
            raise LogError(self._fault or self._refusal(), retryable=False)

    def check(self) -> None:
        """Raises LogError if this process is not, or no more, the host."""
        if self._fault:
            raise LogError(self._fault, retryable=False)
        if not self._is_held:
            text = f"{self._cluster.name} has not renewed this host's place in group {self._group}{self._cluster.why}"
            raise LogError(text, retryable=True)

    def close(self) -> None:
        """Leave. The place stays this folder's for `SESSION` seconds."""
        self._stopping.set()
        if self.is_alive():
            self.join(SESSION)

    def run(self) -> None:
        """The thread's life: heartbeats."""
        while not self._stopping.is_set() and time.monotonic() < self._until:
            message = self._consumer.poll(_POLL)
            error = message.error() if message is not None else None
            if error is not None and (error.fatal() or error.code() == KafkaError._FATAL):
                self._lose_name(error)
        self._consumer.close()

    def _joined(self, name: str) -> Consumer:
        """A member of the group under this name."""
        consumer = Consumer({
            **QUIET, **client_settings(self._cluster.given), "client.id": self._where, "group.id": self._group,
            "group.instance.id": name, "session.timeout.ms": round(SESSION * 1000), "heartbeat.interval.ms": 1000,
            "partition.assignment.strategy": "cooperative-sticky", "enable.auto.commit": False,
            "auto.offset.reset": "latest", "error_cb": self._cluster.complain,
        })  # fmt: skip
        assigned = {"on_assign": self._assigned, "on_revoke": self._revoked, "on_lost": self._revoked}
        consumer.subscribe([self._cluster.topic(_TOPIC)], **assigned)
        return consumer

    def _lose_name(self, error: KafkaError) -> None:
        """Another one has this member's name: join under a new one, and see within a session who holds the place."""
        was_held = self._is_held
        self._set(False, f"another streamgauge runs with a copy of this data folder: {error.str()}")
        if not was_held:
            return
        self._consumer.close()  # a copy that lives keeps the place; what nobody renews is free after a session
        self._names, self._until = self._names + 1, time.monotonic() + SESSION + _PATIENCE
        self._consumer = self._joined(f"{self._identity}-{self._names}")

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        if places:
            consumer.incremental_assign(places)
            consumer.pause(places)  # nothing is read: whose it is counts
            self._until = float("inf")
        is_held = bool(places) or self._is_held  # one that has it is told of nothing new
        self._set(is_held, "" if is_held else self._fault)

    def _revoked(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        if places:
            self._set(False, self._fault)

    def _set(self, is_held: bool, fault: str = "") -> None:
        with self._changed:
            self._is_told, self._is_held, self._fault = True, is_held, fault
            self._changed.notify_all()

    def _refusal(self) -> str:
        """Who holds it, as far as the brokers know."""
        try:
            answer = self._logs.admin.describe_consumer_groups(
                [self._group], request_timeout=self._cluster.patience
            )[self._group].result()
        except KafkaException as error:
            return f"{self._cluster.name} gives no place in group {self._group}: {error.args[0].str()}"
        holders = [f"{one.client_id} at {one.host}" for one in answer.members if one.assignment.topic_partitions]
        if not holders:
            return f"{self._cluster.name} has given no place in group {self._group} in time{self._cluster.why}"
        remedy = "stop it, or give this one another prefix"
        return f"another streamgauge runs on {self._cluster.name}: {', '.join(holders)}; {remedy}"
