"""What the Faust host asks of the brokers beside consuming: sending in order, snapshots, records to read again.

Faust's own producer is idempotent only within transactions, so outputs go through one of aiokafka's: acks=all, order
kept over retries, and murmur2, which is its default as it is Java's. What could not be sent is the end of the host: the
records behind it must not be sent either, so a restart sends all of them again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.engines.chunks import Stored, cut, newest, other
from streamgauge.pipelines.engines.faust.settings import connection
from streamgauge.tracer.transport import LogError, Message

_METADATA_MS: Final = 10_000  # more partitions of `traces` are noticed after so long
_LARGEST: Final = 16 * 1024 * 1024  # bytes of a request; the broker's own limit is below
_AGAIN: Final = 2.0  # seconds between looks for a broker at start
_SLOW: Final = 2.0  # seconds after which a log that has not acknowledged a message takes nothing
_log = logging.getLogger(__name__)


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
        self._slots: dict[int, str] = {}  # the slot that was written last, by partition
        self.partitions = 0  # of `traces`

    async def start(self) -> None:
        """Connect; waits for a broker as long as there is none. Raises LogError for topics that are not there."""
        made_with = connection(self._kafka.client)
        self._producer = AIOKafkaProducer(
            **made_with, enable_idempotence=True, acks="all", max_request_size=_LARGEST, linger_ms=5,
            compression_type="lz4", metadata_max_age_ms=_METADATA_MS,
        )  # fmt: skip
        self._reader = AIOKafkaConsumer(
            **made_with, enable_auto_commit=False, auto_offset_reset="earliest", max_partition_fetch_bytes=_LARGEST,
        )  # fmt: skip
        for client in (self._producer, self._reader):
            await _connected(client)
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

    async def send(self, messages: Iterable[tuple[str, str, bytes]], partition: int | None = None) -> None:
        """Send (topic, key, value) in order; without a partition, to that of the key."""
        for topic, key, value in messages:
            if self._error is not None:
                raise self._error
            sent = await self._producer.send(self.name(topic), value, key=key.encode(), partition=partition)
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

    async def stored(self, partition: int) -> Stored | None:
        """The last snapshot of a partition. Raises LogError if it is of another log."""
        records = [(record.key, record.value) async for record in self._records("state", partition, 0, None)]
        try:
            stored = newest(records)
        except ValueError as error:
            text = f"no snapshot can be read from {self.name('state')}/{partition}: {error}; or delete the topic"
            raise LogError(text, retryable=False) from None
        if stored is None:
            return None
        self._slots[partition] = stored.slot
        end = (await self.ends([partition]))[partition]
        if stored.partitions != self.partitions or stored.offset > end:
            text = f"the state of {self.name('traces')}/{partition} is of {stored.partitions} partitions"
            found = f"with {stored.offset} records, the log has {self.partitions} with {end}"
            raise LogError(f"{text} {found}; delete {self.name('state')} if it was made anew", retryable=False)
        return stored

    async def store(self, partition: int, offset: int, state: bytes) -> None:
        """Write a snapshot behind all that was sent before; durable when it returns."""
        await self.flush()
        slot = other(self._slots.get(partition, "b"))
        chunks = cut(partition, slot, offset, self.partitions, state)
        await self.send((("state", key, value) for key, value in chunks), partition)
        await self.flush()
        self._slots[partition] = slot

    async def records(self, partition: int, start: int, until: int) -> AsyncIterator[Message]:
        """The records of `traces` with offsets in [start, until), as far as the log still has them."""
        async for record in self._records("traces", partition, start, until):
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

    async def _records(self, topic: str, partition: int, start: int, until: int | None) -> AsyncIterator[Message]:
        where = TopicPartition(self.name(topic), partition)
        self._reader.assign([where])
        first = (await self._reader.beginning_offsets([where]))[where]
        end = (await self._reader.end_offsets([where]))[where]
        end = end if until is None else min(until, end)
        self._reader.seek(where, max(first, start))
        while await self._reader.position(where) < end:
            for record in (await self._reader.getmany(where, timeout_ms=1000)).get(where, ()):
                if record.offset < end:
                    yield message_of(topic, record)

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


def message_of(topic: str, record: Any) -> Message:
    """A record of aiokafka or Faust as ours."""
    key = (record.key or b"").decode(errors="backslashreplace")
    return Message(topic, key, record.value or b"", record.offset, record.partition)


async def _connected(client: Any) -> None:
    told = False
    while True:
        try:
            await client.start()
            return
        except KafkaConnectionError as error:
            if not told:
                _log.warning("no broker answers, waiting for one: %s", error)
            told = True
            await asyncio.sleep(_AGAIN)
        except KafkaError as error:
            raise LogError(f"the brokers refuse: {error!r}", retryable=True) from error
