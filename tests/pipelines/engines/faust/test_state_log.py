"""The topic `state` on a real broker: kills between rows and head, hosts thought dead, the compaction, the upgrade."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from pathlib import Path

import pytest

if any(importlib.util.find_spec(name) is None for name in ("aiokafka", "cramjam")):
    pytest.skip("needs faust-streaming and aiokafka[lz4]: pip install 'streamgauge[faust]'", allow_module_level=True)

from aiokafka import AIOKafkaProducer, TopicPartition

from streamgauge.pipelines.adapters.kafka.topics import KafkaTopics
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.schema import JobConfig, Kafka
from streamgauge.pipelines.engines.faust.reading import records
from streamgauge.pipelines.engines.faust.state_log import StateLog, SupersededError
from streamgauge.pipelines.engines.keyed import Route
from streamgauge.pipelines.engines.partition import Commit, Partition
from streamgauge.tracer.transport import LogError, Message
from tests.pipelines.adapters.kafka import world as kafka_world
from tests.pipelines.engines import kafka_log
from tests.pipelines.engines.tally import Tally, batch
from tests.pipelines.engines.test_chunks import cut
from tests.servers.kafka import KafkaServers

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
END = 1000
FIRST = Commit(10, b"first", {("ctr", "a"): b"a of first", ("ctr", "b"): b"b of first", ("ads", "a"): b"other"})
SECOND = Commit(20, b"second", {("ctr", "a"): b"a of second", ("ctr", "b"): None})
BOTH = Commit(20, b"second", {("ctr", "a"): b"a of second", ("ads", "a"): b"other"})


async def _log(kafka: Kafka) -> StateLog:
    made = StateLog(kafka)
    await made.start(kafka.partitions)
    return made


async def _cut_off(log: StateLog, commit: Commit, records: int) -> None:
    """Write so many records of a commit's transaction and no more, as a host that is killed there."""
    mine = log._mine[1]
    sent = mine.written.records(commit, 3)[:records]
    await mine.producer.begin_transaction()
    for key, value in sent:
        await (await mine.producer.send(log._name, value, key.encode(), 1))


def test_a_host_killed_between_any_two_records_of_a_commit_leaves_the_one_before(kafka: KafkaServers) -> None:
    async def scene() -> None:
        world = kafka_world.topics(kafka)
        log = await _log(world)
        assert await log.take_over(1, END) is None
        await log.store(1, FIRST)
        for count in range(4):
            await _cut_off(log, SECOND, count)
            dead, log = log, await _log(world)
            assert await log.take_over(1, END) == FIRST
            await dead.stop()
        await log.store(1, SECOND)
        assert await log.take_over(1, END) == BOTH
        await log.stop()

    asyncio.run(scene())


def test_a_host_thought_dead_that_goes_on_is_refused(kafka: KafkaServers) -> None:
    async def scene() -> None:
        world = kafka_world.topics(kafka)
        dead, heir = await _log(world), await _log(world)
        await dead.take_over(1, END)
        await dead.store(1, FIRST)
        assert await heir.take_over(1, END) == FIRST
        with pytest.raises(SupersededError, match=r"another host has taken .*traces/1 over"):
            await dead.store(1, Commit(15, b"late", {("ctr", "late"): b"late"}))
        await heir.store(1, SECOND)
        assert await heir.take_over(1, END) == BOTH
        await asyncio.gather(dead.stop(), heir.stop())

    asyncio.run(scene())


def test_the_compaction_leaves_the_last_committed_value_of_a_row_behind_one_that_was_not(kafka: KafkaServers) -> None:
    async def scene() -> None:
        world = kafka_world.topics(kafka)
        KafkaTopics(world).alter("state", {"segment.ms": "50", "min.cleanable.dirty.ratio": "0.001"})
        log = await _log(world)
        await log.take_over(1, END)
        for offset in range(8):
            await log.store(1, FIRST._replace(offset=offset))
            await asyncio.sleep(0.06)  # a segment each
        await log.store(1, FIRST)
        await _cut_off(log, SECOND, 3)
        heir = await _log(world)
        assert await heir.take_over(1, END) == FIRST
        for _ in range(3):
            await asyncio.sleep(0.06)
            await heir.store(1, Commit(10, b"first", {("ads", "a"): b"other"}))
        await _compacted(heir)
        assert await heir.take_over(1, END) == FIRST
        await asyncio.gather(log.stop(), heir.stop())

    asyncio.run(scene())


async def _compacted(log: StateLog) -> None:
    """Wait until the brokers have taken records that later ones replaced."""
    deadline = time.monotonic() + 60
    where = TopicPartition(log._name, 1)
    while time.monotonic() < deadline:
        found = [one async for one in records(log._reader, "state", where, 0, None)]
        if len(found) < 12:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("nothing was compacted")


def test_a_snapshot_of_a_release_before_rows_goes_on_in_rows(kafka: KafkaServers) -> None:
    world = kafka_world.topics(kafka)
    old = cut(1, "a", 17, 3, b"a whole state", most=5)

    async def scene() -> None:
        log = await _log(world)
        producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap)
        await producer.start()
        for key, value in old:
            await producer.send_and_wait(log._name, value, key.encode(), 1)
        await producer.stop()
        assert await log.take_over(1, END) == Commit(17, b"a whole state", {})
        await log.store(1, FIRST)
        assert await log.take_over(1, END) == FIRST
        with pytest.raises(LogError, match="is of 3 partitions with 10 records, the log has 3 with 5; delete"):
            await log.take_over(1, 5)
        await log.stop()

    asyncio.run(scene())


def test_verify_names_a_damaged_row_of_the_topic_with_what_to_do(
    kafka: KafkaServers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = kafka_world.topics(kafka)
    config = kafka_log.configured(tmp_path, world)
    config.write_text(f'engine = "faust"\n{config.read_text()}')
    nothing = Commit(0, b"", {})
    partition = Partition(1, nothing, lambda one: Route("ctr"), lambda key: Tally(JobConfig(name=key)), every=9)
    partition.accept(Message("traces", "ctr", batch("ctr"), 0, 1))
    partition.keyed.commit()
    commit = partition.unstored
    assert commit is not None

    async def store(flipped: int) -> None:
        log = await _log(world)
        await log.take_over(1, END)
        (place,) = commit.rows
        frame = bytearray(commit.rows[place] or b"")
        frame[-1] ^= flipped
        await log.store(1, commit._replace(rows={place: bytes(frame)}))
        await log.stop()

    asyncio.run(store(0))
    assert main(["verify", "--config", str(config)]) == 0
    assert "state: 1 rows of state" in capsys.readouterr().out
    asyncio.run(store(1))
    assert main(["verify", "--config", str(config)]) == 1
    said = capsys.readouterr().out
    assert "partition 1, job ctr, row state: its checksum does not match; stop all hosts, delete the topic" in said
