"""Faust: the consumer group on `traces`, its rebalances, and the records, one by one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import faust
from faust.types import TP

from streamgauge.pipelines.config.schema import Kafka
from streamgauge.pipelines.engines.faust.reading import message_of
from streamgauge.pipelines.engines.faust.settings import broker_settings, connection
from streamgauge.pipelines.wire.topics import GROUPS
from streamgauge.tracer.transport import LogError, Message

SESSION: Final = 10.0  # seconds after which the partitions of one that was killed go to another
_END: Final = 10.0  # seconds in which Faust must stop
_FETCH_MS: Final = 100


class Group:
    """One member.

    Args:
        kafka: the brokers.
        folder: where Faust may keep files.
        take: one record.
        take_over: the group gave partitions to its members anew.
        give_back: these partitions will be given to others.

    Raises:
        SettingsError: settings that Faust cannot take.
    """

    def __init__(
        self, kafka: Kafka, folder: Path, *, take: Callable[[Message], Awaitable[None]],
        take_over: Callable[[], Awaitable[None]], give_back: Callable[[Iterable[int]], Awaitable[None]],
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self._topic = kafka.prefix + "traces"
        self._app = faust.App(
            kafka.prefix + GROUPS["faust"], **broker_settings(connection(kafka.client)), datadir=folder,
            web_enabled=False, topic_disable_leader=True, topic_allow_declare=False, stream_wait_empty=False,
            broker_session_timeout=SESSION, broker_heartbeat_interval=SESSION / 5, broker_request_timeout=40.0,
            key_serializer="raw", value_serializer="raw",
        )  # fmt: skip

        async def consume(stream: Any) -> None:
            async for event in stream.noack().events():
                await take(message_of("traces", event.message))

        traces = self._app.topic(self._topic, key_type=bytes, value_type=bytes, acks=False)
        self._app.agent(traces, name="traces")(consume)
        self._app.on_rebalance_complete.connect(lambda *_, **__: take_over())
        self._app.on_partitions_revoked.connect(lambda *given, **_: give_back(_numbers(given[-1])))

    async def start(self) -> None:
        """Join."""
        await self._app.start()
        _hasten(self._app.consumer)

    async def stop(self) -> None:
        """Leave, within 10 s."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._app.stop(), _END)

    def check(self) -> None:
        """Raises LogError if Faust has ended by itself."""
        if self._app.crashed:
            raise LogError(f"Faust ended: {self._app.crash_reason!r}", retryable=True)

    def partitions(self) -> set[int]:
        """Those that the group gave this member."""
        return _numbers(self._app.consumer.assignment())

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Tell the group; it may have moved on, which does no harm."""
        consumer: Any = self._app.consumer  # Faust's own commit takes only what its streams have acknowledged
        await consumer._commit({TP(self._topic, number): offset for number, offset in offsets.items()})


def _numbers(partitions: Iterable[Any]) -> set[int]:
    return {where.partition for where in partitions}


def _hasten(consumer: Any) -> None:
    """Have brokers answer each fetch within 0.1 s.

    Faust asks them to wait up to 1.5 s for records, without a setting, and aiokafka has one fetch at a time under way
    to a broker: what comes into a partition that was just read waits for the fetch from the others.
    """
    consumer._thread._consumer._fetcher._fetch_max_wait_ms = _FETCH_MS
