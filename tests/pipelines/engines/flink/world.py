"""Flink engines for tests: in this process or in one of their own, on topics of their own, and what they said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from streamgauge.pipelines.adapters.kafka.bus import KafkaBus
from streamgauge.pipelines.adapters.kafka.group import GroupOffsets
from streamgauge.pipelines.config import loading
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.combining import combining
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.engines.parts import combiner_of, operator_of
from streamgauge.pipelines.wire.topics import GROUPS
from streamgauge.tracer.transport import MemoryLog, Message
from tests.engines import answers
from tests.engines.answers import Answer
from tests.pipelines.adapters.kafka import world as kafka_world
from tests.pipelines.engines import kafka_log
from tests.servers.kafka import KafkaServers
from tests.waiting import until

QUICK = "-Xms64m -Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # starts in half the time


class World:
    """Topics of its own with a log that grows, and the configuration of engines on it."""

    def __init__(self, servers: KafkaServers, folder: Path, jar: Path) -> None:
        self.kafka = kafka_world.topics(servers, partitions=3)
        self.path = kafka_log.configured(folder, self.kafka)
        with self.path.open("a") as file:
            file.write(f'[flink]\nparallelism = 2\ncheckpoint_every = 1\nconnector_jar = "{jar}"\n')
        self.config, self.folder = loading.load(self.path), folder
        self.sent = kafka_log.log_of([])
        self._offsets = GroupOffsets(self.kafka, GROUPS["flink"])

    def at(self, name: str, parallelism: int, savepoint: str = "") -> Config:
        """The configuration with a data folder of its own."""
        flink = msgspec.structs.replace(self.config.flink, parallelism=parallelism, savepoint=savepoint)
        return msgspec.structs.replace(self.config, data=str(self.folder / name), flink=flink)

    def send(self, panes: range) -> None:
        """Append what the workers send in these panes."""
        self.append(kafka_log.log_of(panes))

    def append(self, messages: kafka_log.Sent) -> None:
        """Append these."""
        self.sent += messages
        with self.bus() as bus:
            bus.send(messages)

    def bus(self) -> Any:
        return kafka_world.bus(self.kafka, self.folder)

    def lag(self, bus: KafkaBus) -> int:
        """Messages that no checkpoint has."""
        return kafka_log.group_lag(self._offsets, bus)

    def wait(self, is_well: Callable[[], bool]) -> None:
        """Until a checkpoint has all."""
        with self.bus() as bus:
            self._end(bus, is_well)
            assert is_well(), "the engine has ended"

    def check(self, is_well: Callable[[], bool], dead: int = 0) -> None:
        """Wait until all is said that the embedded engine says, then nothing else was; so many more dead letters."""
        steady = steady_of(self.config, self.sent)
        with self.bus() as bus:
            self._end(bus, is_well)
            until(lambda: said_on(bus).size == steady.size or not is_well(), "not everything is said")
            said = said_on(bus)
        for stream, messages in steady.streams.items():
            assert said.streams[stream] == messages, stream
        assert said == steady
        assert len(steady.streams["dead-letters"]) == len(kafka_log.FOREIGN) + dead
        assert {answer.topic for answer in steady.combined} == {"scores", "anomalies"}

    def _end(self, bus: KafkaBus, is_well: Callable[[], bool]) -> None:
        text = "the engine does not get to the end"
        until(lambda: not is_well() or self.lag(bus) == 0, text)


class Said(NamedTuple):
    """What was said: in order; of the sharded job without order and numbers, which depend on its shards' order."""

    streams: dict[Any, list[Any]]
    combined: frozenset[Answer]

    @property
    def size(self) -> tuple[int, int]:
        return sum(len(messages) for messages in self.streams.values()), len(self.combined)


def said_on(bus: KafkaBus) -> Said:
    """What lies on the brokers."""
    return said_in(message for topic in kafka_log.TOPICS for message in log_messages(bus, topic))


def steady_of(config: Config, sent: kafka_log.Sent) -> Said:
    """What is said of a log, uninterrupted."""
    return said_in(embedded(config, sent))


def embedded(config: Config, sent: kafka_log.Sent) -> Iterable[Message]:
    """What the embedded engine and the combiner say."""
    log = MemoryLog()
    log.send(sent)
    engine, combiner = Engine(config, log, operator_of), combining(config, log, combiner_of)
    while engine.step() or combiner.step():
        pass
    return (kafka_log.fitted(message) for topic in kafka_log.TOPICS for message in log.read(topic, 0, 10**9))


def said_in(messages: Iterable[Message]) -> Said:
    plain, combined = list[Message](), list[Message]()
    for message in messages:
        is_combined = message.key == kafka_log.SHARDED and message.topic in ("scores", "anomalies")
        (combined if is_combined else plain).append(message)
    found = answers.of(combined)  # which ticks are passed on depends on the order of the shards, too
    return Said(kafka_log.as_read(plain), frozenset(one for one in found if not one.said.startswith(b'["Tick"')))


class Served(threading.Thread):
    """The engine in this process, whose JVM all tests share."""

    def __init__(self, config: Config) -> None:
        super().__init__(name="flink")
        self.stopping, self.fault = threading.Event(), ""
        self._config = config

    def run(self) -> None:
        from streamgauge.pipelines.engines.flink.engine import serve

        try:
            serve(self._config, self.stopping)
        except BaseException:
            self.fault = traceback.format_exc()

    def is_well(self) -> bool:
        assert not self.fault, self.fault
        return self.is_alive()


@contextmanager
def served(config: Config) -> Iterator[Served]:
    thread = Served(config)
    thread.start()
    try:
        yield thread
    finally:
        thread.stopping.set()
        thread.join(120)
    assert not thread.is_well()


def log_messages(bus: KafkaBus, topic: str) -> Iterable[Message]:
    """Everything in a topic."""
    for log, (offset, end) in bus.bounds(topic).items():
        while offset < end:
            for message in bus.read(log, offset, 10_000):
                offset = message.offset + 1
                yield message


class Process:
    """`streamgauge engine flink`."""

    def __init__(self, world: World, parallelism: int) -> None:
        path = world.folder / f"{parallelism}.toml"
        path.write_text(world.path.read_text().replace("parallelism = 2", f"parallelism = {parallelism}"))
        command = [sys.executable, "-m", "pipelines", "engine", "flink", "--config", str(path)]
        environment = {**os.environ, "JVM_ARGS": QUICK}
        self.engine = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
        self._marker = f"STREAMGAUGE_FLINK_FOLDER={world.folder / 'data' / 'flink'}".encode()

    def is_well(self) -> bool:
        return self.engine.poll() is None

    def others(self, word: str = "") -> list[int]:
        """The JVM and the Python workers: whatever has the marker in its environment."""
        return [pid for pid in _pids(self._marker) if word.encode() in _read(f"/proc/{pid}/cmdline")]

    def end(self) -> None:
        self.engine.kill()
        self.engine.communicate()
        for pid in self.others():
            os.kill(pid, signal.SIGKILL)


def _pids(marker: bytes) -> list[int]:
    return [
        int(folder.name) for folder in Path("/proc").glob("[0-9]*") if marker in _read(f"{folder}/environ").split(b"\0")
    ]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


@contextmanager
def process(world: World, parallelism: int) -> Iterator[Process]:
    started = Process(world, parallelism)
    try:
        yield started
    finally:
        started.end()
