"""One answer, on a real Kafka: the recorded logs through Faust and Flink, alone and shared out."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'streamgauge[kafka]'")

from streamgauge.pipelines.adapters.kafka.bus import KafkaBus
from streamgauge.pipelines.engines.combining import combining
from streamgauge.pipelines.engines.flink import connector
from streamgauge.pipelines.service import assembly
from streamgauge.tracer.transport import LogError, MemoryLog, Message
from tests.engines import answers, logs
from tests.engines.answers import TOPICS, Answer, Run
from tests.pipelines.adapters.kafka import world
from tests.pipelines.engines import kafka_log
from tests.pipelines.engines.kafka_log import everything
from tests.servers.kafka import KafkaServers

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]
PATIENCE_S = 400.0
PARTITIONS = 4


class Hosts:
    """Processes of one engine over the recorded logs, all there from the start."""

    def __init__(self, servers: KafkaServers, folder: Path, engine: str, processes: int, parallelism: int) -> None:
        kafka = world.topics(servers, PARTITIONS)
        self._folder, self._kafka = folder, kafka
        path = folder / "streamgauge.toml"
        head, tables = logs.toml().split("\n\n", 1)
        path.write_text(
            f'{head}\ndata = "{folder}/data"\n[kafka]\nbootstrap = "{kafka.bootstrap}"\nprefix = "{kafka.prefix}"\n'
            f"partitions = {PARTITIONS}\n[flink]\nparallelism = {parallelism}\n\n{tables}"
        )
        with world.bus(kafka, folder) as bus:
            bus.send([("traces", key, value) for key, value in logs.together()])
        command = [sys.executable, "-m", "pipelines", "engine", engine, "--config", str(path)]
        self._processes = [subprocess.Popen(command) for _ in range(processes)]

    def said(self, expected: frozenset[Answer]) -> frozenset[Answer]:
        """What they say, once it is as much as is expected; or when patience ends."""
        deadline, seen = time.monotonic() + PATIENCE_S, -1
        with world.bus(self._kafka, self._folder) as bus:
            while True:
                messages = sum(kafka_log.end(bus, topic) for topic in TOPICS)
                if messages == seen:  # nothing new: it is worth a look
                    found = self._found(bus)
                    if found >= expected or time.monotonic() > deadline:
                        return found
                assert all(process.poll() is None for process in self._processes), "a host ended by itself"
                seen = messages
                time.sleep(3.0)

    def _found(self, bus: KafkaBus) -> frozenset[Answer]:
        try:
            return answers.of(_combined(bus))
        except LogError as error:  # a broker that is slow for now; what has come is asked for again
            if not error.retryable:
                raise
            return frozenset()

    def end(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _combined(bus: KafkaBus) -> Iterator[Message]:
    """All that lies on the brokers, and what the service's combiner makes of the shards' reports."""
    ends = [(log, end) for topic in TOPICS for log, (_, end) in bus.bounds(topic).items()]
    found = [message for log, end in ends for message in everything(bus, log, end)]
    yield from found
    own = MemoryLog()
    own.send([(one.topic, one.key, one.value) for one in found if one.topic == "partials"])
    combiner = combining(logs.config(), own, assembly.combiner_of)
    while combiner.step():
        pass
    yield from (message for topic in TOPICS if topic != "partials" for message in own.read(topic, 0, 10**9))


def _needs(module: str, extra: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"needs {module}: pip install 'streamgauge[{extra}]'")


@pytest.mark.parametrize(
    ("engine", "processes", "parallelism"),
    [
        pytest.param("faust", 1, 1, marks=_needs("faust", "faust")),
        pytest.param("faust", 2, 1, marks=_needs("faust", "faust")),
        pytest.param("flink", 1, 1, marks=_needs("pyflink", "flink")),
        pytest.param("flink", 1, 2, marks=_needs("pyflink", "flink")),
    ],
)
def test_every_engine_says_what_the_embedded_one_says(
    kafka: KafkaServers, tmp_path: Path, reference: Run, engine: str, processes: int, parallelism: int,
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if engine == "flink":
        monkeypatch.setenv(connector.VARIABLE, str(request.getfixturevalue("flink_connector_jar")))
    expected = reference.answers
    hosts = Hosts(kafka, tmp_path, engine, processes, parallelism)
    try:
        found = hosts.said(expected)
    finally:
        hosts.end()
    assert _lines(found - expected) == []
    assert _lines(expected - found) == []


def _lines(some: frozenset[Answer]) -> list[str]:
    """The first of them, short enough to read in a failure."""
    return [f"{one.topic} {one.key} {one.said[:200].decode()}" for one in sorted(some)[:5]]
