"""The bridge on a real broker: the flights as JSON rows, read by one process, by two, and by one that is killed."""

from __future__ import annotations

import datetime
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("confluent_kafka", reason="the bridge needs confluent-kafka: install streamgauge[bridge]")
pytest.importorskip("pandas", reason="the flights need pandas: install streamgauge[demo]")

from streamgauge.examples.flights import rows as flights
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer import codec
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.records import TraceBatch
from tests.places import ROOT
from tests.servers.kafka import KafkaServers
from tests.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
CONFIG = ROOT / "examples" / "flights" / "bridge.toml"
UNTIL = datetime.datetime(2013, 1, 15, tzinfo=datetime.UTC).timestamp()
QUICK = '{ "session.timeout.ms" = "2000", "heartbeat.interval.ms" = "300" }'  # one that was killed is soon missed


class Topic(NamedTuple):
    """The flights on a broker."""

    servers: KafkaServers
    name: str
    rows: int


@pytest.fixture(scope="module")
def topic(kafka: KafkaServers) -> Topic:
    """Two weeks of flights, a message that is no row among them."""
    name = f"samples-{uuid.uuid4().hex[:8]}"
    return Topic(kafka, name, flights.send(kafka.bootstrap, name, UNTIL))


class Bridge:
    """`streamgauge bridge` as processes, writing under a prefix of its own."""

    def __init__(self, topic: Topic, folder: Path) -> None:
        self.prefix = f"b{uuid.uuid4().hex[:8]}."
        self._servers = topic.servers
        text = CONFIG.read_text().replace("flights-samples", topic.name)
        text = text.replace('bootstrap = "127.0.0.1:9092"', f'bootstrap = "{topic.servers.bootstrap}"')
        text = text.replace("[kafka]", f'[kafka]\nprefix = "{self.prefix}"\nsettings = {QUICK}')
        text = text.replace("[[bridges]]", "[[bridges]]\nrows = 512")
        self.config = folder / "bridge.toml"
        self.config.write_text(text.replace('data = ".bridge"', f'data = "{folder}"'))
        topic.servers.create(f"{self.prefix}traces", partitions=3)
        topic.servers.create(f"{self.prefix}dead-letters")

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pipelines", "bridge", "--once", "--config", str(self.config)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self) -> str:
        process = self.start()
        told = process.communicate(timeout=PATIENCE_S)[0].decode()
        assert process.returncode == 0, told
        return told

    def sent(self, topic: str, partitions: int) -> list[bytes]:
        """All values of a topic."""
        transport = KafkaTransport(self._servers.bootstrap, prefix=self.prefix, patience=20.0)
        logs = [topic] if partitions == 1 else [f"{topic}/{number}" for number in range(partitions)]
        found = [message.value for log in logs for message in transport.read(log, 0, 10**6)]
        transport.close()
        return found

    def batches(self) -> dict[tuple[str, int], bytes]:
        """The records by worker and sequence; those sent twice were the same."""
        found: dict[tuple[str, int], bytes] = {}
        for value in self.sent("traces", 3):
            record = codec.decode(value)
            assert isinstance(record, TraceBatch)
            assert found.setdefault((record.worker, record.sequence), value) == value
        return found


@pytest.fixture(scope="module")
def once(topic: Topic, tmp_path_factory: pytest.TempPathFactory) -> Bridge:
    """What one process makes of the topic, undisturbed."""
    bridge = Bridge(topic, tmp_path_factory.mktemp("once"))
    told = bridge.run()
    assert f"{topic.rows} rows became" in told
    return bridge


def test_every_flight_is_in_the_records_once(topic: Topic, once: Bridge) -> None:
    found = [codec.decode(value) for value in once.batches().values()]
    seen = sum(
        value
        for one in found
        if isinstance(one, TraceBatch)
        for index, value in zip(*codec.points(one)[:2], strict=True)
        if codec.decode_names(one.names)[index].name == "rows_seen"
    )
    assert seen == topic.rows
    assert {one.worker for one in found} == {f"{topic.name}/{number}" for number in range(3)}


def test_a_reader_that_is_killed_again_and_again_sends_the_same(topic: Topic, once: Bridge, tmp_path: Path) -> None:
    bridge, killed = Bridge(topic, tmp_path), 0
    wanted = once.batches()
    for share in (0.2, 0.6):
        process = bridge.start()
        until(
            lambda process=process, share=share: (
                len(bridge.batches()) >= share * len(wanted) or process.poll() is not None
            ),
            "the bridge sends nothing",
        )
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    bridge.run()
    assert killed
    assert bridge.batches() == wanted


def test_two_readers_share_the_partitions(topic: Topic, once: Bridge, tmp_path: Path) -> None:
    bridge = Bridge(topic, tmp_path)
    processes = [bridge.start(), bridge.start()]
    for process in processes:
        process.communicate(timeout=PATIENCE_S)
    bridge.run()  # whoever left first may have left the other's partitions unread
    assert bridge.batches() == once.batches()


def test_a_message_that_is_no_row_is_a_dead_letter(kafka: KafkaServers, tmp_path: Path) -> None:
    name = f"samples-{uuid.uuid4().hex[:8]}"
    topic = Topic(kafka, name, flights.send(kafka.bootstrap, name, UNTIL - 13.9 * 86400))
    transport = KafkaTransport(kafka.bootstrap, patience=20.0)
    transport.send([(name, "JFK", b"\xff not JSON")])
    bridge = Bridge(topic, tmp_path)
    assert "1 were none" in bridge.run()
    (letter,) = [outputs.decode(value) for value in bridge.sent("dead-letters", 1)]
    assert (letter.reason, letter.topic, letter.data) == ("not json", name, b"\xff not JSON")
