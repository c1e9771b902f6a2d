"""The keyed process function: hosts the operator of each key, and the combiner of each sharded job, in Flink's workers.

It must run in Python worker processes (`python.execution-mode` process): a savepoint of theirs comes back empty in the
other mode, without a word.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor

from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.combining import CombinerRouting
from streamgauge.pipelines.engines.flink.jvm import parent_of
from streamgauge.pipelines.engines.flink.state import Kept
from streamgauge.pipelines.engines.flink.ticks import Ticker
from streamgauge.pipelines.engines.keyed import Keyed
from streamgauge.pipelines.engines.parts import combiner_of, operator_of
from streamgauge.pipelines.engines.routing import Routing
from streamgauge.pipelines.wire.dead_letters import fitting
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.pipelines.wire.topics import LARGEST
from streamgauge.tracer.steady import Steady
from streamgauge.tracer.transport import Message

TRACES: Final = "traces"
PARTIALS: Final = "partials"
OUT: Final = Types.ROW_NAMED(
    ["topic", "k", "v"],
    [Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE()), Types.PRIMITIVE_ARRAY(Types.BYTE())],
)
_LOOK: Final = 1.0  # seconds between looks whether this worker's Flink is still there


class Hosts(KeyedProcessFunction):  # type: ignore[misc]
    """Takes rows (topic, key, value) keyed by TOPIC/KEY, gives rows of the same form; only there topics lack a prefix.

    Args:
        config: the jobs and the clock; travels as JSON.
        prefix: of every topic's name.
    """

    def __init__(self, config: Config, prefix: str) -> None:
        self._packed = msgspec.json.encode(config)
        self._prefix = prefix

    def open(self, runtime_context: RuntimeContext) -> None:
        """In the worker, before the first element."""
        config = msgspec.json.decode(self._packed, type=Config)
        self._writes_ticks = config.clock == "wall"
        self._routing, self._combining = Routing(config), CombinerRouting(config)
        data = Types.PRIMITIVE_ARRAY(Types.BYTE())
        # "snapshot" held the whole state before there were rows: a release of then refuses the manifest in words.
        self._manifest = runtime_context.get_state(ValueStateDescriptor("snapshot", data))
        self._rows = runtime_context.get_map_state(MapStateDescriptor("rows", Types.STRING(), data))
        self._journal = runtime_context.get_list_state(ListStateDescriptor("journal", data))
        self._kept: dict[str, Kept] = {}
        self._tickers: dict[str, Ticker] = {}
        self._armed: dict[str, float] = {}  # when a key's timer rings
        self._now = Steady()
        leave_with_parent()

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """One message of a log."""
        message = Message(value[0].removeprefix(self._prefix), key_of(value[1]), bytes(value[2] or b""), 0)
        routing = self._routing if message.topic == TRACES else self._combining
        route = routing.route(message)
        if route.key is not None:
            kept = self._kept_of(message.topic, message.key)
            for output in kept.feed(message):
                yield self._row(output)
            if self._writes_ticks and message.topic == TRACES:
                self._arm(message.key, kept.live, ctx)
        for output in route.after:
            yield self._row(output)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """A key's tick may be due."""
        topic, _, key = ctx.get_current_key().partition("/")
        if topic != TRACES or key not in self._routing.keys:
            return  # the job was taken out of the configuration
        self._armed.pop(key, None)
        live: Any = self._kept_of(topic, key).live
        ticker = self._ticker(key)
        self._now.hear(live.said)
        tick = ticker.due(self._now(), live.clock, live.doubted) if live.is_live else None
        if tick is not None:
            yield self._row(Output(TRACES, key, ticker.record(tick, self._now.leap)))
        self._arm(key, live, ctx)

    def _arm(self, key: str, live: Any, ctx: Any) -> None:
        if live.is_live and key not in self._armed:
            next_tick = self._ticker(key).next(self._now())
            self._armed[key] = next_tick + self._now.leap  # Flink's timers go by the wall clock
            ctx.timer_service().register_processing_time_timer(round(self._armed[key] * 1000))

    def _ticker(self, key: str) -> Ticker:
        if key not in self._tickers:
            self._tickers[key] = Ticker(*self._routing.keys[key])
        return self._tickers[key]

    def _kept_of(self, topic: str, key: str) -> Kept:
        name = f"{topic}/{key}"
        if name not in self._kept:
            self._kept[name] = Kept(lambda: self._make(topic, key), self._manifest, self._rows, self._journal)
        return self._kept[name]

    def _make(self, topic: str, key: str) -> Keyed:
        if topic == TRACES:
            return operator_of(*self._routing.keys[key])
        return combiner_of(self._combining.jobs[key])

    def _row(self, output: Output) -> Row:
        topic, key, value = fitting(output, LARGEST)
        return Row(self._prefix + topic, key.encode(), value)


def key_of(key: bytes | None) -> str:
    """The key of a message as text; other producers' keys may be anything."""
    return (key or b"").decode("utf-8", errors="backslashreplace")


def leave_with_parent() -> None:
    """End this process when the Flink that started it is gone: after `kill -9` of that nobody else would do it."""
    started = _ancestors()

    def watch() -> None:
        while _ancestors() == started:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _ancestors() -> tuple[int, int]:
    """The parent, a shell, and its parent, the JVM."""
    parent = os.getppid()
    return parent, parent_of(parent)
