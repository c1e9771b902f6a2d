"""The second stage of sharded jobs as one more consumer: the shards' reports in, what one operator would say out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import msgspec

from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.keyed import Keyed, KeyedConsumer, Route
from streamgauge.pipelines.engines.routing import unwanted
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.stream.pieces import Piece
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.dead_letters import dead_letter
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.pipelines.wire.states import Unfit
from streamgauge.tracer.records import Tick
from streamgauge.tracer.transport import Message


class _Head(msgspec.Struct, array_like=True):
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
    routing = CombinerRouting(config)
    return KeyedConsumer(
        bus, "combiner", "partials", routing.route, lambda key: make(routing.job_of(key)), every=every
    )


class CombinerRouting:
    """The way of each message of `partials` to its job; with `clock = "log"` the pager's tick behind it."""

    def __init__(self, config: Config) -> None:
        self.jobs: Mapping[str, JobConfig] = {job.name: job for job in config.jobs}
        self._forwards_ticks = config.clock == "log"
        self._clocks: dict[str, dict[int, float]] = {}  # of the last report, by job and shard
        self._told: dict[str, float] = {}

    def job_of(self, key: str) -> JobConfig:
        """The job behind a key. Raises Unfit for one that is not configured, or has one shard: there is no combiner."""
        if key not in self.jobs or self.jobs[key].shards == 1:
            raise Unfit(unwanted(self.jobs, key))
        return self.jobs[key]

    def route(self, message: Message) -> Route:
        """The job of a message; what belongs to no configured job is a dead letter."""
        if message.key not in self.jobs:
            return Route(None, (dead_letter(message, "unknown job", f"no job {message.key[:100]!r} is configured"),))
        return Route(message.key, self._tick(message) if self._forwards_ticks else ())

    def _tick(self, message: Message) -> tuple[Output, ...]:
        """The pager's tick: what all shards have reported up to."""
        head = _head_of(message.value)
        if head is None:
            return ()
        shards = self._clocks.setdefault(message.key, {})
        shards[head.shard] = head.clock
        time = min(shards.values())
        if len(shards) < head.shards or time <= self._told.get(message.key, -math.inf):
            return ()
        self._told[message.key] = time
        return (Output("anomalies", message.key, outputs.encode(Tick(job=message.key, time=time))),)


def _head_of(value: bytes) -> _Head | Piece | None:
    """The head of a report, or the piece that makes one whole."""
    try:
        kind, raw = outputs.opened(value)
        if kind == "report":
            return msgspec.msgpack.decode(raw, type=_Head)
        piece = msgspec.msgpack.decode(raw, type=Piece) if kind == "piece" else None
        return piece if piece is not None and piece.is_last else None
    except ValueError:  # msgspec's DecodeError is one
        return None
