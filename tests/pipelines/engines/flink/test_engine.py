"""The Flink engine on a real broker: the embedded engine's answer, at any parallelism, from savepoints, after kills."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'streamgauge[kafka]'")

from streamgauge.pipelines.adapters.kafka.bus import KafkaBus
from streamgauge.pipelines.config import loading
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer import codec
from streamgauge.tracer.records import Name, Open, Tick, TraceBatch, key_of, shard_of
from tests.engines import answers
from tests.engines.answers import Answer
from tests.pipelines.engines import kafka_log
from tests.pipelines.engines.flink.world import QUICK, World, embedded, log_messages, process, served
from tests.pipelines.engines.tally import batch
from tests.servers.kafka import KafkaServers
from tests.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # pyflink and Beam deprecate what they import themselves
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # and close few of their sockets and pipes
]


@pytest.fixture
def world(
    kafka: KafkaServers, tmp_path: Path, flink_connector_jar: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setenv("JVM_ARGS", QUICK)
    for name in ("STREAMGAUGE_FLINK_FOLDER", "_python_worker_execution_mode", "FLINK_LOG_DIR", "LOG4J_PROPERTIES"):
        monkeypatch.setenv(name, "")  # the engine sets them for its JVM
    return World(kafka, tmp_path, flink_connector_jar)


def test_a_savepoint_restored_at_another_parallelism_changes_nothing(world: World) -> None:
    from streamgauge.pipelines.engines.flink.rest import JobManager, uri

    world.send(range(50))
    with served(world.at("one", 1)) as engine:
        world.wait(engine.is_well)
        manager = JobManager((world.folder / "one" / "flink" / "jobmanager").read_text().strip())
        (job,) = manager.jobs()
        savepoint = manager.savepoint(job, uri(str(world.folder / "savepoints")), stop=True)
        engine.join(60)
        assert not engine.is_well()
    world.send(range(50, 90))
    with served(world.at("two", 2, savepoint)) as engine:
        world.wait(engine.is_well)
    world.send(range(90, 120))
    with served(world.at("two", 1)) as engine:
        world.check(engine.is_well)


def test_a_key_of_each_class_changes_between_two_starts_on_one_folder(world: World) -> None:
    said = []
    sound = world.path.read_text()
    for text, panes in ((sound, range(30)), (kafka_log.changed(sound), range(30, 60))):
        world.path.write_text(text)
        world.config = loading.load(world.path)
        world.send(panes)
        with served(world.at("one", 2)) as engine, world.bus() as bus:
            world.wait(engine.is_well)
            said.append(Counter(message.key for message in log_messages(bus, "scores")))
            dead = [outputs.decode(one.value) for one in log_messages(bus, "dead-letters")]
    assert {job for job in said[1] if said[1][job] > said[0][job]} == {"ctr", "ads", "feed"}
    reasons = {one.reason for one in dead if isinstance(one, outputs.DeadLetter)}
    assert "operator failed" not in reasons
    assert "unknown job" in reasons, "of mail, which has another name"


def test_a_live_job_gets_its_ticks_and_one_that_has_not_begun_none(world: World) -> None:
    (ctr,) = [job for job in world.config.jobs if job.name == "ctr"]
    jobs = (msgspec.structs.replace(ctr, tick=1.0), msgspec.structs.replace(ctr, name="idle", tick=1.0))
    config = msgspec.structs.replace(world.at("wall", 1), clock="wall", jobs=jobs)
    with served(config) as engine, world.bus() as bus:
        bus.send([("traces", "ctr", batch("ctr"))])
        until(lambda: not engine.is_well() or len(ticks(bus)) > 3, "no ticks come")
        told = ticks(bus)
    assert {tick.job for tick in told} == {"ctr"}
    times = [tick.time for tick in told]
    assert times == sorted(set(times))
    assert all(time % 1.0 == 0.0 for time in times)


def test_a_window_and_pictures_too_large_for_a_message_are_said_in_parts(world: World) -> None:
    world.append(kafka_log.overgrown() + kafka_log.overdrawn())
    world.send(range(40))
    with served(world.at("large", 1)) as engine:
        world.check(engine.is_well)


def test_500_workers_on_eight_keys_say_what_they_say_on_one(world: World) -> None:
    (ctr,) = [job for job in world.config.jobs if job.name == "ctr"]
    one, eight = (msgspec.structs.replace(ctr, name="big", workers=500, shards=shards) for shards in (1, 8))
    told = _untimed(answers.of(
        message for message in embedded(msgspec.structs.replace(world.config, jobs=(one,)), fleet(1))
        if message.topic in ("scores", "anomalies")
    ))  # fmt: skip
    with served(msgspec.structs.replace(world.at("big", 2), jobs=(eight,))) as engine, world.bus() as bus:
        bus.send(fleet(8))
        world.wait(engine.is_well)
        until(lambda: not engine.is_well() or len(combined(bus)) >= len(told), "not everything is said")
        assert combined(bus) == told
        assert len({one.key for one in log_messages(bus, "traces")}) == 8


def fleet(shards: int) -> kafka_log.Sent:
    """Three windows of 500 workers, 20 points each a pane; one of them has a fault."""
    names = codec.encode_names([Name("train", f"metric-{i}", "") for i in range(20)])
    sent: kafka_log.Sent = []
    for pane in range(7):
        for number in range(500):
            worker = f"w{number:03}"
            facts = (("nonfinite", "tensor:dense", 3.0),) if (pane, number) == (3, 77) else ()
            value = 0.3 + 0.01 * ((np.arange(20) + pane + number) % 7)
            sent.append(_addressed(TraceBatch(
                job="big", worker=worker, shard=shard_of(worker, shards), shards=shards, incarnation="i",
                sequence=pane + 1, pane=pane * 10.0, pane_length=10.0, interval=10.0, watermark=pane * 10.0 + 10.0,
                names=names, index=np.arange(20, dtype="<u2").tobytes(), value=value.tobytes(), hard=facts,
            ), shards))  # fmt: skip
        for shard in range(shards):
            if pane == 0 and shards > 1:
                sent.append(_addressed(Open(job="big", shard=shard, shards=shards, start=0.0), shards))
            sent.append(_addressed(Tick(job="big", shard=shard, time=pane * 10.0 + 10.0), shards))
    return sent


def _addressed(record: TraceBatch | Tick | Open, shards: int) -> tuple[str, str, bytes]:
    return "traces", key_of("big", record.shard, shards), codec.encode(record)


def combined(bus: KafkaBus) -> frozenset[Answer]:
    """What the combiner said."""
    return _untimed(answers.of(one for topic in ("scores", "anomalies") for one in log_messages(bus, topic)))


def _untimed(found: frozenset[Answer]) -> frozenset[Answer]:
    return frozenset(one for one in found if not one.said.startswith(b'["Tick"'))


def ticks(bus: KafkaBus) -> list[Tick]:
    """The ticks in the jobs' logs."""
    read = (codec.decode(one.value) for one in log_messages(bus, "traces"))
    return [record for record in read if isinstance(record, Tick)]


def test_whatever_is_killed_the_next_start_goes_on_from_the_newest_checkpoint(world: World) -> None:
    world.send(range(60))
    with process(world, 2) as engine:
        world.wait(engine.is_well)
        world.send(range(60, 80))
        engine.engine.kill()
        until(lambda: not engine.others(), "JVM and workers outlive their host")
    world.send(range(80, 120))
    with process(world, 1) as engine:
        world.check(engine.is_well)
        (jvm,) = engine.others("PythonGatewayServer")
        os.kill(jvm, signal.SIGKILL)
        assert b"Flink's JVM is gone" in engine.engine.communicate(timeout=60)[1]
        assert engine.engine.returncode == 2
        until(lambda: not engine.others(), "Python workers outlive their JVM")
