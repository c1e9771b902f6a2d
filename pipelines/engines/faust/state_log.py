"""Where the Faust host keeps its partitions: in the topic `state`, a transaction a commit, read with `read_committed`.

Each partition has a transactional id, which the host that takes it over makes its own: what a host before it had under
way is aborted, and one that was thought dead and still writes is refused by the brokers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.engines.faust.reading import LARGEST, connected, records
from streamgauge.pipelines.engines.faust.settings import connection
from streamgauge.pipelines.engines.faust.state import Found, Written, latest, read
from streamgauge.pipelines.engines.partition import Commit
from streamgauge.pipelines.wire.topics import GROUPS
from streamgauge.tracer.transport import LogError

_BATCH: Final = 512 * 1024  # bytes of records sent at once
_TIMEOUT_MS: Final = 60_000  # after which brokers abort what a host has under way


class SupersededError(LogError):
    """Another host has taken the partition over."""


class _Mine(NamedTuple):
    producer: AIOKafkaProducer
    written: Written


class StateLog:
    """The states of the partitions that this process has, used by one event loop.

    Args:
        kafka: the brokers.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._kafka, self._partitions = kafka, 0
        self._name = f"{kafka.prefix}state"
        self._mine: dict[int, _Mine] = {}
        self._reader: AIOKafkaConsumer | None = None

    async def start(self, partitions: int) -> None:
        """Connect; `partitions`: of `traces`."""
        self._partitions = partitions
        self._reader = AIOKafkaConsumer(
            **connection(self._kafka.client), enable_auto_commit=False, auto_offset_reset="earliest",
            max_partition_fetch_bytes=LARGEST, isolation_level="read_committed",
        )  # fmt: skip
        await connected(self._reader)

    async def stop(self) -> None:
        """Release all."""
        await self.give_back(list(self._mine))
        if self._reader is not None:
            await self._reader.stop()

    async def take_over(self, partition: int, end: int) -> Commit | None:
        """Keep everybody else from writing a partition's state, and give what was committed last; None if nothing was.

        Args:
            partition: which.
            end: of its log.

        Raises:
            LogError: the state is of another log, or cannot be read.
        """
        await self.give_back([partition])
        producer = AIOKafkaProducer(
            **connection(self._kafka.client), transactional_id=f"{self._kafka.prefix}{GROUPS['faust']}-{partition}",
            transaction_timeout_ms=_TIMEOUT_MS, max_request_size=LARGEST, max_batch_size=_BATCH,
        )  # fmt: skip
        await connected(producer)  # from here on no other host can commit
        self._mine[partition] = _Mine(producer, Written(partition))
        found = await self._stored(partition)
        if found is None:
            return None
        offset = found.commit.offset
        if found.partitions != self._partitions or offset > end:
            text = f"the state of {self._kafka.prefix}traces/{partition} is of {found.partitions} partitions"
            there = f"with {offset} records, the log has {self._partitions} with {end}"
            raise LogError(f"{text} {there}; delete {self._name} if it was made anew", retryable=False)
        return found.commit

    async def _stored(self, partition: int) -> Found | None:
        assert self._reader is not None
        where = TopicPartition(self._name, partition)
        there = latest([(one.key, one.value) async for one in records(self._reader, "state", where, 0, None)])
        self._mine[partition] = _Mine(self._mine[partition].producer, Written(partition, there))
        try:
            return read(partition, there)
        except ValueError as error:
            text = f"no state can be read from {self._name}/{partition}: {error}; or delete the topic"
            raise LogError(text, retryable=False) from None

    async def store(self, partition: int, commit: Commit) -> None:
        """Write a commit; durable and whole when it returns. Raises SupersededError, or LogError."""
        mine = self._mine[partition]
        written = mine.written.records(commit, self._partitions)
        try:
            await mine.producer.begin_transaction()
            sent = [await mine.producer.send(self._name, value, key.encode(), partition) for key, value in written]
            await asyncio.gather(*sent)
            await mine.producer.commit_transaction()
        except ProducerFenced:
            text = f"another host has taken {self._kafka.prefix}traces/{partition} over"
            raise SupersededError(text, retryable=True) from None
        except KafkaError as error:
            raise LogError(f"could not store the state: {error!r}", retryable=True) from error

    async def give_back(self, partitions: Iterable[int]) -> None:
        """Others may have them."""
        gone = [self._mine.pop(number) for number in partitions if number in self._mine]
        await asyncio.gather(*(one.producer.stop() for one in gone), return_exceptions=True)
