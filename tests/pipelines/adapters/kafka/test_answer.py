"""The same answer on a real Kafka as on the embedded log, also when `run` or its broker is killed in the middle."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.engines.combining import combining
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.wire.offsets import Offsets
from streamgauge.tracer import codec
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.transport import LogError, MemoryLog, Message
from tests.engines import answers, logs
from tests.pipelines.adapters.kafka import world as kafka_world
from tests.pipelines.engines import test_kill
from tests.servers.kafka import KafkaServers

pytestmark = pytest.mark.real
PANES = 160
JOBS = ("poisoned", "sharded")
KINDS = (b'["score"', b'["point"', b'["anomaly"', b'["notification"', b'["decision"')
FOREIGN: Sequence[tuple[str, str | bytes | None, bytes | None]] = (
    ("traces", "ctr", b"not ours"), ("traces", "some other job", b'{"rows": 3}'), ("traces", None, None),
    ("traces", b"\xff\xfe", b"a key that is no text"), ("scores", "ctr", b"\xc1"), ("anomalies", "who", b"[]"),
    ("alerts", "", b"{}"), ("dead-letters", "?", b"\xff"),
)  # fmt: skip


@pytest.fixture(scope="module")
def servers(kafka_jars: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServers]:
    """A broker that these tests may kill."""
    own = KafkaServers(tmp_path_factory.mktemp("broker"))
    yield own
    own.stop()


def configured(folder: Path, kafka: Kafka) -> Path:
    path = folder / "streamgauge.toml"
    brokers = f'[kafka]\nbootstrap = "{kafka.bootstrap}"\nprefix = "{kafka.prefix}"\n'
    path.write_text(test_kill.CONFIG + brokers)
    return path


def start(config: Path, folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = test_kill.start(config, folder)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[1]


def drained(address: str) -> None:
    """Wait until nobody has anything to do: all lags 0, upstream first, as often as there are consumers."""
    deadline, calm = time.monotonic() + kafka_world.PATIENCE_S, 0
    while calm < 3:
        assert time.monotonic() < deadline, "did not drain"
        code, health = asked(f"{address}api/health")
        is_calm = code == 200 and health["lags"] is not None and not any(health["lags"].values())
        calm = calm + 1 if is_calm else 0
        time.sleep(0.1)


def asked(url: str, body: bytes | None = None) -> tuple[int, Any]:
    """The code and the JSON of an answer."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def sent(transport: KafkaTransport, messages: Sequence[tuple[str, str, bytes]]) -> None:
    """Send as a tracer does: what fails is sent again."""
    kafka_world.until(lambda: transport.send(messages) is None)


def steady(folder: Path, kafka: Kafka) -> bytes:
    """What the embedded log gives for the same log of the jobs, uninterrupted."""
    with kafka_world.bus(kafka, folder) as bus:
        reading, log = Offsets(bus, ("traces",), {}), LocalLog(folder / "recorded.db")
        while read := reading.next(1000):
            log.send([("traces", message.key, message.value) for messages in read.values() for message in messages])
            reading.advance(read)
        log.close()
    config = folder / "steady.toml"
    config.write_text(test_kill.CONFIG)
    command = ["replay", "--log", f"{folder}/recorded.db", "--config", str(config), "--data", f"{folder}/steady"]
    done = subprocess.run([sys.executable, "-m", "pipelines", *command], capture_output=True, text=True, check=True)
    assert "replayed" in done.stdout
    return canonical_dump(folder / "steady" / "store.db")


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_at_any_moment_and_its_broker_too_it_ends_with_the_store_of_the_embedded_log(
    servers: KafkaServers, tmp_path: Path
) -> None:
    kafka = kafka_world.topics(servers)
    config, folder = configured(tmp_path, kafka), tmp_path / "killed"
    transport = KafkaTransport(kafka.bootstrap, prefix=kafka.prefix)
    chance, panes = random.Random(7), iter(range(PANES))

    def go_on(seconds: float) -> None:
        moment = time.monotonic() + seconds * chance.uniform(0.8, 1.2)
        while time.monotonic() < moment:
            for number in itertools.islice(panes, 1):
                sent(transport, test_kill.pane_of(number))
            time.sleep(0.05)

    for around in (1.0, 6.0, 2.0):  # state is committed every 5 s: before and after the first commit
        process, _ = start(config, folder)
        go_on(around)
        process.kill()
        process.communicate()
    process, address = start(config, folder)
    go_on(1.0)
    servers.kill()
    kafka_world.until(lambda: asked(f"{address}readyz")[0] == 503)
    code, said = asked(f"{address}api/jobs/ctr/ack", b'{"notification": "n1"}')
    assert (code, "Kafka at" in said["error"], said["remedy"]) == (503, True, "try again when the log answers")
    servers.start()
    for number in panes:
        sent(transport, test_kill.pane_of(number))
    drained(address)
    stop(process)
    transport.close()
    one, other = canonical_dump(folder / "store.db"), steady(tmp_path, kafka)
    for kind in KINDS:
        assert kind in one, kind
    assert one.splitlines() == other.splitlines()


def test_what_failed_to_be_sent_while_brokers_were_away_does_not_arrive_later(
    servers: KafkaServers, tmp_path: Path
) -> None:
    kafka = kafka_world.topics(servers)
    with kafka_world.bus(kafka, tmp_path) as bus:
        bus.send([("traces", "a", b"1")])
        servers.kill()
        with pytest.raises(LogError, match="has not acknowledged 1 of 1") as caught:
            bus.send([("traces", "a", b"a tick that comes too late")])
        assert caught.value.retryable
        servers.start()
        kafka_world.until(lambda: bus.send([("traces", "a", b"2")]) is None)
        reading, found = Offsets(bus, ("traces",), {}), list[bytes]()
        while reading.lag(bus):
            read = reading.next(10)
            reading.advance(read)
            found += [message.value for messages in read.values() for message in messages]
        assert found == [b"1", b"2"]


def test_records_of_other_producers_are_dead_letters_and_nothing_else_changes(
    kafka: KafkaServers, tmp_path: Path
) -> None:
    world = kafka_world.topics(kafka)
    config, folder = configured(tmp_path, world), tmp_path / "data"
    transport = KafkaTransport(world.bootstrap, prefix=world.prefix)
    messages = [message for number in range(30) for message in test_kill.pane_of(number)]
    transport.send(messages[:40])
    producer = Producer({"bootstrap.servers": world.bootstrap})
    for topic, key, value in FOREIGN:
        producer.produce(world.prefix + topic, value, key)
    assert producer.flush(kafka_world.PATIENCE_S) == 0
    transport.send(messages[40:])
    transport.close()
    process, address = start(config, folder)
    drained(address)
    dead = asked(f"{address}api/health")[1]["dead"]
    stop(process)
    buried = {codec.identity_of(value or b"") for topic, _, value in FOREIGN if topic != "dead-letters"}
    assert sum(dead.values()) == len(buried), dead  # an unreadable dead letter breeds no other
    one = canonical_dump(folder / "store.db").splitlines()
    assert {json.loads(line)[1] for line in one if line.startswith(b'["dead"')} == buried
    said, plain = (without_dead(lines) for lines in (one, steady(tmp_path, world).splitlines()))
    assert said == plain


def without_dead(lines: Sequence[bytes]) -> list[bytes]:
    """Only `traces` are replayed: the dead letters of other topics are missing then."""
    return [line for line in lines if not line.startswith(b'["dead"')]


def test_jobs_and_shards_in_several_partitions_are_answered_as_in_one_log(
    kafka: KafkaServers, tmp_path: Path
) -> None:
    recorded = [("traces", key, value) for key, value in logs.together() if key.partition("/")[0] in JOBS]
    expected = answered(MemoryLog(), recorded)
    with kafka_world.bus(kafka_world.topics(kafka), tmp_path) as bus:
        assert answered(bus, recorded) == expected
        used = {log for log in bus.logs("traces") if bus.end(log)}
    assert len(used) > 1


def answered(bus: Bus, recorded: Sequence[tuple[str, str, bytes]]) -> frozenset[answers.Answer]:
    """What the embedded engine says of recorded logs on a bus.

    A shard that is read far ahead of another one leaves counters of times in between uncombined; the last ones are not.
    """
    config = logs.config()
    bus.send(recorded)
    engine = Engine(config, bus, assembly.operator_of)
    combiner = combining(config, bus, assembly.combiner_of)
    while engine.consumer.lag(bus) or combiner.lag(bus):
        engine.step()
        combiner.step()
    reading, said = Offsets(bus, answers.TOPICS, {}), list[Message]()
    while read := reading.next(1000):
        reading.advance(read)
        said += [message for messages in read.values() for message in messages]
    return frozenset(one for one in answers.of(said) if not (one.key == "sharded" and b'"Counters"' in one.said[:12]))
