"""The second stage of sharded jobs as one more consumer: the shards' reports in, what one operator would say out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import msgspec

from pipelines import outputs
from pipelines.config import Config, JobConfig
from pipelines.engines.keyed import Keyed, KeyedConsumer, Route, dead_letter
from pipelines.outputs import Output
from pipelines.ports import Bus
from tracer.records import Tick
from tracer.transport import Message


class _ReportHead(msgspec.Struct, array_like=True):
    """The first fields of a `Report`: what the host reads of one."""

    version: int
    job: str
    shard: int
    shards: int
    number: int
    window: int
    start: float
    end: float
    revision: int
    clock: float


def combining(config: Config, bus: Bus, make: Callable[[JobConfig], Keyed], *, every: float = 5.0) -> KeyedConsumer:
    """The second stage of sharded jobs, over `partials`, keyed by job."""
    jobs: Mapping[str, JobConfig] = {job.name: job for job in config.jobs}
    clocks: dict[str, dict[int, float]] = {}  # of the last report, by job and shard
    told: dict[str, float] = {}

    def route(message: Message) -> Route:
        if message.key not in jobs:
            return Route(None, (dead_letter(message, "unknown job", f"no job {message.key[:100]!r} is configured"),))
        return Route(message.key, tick(message) if config.clock == "log" else ())

    def tick(message: Message) -> tuple[Output, ...]:
        """The pager's tick: what all shards have reported up to."""
        head = _report_head(message.value)
        if head is None:
            return ()
        shards = clocks.setdefault(message.key, {})
        shards[head.shard] = head.clock
        time = min(shards.values())
        if len(shards) < head.shards or time <= told.get(message.key, -math.inf):
            return ()
        told[message.key] = time
        return (Output("anomalies", message.key, outputs.encode(Tick(job=message.key, time=time))),)

    return KeyedConsumer(bus, "combiner", "partials", route, lambda key: make(jobs[key]), every=every)


def _report_head(value: bytes) -> _ReportHead | None:
    try:
        kind, raw = msgspec.msgpack.decode(value, type=tuple[str, msgspec.Raw])
        return msgspec.msgpack.decode(raw, type=_ReportHead) if kind == "report" else None
    except msgspec.DecodeError:
        return None
