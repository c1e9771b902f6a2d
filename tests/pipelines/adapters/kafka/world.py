"""Topics of its own for each test on a shared broker, and buses on them."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streamgauge.pipelines.adapters.kafka.bus import KafkaBus, KafkaBuses
from streamgauge.pipelines.adapters.kafka.topics import KafkaTopics
from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.wire.topics import wanted
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.transport import LogError
from tests.servers.kafka import KafkaServers
from tests.waiting import PATIENCE_S

_numbers = itertools.count()


def topics(servers: KafkaServers, partitions: int = 3, replication: int = 1) -> Kafka:
    """All topics, made anew under a prefix that nobody has."""
    prefix = f"t{os.getpid()}-{next(_numbers)}."
    kafka = Kafka(bootstrap=servers.bootstrap, prefix=prefix, partitions=partitions, replication=replication)
    make(kafka)
    return kafka


def make(kafka: Kafka, *names: str) -> None:
    """Make these topics, or all."""
    KafkaTopics(kafka).create([topic for topic in wanted(kafka, 86_400.0, {}) if not names or topic.name in names])


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition; a LogError meanwhile is a no."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if holds():
                return
        except LogError:
            pass
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.05)


@contextmanager
def buses(kafka: Kafka, folder: Path, *, takes: bool = False) -> Iterator[KafkaBuses]:
    """The buses of one process, as its host or as a command that only looks on."""
    made = KafkaBuses(kafka, lambda: LocalLog(folder / "kafka.db"))
    if takes:
        made.claim(f"test in {folder}")
    else:
        made.check()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def bus(kafka: Kafka, folder: Path) -> Iterator[KafkaBus]:
    """One bus."""
    with buses(kafka, folder) as several:
        one = several.open()
        try:
            yield one
        finally:
            one.close()
