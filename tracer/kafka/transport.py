"""The log on Apache Kafka as a tracer uses it: it sends its records there, and follows the control topic.

    tracer = Tracer("ctr", "worker:0", KafkaTransport("broker-1:9092,broker-2:9092"))

On confluent-kafka, not kafka-python, which costs 20 times the CPU and blocks 30 s where the broker is dead; see
`streamgauge.tracer.kafka.client`. Clients are made at the first call in each process, since none survives a fork.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Final

from streamgauge.tracer.kafka.client import Cluster
from streamgauge.tracer.kafka.follow import Followed, read
from streamgauge.tracer.kafka.outbox import Outbox
from streamgauge.tracer.kafka.settings import KafkaSettings
from streamgauge.tracer.transport import LogError, Message, check_compacted

IDLE: Final = 60.0  # seconds after which a topic that nobody asks for is no longer followed
_transports: weakref.WeakSet[KafkaTransport] = weakref.WeakSet()


class KafkaTransport:
    """Brokers as a `tracer.transport.Transport`: threads of a process may share one, and a fork carries it along.

    Args:
        bootstrap: host:port of brokers, separated by commas. They may be down: each call then says so.
        prefix: of every topic's name.
        settings: librdkafka's, passed through: see `streamgauge.tracer.kafka.settings`, also for secrets.
        password_file: holds `sasl.password`.
        patience: seconds that a call waits for brokers before it raises a retryable LogError.

    Raises SettingsError for settings that no client can be made with.
    """

    def __init__(
        self, bootstrap: str, *, prefix: str = "", settings: Mapping[str, str] | None = None, password_file: str = "",
        patience: float = 2.0,
    ) -> None:  # fmt: skip
        given = KafkaSettings(
            bootstrap=bootstrap, prefix=prefix, settings=dict(settings or {}), password_file=password_file
        )
        self._cluster = Cluster(given, patience)
        self._begin()
        _watch_forks()
        _transports.add(self)

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Append (topic, key, value), each key's in order; every replica in sync has them when it returns.

        An empty value removes its key from a compacted topic. Of a batch that fails, the first ones of each partition
        may have been taken; the same tuples sent again are not sent twice.
        """
        with self._turn(self._sending):
            self._outbox.send(messages)

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages of a partition (`topic/number`; `topic` where it has one) from `offset` on."""
        return read(self._cluster, log, offset, limit)

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """The last value by key of a compacted topic, which is followed from the first call on.

        While brokers are away, that is what was seen last; a first call raises a retryable LogError then.
        """
        check_compacted(topic)
        with self._turn(self._following):
            self._forget_idle()
            followed = self._followed.get(topic)
            if followed is None:
                followed = self._followed[topic] = Followed(self._cluster, topic)
            followed.asked = time.monotonic()
            followed.catch_up()
            return dict(sorted(followed.values.items()))

    def close(self) -> None:
        """Wait up to `patience` for what was sent, and let go of everything. It opens again when it is used."""
        with self._turn(self._following):
            for followed in self._followed.values():
                followed.close()
            self._followed.clear()
        with self._turn(self._sending):
            self._outbox.close()

    def begin_anew(self) -> None:
        """In a forked child: the parent's clients are never freed here, as that waits for threads that are not."""
        for client in (self._outbox.producer, *(followed.consumer for followed in self._followed.values())):
            if client is not None:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))
        self._begin()

    def _begin(self) -> None:
        self._sending, self._following = threading.Lock(), threading.Lock()
        self._outbox = Outbox(self._cluster)
        self._followed: dict[str, Followed] = {}

    def _forget_idle(self) -> None:
        before = time.monotonic() - IDLE
        for topic in [topic for topic, followed in self._followed.items() if followed.asked < before]:
            self._followed.pop(topic).close()

    @contextmanager
    def _turn(self, lock: threading.Lock) -> Iterator[None]:
        if not lock.acquire(timeout=self._cluster.patience):
            text = f"{self._cluster.name}: another thread waits for it{self._cluster.why}"
            raise LogError(text, retryable=True)
        try:
            yield
        finally:
            lock.release()


@cache
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_all_anew)


def _begin_all_anew() -> None:
    for transport in list(_transports):
        transport.begin_anew()
