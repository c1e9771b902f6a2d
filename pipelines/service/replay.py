"""A recorded log through the same operators, pager and store as live, as fast as they go, with nobody notified.

One thread takes turns, so a replay of one log always does the same in the same order. Ticks are those of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.combining import combining
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.engines.keyed import KeyedConsumer, Route
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.service.run import Parts
from streamgauge.pipelines.service.store_writer import StoreWriter
from streamgauge.tracer.transport import Message

_RECORDED: Final = "traces"


class Progress(NamedTuple):
    """How far a replay is: messages of the recorded log, and the stream time reached."""

    done: int
    total: int
    time: float


class Recorded:
    """A bus whose `traces` are a recorded log, read only; everything else is the fresh bus of the replay."""

    def __init__(self, recorded: Bus, fresh: Bus) -> None:
        self._recorded, self._fresh = recorded, fresh

    def logs(self, topic: str) -> Sequence[str]:
        """Of the recorded bus or the fresh one."""
        return (self._recorded if topic == _RECORDED else self._fresh).logs(topic)

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """From the recorded log or the fresh one."""
        return self._of(log).read(log, offset, limit)

    def end(self, log: str) -> int:
        """Of the recorded log or the fresh one."""
        return self._of(log).end(log)

    def bounds(self, topic: str) -> Mapping[str, tuple[int, int]]:
        """Of the recorded bus or the fresh one."""
        return (self._recorded if topic == _RECORDED else self._fresh).bounds(topic)

    def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """To the fresh one; what a host says to the jobs' log is on the recorded one already."""
        self._fresh.send([message for message in messages if message[0] != _RECORDED])

    def wait(self, timeout: float) -> bool:
        """Never: a replay takes turns."""
        return self._fresh.wait(timeout)

    def latest(self, topic: str) -> Mapping[str, bytes]:
        """Of the fresh one."""
        return self._fresh.latest(topic)

    def commit(
        self, consumer: str, offsets: Mapping[str, int], state: bytes | None = None,
        rows: Mapping[tuple[str, str], bytes | None] | None = None,
    ) -> None:  # fmt: skip
        """On the fresh one."""
        self._fresh.commit(consumer, offsets, state, rows)

    def rows(self, consumer: str, key: str) -> Sequence[tuple[str, bytes]]:
        """On the fresh one."""
        return self._fresh.rows(consumer, key)

    def committed(self, consumer: str) -> tuple[dict[str, int], bytes | None]:
        """On the fresh one."""
        return self._fresh.committed(consumer)

    def close(self) -> None:
        """Release both."""
        self._recorded.close()
        self._fresh.close()

    def _of(self, log: str) -> Bus:
        return self._recorded if log in self._recorded.logs(_RECORDED) else self._fresh


def replay(config: Config, recorded: Bus, parts: Parts) -> Iterator[Progress]:
    """Run it; yields after each batch, the last time when everything is stored."""
    config = msgspec.structs.replace(config, clock="log")
    bus, store = Recorded(recorded, parts.open_bus()), parts.open_store()
    engine = Engine(config, bus, parts.make_operator)
    make = parts.make_pager
    pager = KeyedConsumer(bus, "pager", "anomalies", lambda message: Route(""), lambda key: make())
    combiner = combining(config, bus, parts.make_combiner)
    rest: list[Callable[[], int]] = [combiner.step, pager.step, StoreWriter(bus, store).step]
    try:
        while engine.step():
            for step in rest:
                _exhaust(step)
            total = sum(recorded.end(log) for log in recorded.logs(_RECORDED))
            yield Progress(engine.consumer.done, total, engine.now())
        for consumer in (engine, combiner, pager):
            consumer.commit()
    finally:
        store.close()


def _exhaust(step: Callable[[], int]) -> None:
    while step():
        pass
