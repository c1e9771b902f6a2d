"""A range of one partition's records, read past Faust; and how aiokafka's clients are started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from streamgauge.tracer.transport import LogError, Message

LARGEST: Final = 16 * 1024 * 1024  # bytes of a request or an answer; the broker's own limit is below
_AGAIN: Final = 2.0  # seconds between looks for a broker at start
_log = logging.getLogger(__name__)


async def records(
    reader: AIOKafkaConsumer, topic: str, where: TopicPartition, start: int, until: int | None
) -> AsyncIterator[Message]:
    """The records with offsets in [start, until), as far as the brokers still have them; `topic` is our name of it."""
    reader.assign([where])
    first = (await reader.beginning_offsets([where]))[where]
    end = (await reader.end_offsets([where]))[where]
    end = end if until is None else min(until, end)
    reader.seek(where, max(first, start))
    while await reader.position(where) < end:
        for record in (await reader.getmany(where, timeout_ms=1000)).get(where, ()):
            if record.offset < end:
                yield message_of(topic, record)


def message_of(topic: str, record: Any) -> Message:
    """A record of aiokafka or Faust as ours."""
    key = (record.key or b"").decode(errors="backslashreplace")
    return Message(topic, key, record.value or b"", record.offset, record.partition)


async def connected(client: Any) -> None:
    """Start a client; waits for a broker as long as there is none. Raises LogError where brokers refuse."""
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
