"""What the Faust host asks of the brokers beside consuming: sending in order, records to read again, ends of logs.

Faust's own producer is idempotent only within transactions, so outputs go through one of aiokafka's: acks=all, order
kept over retries, and murmur2, which is its default as it is Java's. What could not be sent is the end of the host: the
records behind it must not be sent either, so a restart sends all of them again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.engines.faust.reading import LARGEST, connected, records
from streamgauge.pipelines.engines.faust.settings import connection
from streamgauge.tracer.transport import LogError, Message

_METADATA_MS: Final = 10_000  # more partitions of `traces` are noticed after so long
_SLOW: Final = 2.0  # seconds after which a log that has not acknowledged a message takes nothing


class Log:
    """One producer and one reader, used by one event loop.

    Args:
        kafka: the brokers.
        failed: told when something could not be sent.
    """

    def __init__(self, kafka: Kafka, failed: Callable[[BaseException], None]) -> None:
        self._kafka, self._failed = kafka, failed
        self._unsent: dict[asyncio.Future[Any], float] = {}  # since when, oldest first
        self._was_slow = False
        self._error: BaseException | None = None
        self._clients: list[AIOKafkaProducer | AIOKafkaConsumer] = []
        self.partitions = 0  # of `traces`

    async def start(self) -> None:
        """Connect; waits for a broker as long as there is none. Raises LogError for topics that are not there."""
        made_with = connection(self._kafka.client)
        self._producer = AIOKafkaProducer(
            **made_with, enable_idempotence=True, acks="all", max_request_size=LARGEST, linger_ms=5,
            compression_type="lz4", metadata_max_age_ms=_METADATA_MS,
        )  # fmt: skip
        self._reader = AIOKafkaConsumer(
            **made_with, enable_auto_commit=False, auto_offset_reset="earliest", max_partition_fetch_bytes=LARGEST,
        )  # fmt: skip
        for client in (self._producer, self._reader):
            await connected(client)
            self._clients.append(client)
        self.partitions = await self._count("traces")
        if await self._count("state") != self.partitions:
            text = f"topic {self.name('state')} must have the {self.partitions} partitions of {self.name('traces')}"
            raise LogError(f"{text}; delete it and run streamgauge topics --create", retryable=False)

    async def stop(self) -> None:
        """Release both."""
        for client in self._clients:
            await client.stop()

    def name(self, topic: str) -> str:
        """The topic's name on the brokers."""
        return self._kafka.prefix + topic

    async def send(self, messages: Iterable[tuple[str, str, bytes]]) -> None:
        """Send (topic, key, value) in order."""
        for topic, key, value in messages:
            if self._error is not None:
                raise self._error
            sent = await self._producer.send(self.name(topic), value, key=key.encode())
            self._unsent[sent] = time.monotonic()
            sent.add_done_callback(self._sent)

    async def flush(self) -> None:
        """Wait until the brokers have all of it."""
        while self._unsent:
            await asyncio.wait(list(self._unsent))

    def was_refused(self) -> bool:
        """Whether brokers let a message wait for long since this was asked last."""
        oldest = next(iter(self._unsent.values()), None)
        was_slow, self._was_slow = self._was_slow or _is_slow(oldest), False
        return was_slow

    async def check(self, given: Iterable[int] = ()) -> None:
        """Raises LogError if `traces` has more partitions than when this process started, or one of those is given."""
        if max([await self._count("traces"), *(number + 1 for number in given)]) > self.partitions:
            text = f"{self.name('traces')} got more than its {self.partitions} partitions, so keys lie elsewhere now"
            raise LogError(f"{text}; stop its jobs and make the topics anew", retryable=False)

    async def records(self, partition: int, start: int, until: int) -> AsyncIterator[Message]:
        """The records of `traces` with offsets in [start, until), as far as the log still has them."""
        where = TopicPartition(self.name("traces"), partition)
        async for record in records(self._reader, "traces", where, start, until):
            yield record

    async def beginning(self, partition: int) -> int:
        """The offset of the first record that a partition of `traces` still has."""
        where = TopicPartition(self.name("traces"), partition)
        return int((await self._reader.beginning_offsets([where]))[where])

    async def ends_if_reachable(self, partitions: Iterable[int], patience: float) -> dict[int, int]:
        """The same; of none if no broker tells it within `patience` seconds."""
        try:
            return await asyncio.wait_for(self.ends(list(partitions)), patience)
        except (KafkaError, TimeoutError):
            return {}

    async def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offset that the next record of each partition of `traces` will have."""
        ends = await self._reader.end_offsets([TopicPartition(self.name("traces"), one) for one in partitions])
        return {where.partition: end for where, end in ends.items()}

    async def _count(self, topic: str) -> int:
        partitions = await self._producer.partitions_for(self.name(topic))
        return len(partitions)

    def _sent(self, sent: asyncio.Future[Any]) -> None:
        self._was_slow = _is_slow(self._unsent.pop(sent)) or self._was_slow
        if not sent.cancelled() and (error := sent.exception()) is not None:
            self._error = LogError(f"could not send: {error!r}", retryable=True)
            self._failed(self._error)


def _is_slow(since: float | None) -> bool:
    return since is not None and time.monotonic() - since > _SLOW
