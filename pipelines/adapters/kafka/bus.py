"""The bus on Apache Kafka, for the embedded engine: one host, whose state and offsets are in its data folder.

What is promised: what `send` acknowledged is on every replica in sync, each key's messages in order. There is no
transaction: of a `send` that raises, the first messages of each partition may have arrived, and none arrives later. Its
sender sends all again, and that is harmless by identity: outputs and settings carry numbers, a tick not above the
last is nothing, a dead letter is its hash, the verdicts know what was said of an incident. Feedback goes to `traces`
first, where it is only shown, and to `alerts` last, where thresholds learn; on-call is told when it failed.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from streamgauge.pipelines.adapters.kafka.host import KafkaHost
from streamgauge.pipelines.adapters.kafka.logs import KEYED, KafkaLogs, Making, missing
from streamgauge.pipelines.adapters.kafka.reader import KafkaReader
from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.topics import LARGEST
from streamgauge.tracer.kafka.client import Cluster
from streamgauge.tracer.kafka.outbox import Outbox
from streamgauge.tracer.kafka.settings import SettingsError
from streamgauge.tracer.transport import LogError, Message, check_compacted

PATIENCE: Final = 5.0  # seconds that a call waits for brokers
_SPREAD: Final = 1.0  # seconds until every broker knows of a topic that was just made
_RETRY: Final = 1.0
_ENTRY_BYTES: Final = 150  # of a key and a value, beside their own
_QUIET: Final = 60.0  # seconds between two tellings that brokers are awaited
_FOLDER: Final = "folder"
_LEFT_OUT: Final = frozenset({"tensors"})  # who traces no raw arrays needs no such topic
_log = logging.getLogger(__name__)


class _Folder(msgspec.Struct, array_like=True):
    """What a data folder knows of its place on the brokers."""

    version: int
    identity: str
    making: Making | None


class KafkaBuses:
    """The buses of one process, and what they share of the brokers.

    Args:
        kafka: where the brokers are.
        open_state: where offsets and state are committed; called once a thread.

    Raises LogError for settings that no client can be made with.
    """

    def __init__(self, kafka: Kafka, open_state: Callable[[], Bus]) -> None:
        given = kafka.client
        settings = {"message.max.bytes": str(LARGEST)} | given.settings
        self._open_state = open_state
        self._known = self._read()
        try:
            self._cluster = Cluster(msgspec.structs.replace(given, settings=settings), PATIENCE)
            self._logs = KafkaLogs(self._cluster, self._known.making)
        except SettingsError as error:
            raise LogError(str(error), retryable=False) from None
        self._host: KafkaHost | None = None
        self._tables = Tables(self._cluster, self._logs)

    def check(self) -> None:
        """Raises LogError if brokers do not answer, or topics are missing."""
        deadline = time.monotonic() + _SPREAD
        while absent := [topic for topic in self._logs.refresh() if topic not in _LEFT_OUT]:
            if time.monotonic() > deadline:
                raise missing(absent, self._cluster)
            time.sleep(0.05)

    def claim(self, name: str) -> None:
        """Wait for the brokers and become their one host; `name` tells others who it is. Raises LogError."""
        self._await_brokers()
        self._known.making = self._logs.making(KEYED)
        self._write()
        self._host = KafkaHost(self._cluster, self._logs, self._known.identity, name)
        self._host.claim()

    def open(self) -> KafkaBus:
        """A bus for one thread."""
        return KafkaBus(self._cluster, self._logs, self._tables, self._host, self._open_state())

    @property
    def held_bytes(self) -> int:
        """Of the compacted topics' last values. Any thread may ask."""
        return self._tables.held_bytes

    def close(self) -> None:
        """Leave the group of hosts."""
        self._tables.close()
        if self._host is not None:
            self._host.close()

    def _await_brokers(self) -> None:
        quiet_until = 0.0
        while True:
            try:
                return self.check()
            except LogError as error:
                if not error.retryable:
                    raise
                if time.monotonic() >= quiet_until:
                    quiet_until = time.monotonic() + _QUIET
                    _log.warning("waiting for brokers: %s", error)
                time.sleep(_RETRY)

    def _read(self) -> _Folder:
        bus = self._open_state()
        state = bus.committed(_FOLDER)[1]
        bus.close()
        if state:
            return states.read("folder", state, _Folder)
        return _Folder(states.written("folder"), uuid.uuid4().hex, None)

    def _write(self) -> None:
        bus = self._open_state()
        bus.commit(_FOLDER, {}, msgspec.msgpack.encode(self._known))
        bus.close()


class KafkaBus:
    """Kafka as a `pipelines.ports.Bus`: a topic's logs are its partitions. One thread reads, sends, waits at a time."""

    def __init__(
        self, cluster: Cluster, logs: KafkaLogs, tables: Tables, host: KafkaHost | None, states: Bus
    ) -> None:
        self._logs, self._tables, self._host, self._states = logs, tables, host, states
        self._reader, self._reading = KafkaReader(cluster, logs), threading.Lock()
        self._outbox, self._sending = Outbox(cluster), threading.Lock()

    def logs(self, topic: str) -> Sequence[str]:
        """The partitions of a topic, as they are now."""
        return self._logs.logs(topic)

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Append in order; every replica in sync has them when it returns. See the module for when it raises."""
        if not messages:
            return
        self._check_host()
        with self._sending:
            try:
                self._outbox.send(messages)
            except LogError:
                self._outbox.drop()
                raise

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages of a log from `offset` on, prefetched: all that `end` or `bounds` has told of.

        What retention took meanwhile is skipped, counted and said; a log that lost its end is gone on with from there.
        """
        with self._reading:
            return self._reader.read(log, offset, limit)

    def end(self, log: str) -> int:
        """The offset that the next message of the log will have."""
        return self._logs.end(log)

    def bounds(self, topic: str) -> Mapping[str, tuple[int, int]]:
        """By log of a topic: the offset of the oldest message that is still there, and `end`."""
        return self._logs.bounds(topic)

    def wait(self, timeout: float) -> bool:
        """Wait until something came for a log that was read, at most `timeout` seconds."""
        with self._reading:
            return self._reader.wait(timeout)

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """The last value by key of a compacted topic, keys in order."""
        check_compacted(topic)
        return self._tables.latest(topic)

    def commit(
        self, consumer: str, offsets: Mapping[str, int], state: bytes | None = None,
        rows: Mapping[tuple[str, str], bytes | None] | None = None,
    ) -> None:  # fmt: skip
        """Store offsets and state in one transaction of the data folder; the brokers are told the offsets too."""
        self._check_host()
        self._states.commit(consumer, offsets, state, rows)
        if self._host is not None:
            with self._reading:
                self._reader.note(offsets)

    def committed(self, consumer: str) -> tuple[dict[str, int], bytes | None]:
        """What `commit` stored last for this consumer in the data folder; who asks first is who reads with this bus."""
        self._reader.belongs_to(consumer)
        return self._states.committed(consumer)

    def rows(self, consumer: str, key: str) -> Sequence[tuple[str, bytes]]:
        """The rows of one key in the data folder."""
        return self._states.rows(consumer, key)

    @property
    def held_bytes(self) -> int:
        """What is read ahead. Any thread may ask."""
        return self._reader.held_bytes

    def close(self) -> None:
        """Release everything."""
        with self._reading:
            self._reader.close()
        with self._sending:
            self._outbox.close()
        self._states.close()

    def _check_host(self) -> None:
        if self._host is not None:
            self._host.check()


class Tables:
    """The last values by key of the compacted topics, kept up to date; shared by the threads of a process."""

    def __init__(self, cluster: Cluster, logs: KafkaLogs) -> None:
        self._logs = logs
        self._reader, self._lock = KafkaReader(cluster, logs), threading.Lock()
        self._values: dict[str, dict[str, dict[str, bytes]]] = {}  # by topic, log, key
        self._positions: dict[str, int] = {}
        self._sizes: dict[str, int] = {}

    @property
    def held_bytes(self) -> int:
        """Of all of them, about. Any thread may ask."""
        return sum(list(self._sizes.values()))

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """All that was on the topic when it was asked; an empty value is a tombstone."""
        with self._lock:
            bounds = self._logs.bounds(topic)
            logs = {log: self._values.get(topic, {}).get(log, {}) for log in bounds}
            self._values[topic] = logs
            for log in logs:
                self._follow(log, logs[log])
            found = [(key, value) for values in logs.values() for key, value in values.items()]
            self._sizes[topic] = sum(len(key) + len(value) + _ENTRY_BYTES for key, value in found)
            return dict(sorted((key, value) for key, value in found if value))

    def close(self) -> None:
        """Release the client."""
        with self._lock:
            self._reader.close()

    def _follow(self, log: str, values: dict[str, bytes]) -> None:
        while messages := self._reader.read(log, self._positions.get(log, 0), 1000):
            self._positions[log] = messages[-1].offset + 1
            values.update((message.key, message.value) for message in messages)
