"""The `run` process: engine, combiner, pager, verdicts, store writer, notifiers, HTTP as consumers of one bus."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from streamgauge.pipelines.adapters.http import events, server
from streamgauge.pipelines.adapters.http.keys import Sources
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.config.own_job import own_job
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.combining import combining
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.engines.keyed import Keyed, KeyedConsumer, Route
from streamgauge.pipelines.engines.routing import unwanted
from streamgauge.pipelines.engines.ticking import Hosted, leap_of
from streamgauge.pipelines.paging.feedback import CONSUMER as VERDICTS
from streamgauge.pipelines.paging.feedback import FeedbackLoop
from streamgauge.pipelines.paging.outbox import Outbox
from streamgauge.pipelines.ports import Bus, Holds, Notifier, Query, Store, Stored
from streamgauge.pipelines.service.child_process import ChildProcess, Command
from streamgauge.pipelines.service.consumers import Consumer, Step
from streamgauge.pipelines.service.health import Health
from streamgauge.pipelines.service.held import CACHES
from streamgauge.pipelines.service.http_thread import HttpThread
from streamgauge.pipelines.service.id_control import IdControl
from streamgauge.pipelines.service.kept import Left, left
from streamgauge.pipelines.service.self_monitoring import SelfMonitor
from streamgauge.pipelines.service.store_writer import StoreWriter
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.states import Unfit
from streamgauge.tracer.records import Tick
from streamgauge.tracer.steady import Steady
from streamgauge.tracer.transport import Message

PAGER_TICK: Final = 1.0  # seconds of wall time between the pager's ticks
_PROMPT: Final = 0.1  # the same while something waits for a decision: bounds how long an alert takes
_SHOWN: Final = 0.5  # seconds between commits of what verdicts taught: what is shown of it is so old
_TRIM: Final = 10.0  # seconds of wall time between looks at what is old, or too much
_LEAST_WAIT: Final = 10.0  # seconds in which threads must end
_log = logging.getLogger(__name__)


class Parts(NamedTuple):
    """What the process is made of; tests give memory where a real one gives files. Openers are called once a thread."""

    open_bus: Callable[[], Bus]
    open_store: Callable[[], Store]
    open_query: Callable[[], Query]
    make_operator: Callable[[JobConfig, int], Hosted]
    make_combiner: Callable[[JobConfig], Keyed]
    make_pager: Callable[[], Keyed]
    topology: Callable[[str], Any]
    notifiers: tuple[Notifier, ...]
    trim: Callable[[], None]
    purge: Callable[[Store], int]
    now: Callable[[], float]
    close: Callable[[], None] = lambda: None
    held: Mapping[str, Callable[[], int]] = {}  # bytes that the parts keep in memory, by what they are
    engine: Command | None = None  # None: embedded, in this process


class Service:
    """All consumers of one configuration; `start`, then `stop`."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self.stopping = threading.Event()
        self.engine = (
            Engine(config, parts.open_bus(), parts.make_operator) if parts.engine is None
            else ChildProcess(config, parts.open_bus, parts.engine)
        )  # fmt: skip
        self._config, self._parts, self._bus = config, parts, parts.open_bus()
        self._ahead: list[Holds] = []
        self._health = Health(config, parts.now)
        self._health.held |= {
            **CACHES, **parts.held,
            "read_ahead": lambda: sum(one.held_bytes for one in self._ahead),
            "passage": lambda: self._health.passage.held_bytes,
            "outboxes": lambda: sum(one.held_bytes for one in self._health.outboxes),
        }  # fmt: skip
        self._http: HttpThread | None = None
        self._keyed: list[KeyedConsumer] = []
        self._add_verdicts()  # first: what it says goes into the jobs' logs
        self._add_engine()
        if config.engine != "flink" and any(job.shards > 1 for job in config.jobs):  # Flink combines itself
            self._add_keyed(combining(config, self._own_bus(), parts.make_combiner))
        self._add_pager()
        self._add_writer()
        for notifier in parts.notifiers:
            self._add_outbox(notifier)
        self._add("trim", self._own_bus(), self._trim())
        self._add_own()

    def start(self, guard: Guard, static: Path | None = None) -> str:
        """Start everything; the address of the HTTP surface. Raises OSError if its port is taken."""
        sources = Sources(
            self._config, self._own_bus(), self._parts.open_query, self.health, self._health.process_metrics,
            self._health.unready, self._parts.topology, self._now,
            self.silent,
        )  # fmt: skip
        app = server.application(sources, guard, static)
        self._health.clients = lambda: events.clients(app)
        self._health.connections = lambda: server.connections(app)
        self._health.held |= server.held(app)
        self._http = HttpThread(app, self._config.host, self._config.port)
        address = self._http.begin()
        self.engine.begin()
        for consumer in self._health.consumers:
            consumer.start()
        return address

    def stop(self) -> None:
        """Stop everything; what is under way is committed. Who has not ended after 10 s is `running` still."""
        self.stopping.set()
        for consumer in self._health.consumers:
            if consumer.is_alive():
                consumer.join(_LEAST_WAIT)
        if self._http is not None:
            self._http.end()
        self._bus.close()
        self._parts.close()

    def running(self) -> tuple[str, ...]:
        """Who has not ended: it may still commit, so nothing else may have the same state until it has."""
        return tuple(consumer.name for consumer in self._health.consumers if consumer.is_alive())

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """All of them, upstream first."""
        return tuple(self._health.consumers)

    def parked(self) -> list[Left]:
        """What is kept of jobs that are not configured now."""
        return left(self._keyed)

    def silent(self, job: str) -> tuple[str, ...]:
        """The workers of a job that were not heard of for three of their intervals."""
        return self._health.passage.jobs[job].silent

    def health(self) -> dict[str, Any]:
        """Lags in messages and the state of each consumer, upstream first."""
        return self._health.report()

    def _now(self) -> float:
        """The time by which people act: the wall's, or in a replay the jobs' own."""
        return self._parts.now() if self._config.clock == "wall" else self.engine.now()

    def _own_bus(self) -> Bus:
        return self._noted(self._parts.open_bus())

    def _noted(self, bus: Bus) -> Bus:
        """A bus whose bytes are told, if it reads ahead; who uses it closes it."""
        if isinstance(bus, Holds):
            self._ahead.append(bus)
        return bus

    def _add(self, name: str, bus: Bus, step: Step, at_end: Callable[[], None] | None = None) -> None:
        self._health.consumers.append(Consumer(name, bus, step, self.stopping, at_end))

    def _add_engine(self) -> None:
        engine, now = self.engine, self._parts.now
        if isinstance(engine, ChildProcess):
            self._health.lags["engine"] = lambda: engine.lag(self._bus)
            self._add("engine", engine.bus, engine.step, engine.stop)
            return
        self._watch(engine.consumer)
        self._noted(engine.consumer.bus)
        self._health.held["engine_caches"] = lambda: engine.cached_bytes
        if self._config.clock == "wall":
            self._health.ahead = lambda: engine.now() - now()
        self._add("engine", engine.consumer.bus, lambda: engine.step() or _tick(engine, now), engine.commit)

    def _add_keyed(self, keyed: KeyedConsumer, step: Step | None = None) -> None:
        self._watch(keyed)
        self._add(keyed.name, keyed.bus, step or keyed.step, keyed.commit)

    def _watch(self, keyed: KeyedConsumer) -> None:
        self._keyed.append(keyed)
        self._health.lags[keyed.name] = lambda: keyed.lag(self._bus)
        self._health.states[keyed.name] = lambda: keyed.state_bytes
        self._health.held[f"{keyed.name}_unsent"] = lambda: keyed.unsent_bytes

    def _add_verdicts(self) -> None:
        bus, jobs = self._own_bus(), {job.name: job for job in self._config.jobs}
        states: dict[str, FeedbackLoop] = {}

        def make(key: str) -> FeedbackLoop:
            if key not in jobs:
                raise Unfit(unwanted(jobs, key))
            states[key] = FeedbackLoop(jobs[key])
            return states[key]

        def route(message: Message) -> Route:
            return Route(message.key if message.key in jobs else None)

        keyed = KeyedConsumer(bus, VERDICTS, "alerts", route, make, every=_SHOWN)

        def step() -> int:
            now = self._now()
            wanted = [name for name in sorted(states) if states[name].wants_tick(now)]
            if wanted and not keyed.lag(bus):
                bus.send([("alerts", name, outputs.encode(Tick(job=name, time=now))) for name in wanted])
            return keyed.step()

        self._add_keyed(keyed, step)

    def _add_pager(self) -> None:
        bus, make = self._own_bus(), self._parts.make_pager
        last, is_waited_for = -math.inf, False

        def route(message: Message) -> Route:
            nonlocal is_waited_for
            is_waited_for = is_waited_for or message.key != ""
            return Route("")

        keyed = KeyedConsumer(bus, "pager", "anomalies", route, lambda key: make())

        def step() -> int:
            nonlocal last, is_waited_for
            now = self._parts.now()
            if self._config.clock == "wall" and now >= last + (_PROMPT if is_waited_for else PAGER_TICK):
                bus.send([("anomalies", "", outputs.encode(Tick(job="", time=now)))])
                last, is_waited_for = now, False
            return keyed.step()

        self._add_keyed(keyed, step)

    def _add_writer(self) -> None:
        bus, store = self._own_bus(), self._parts.open_store()
        ids = IdControl(bus)

        def passed(record: Stored) -> None:
            self._health.passage.note(record)
            ids.note(record)

        writer = StoreWriter(bus, store, passed=passed)
        self._health.lags["writer"] = lambda: writer.lag(self._bus)
        self._health.dead = lambda: writer.dead
        self._health.store = lambda: store.health() | ({"replaced": writer.replaced} if writer.replaced else {})
        if isinstance(store, Holds):
            self._health.held["store"] = lambda: store.held_bytes
        if store.health():
            self._health.lags["store"] = lambda: int(store.health()["waiting"])
        self._add("writer", bus, lambda: writer.step() or ids.step() or self._parts.purge(store), store.close)

    def _add_outbox(self, notifier: Notifier) -> None:
        bus = self._own_bus()
        outbox = Outbox(bus, notifier, pause=self.stopping.wait)
        self._health.outboxes.append(outbox)
        self._health.lags[outbox.name] = lambda: outbox.lag(self._bus)
        self._add(outbox.name, bus, outbox.step)

    def _add_own(self) -> None:
        """The pipeline's own job; there is none where the jobs' time is a driver's."""
        job, now = own_job(self._config), self._parts.now
        if job is not None:
            bus = self._own_bus()
            observer = SelfMonitor(self._config, job, bus, self._health.process_metrics, now, self.stopping.wait)
            self._add("own", bus, observer.step, observer.close)

    def _trim(self) -> Step:
        due = -math.inf

        def step() -> int:
            nonlocal due
            if self._parts.now() >= due:
                due = self._parts.now() + _TRIM
                self._parts.trim()
            return 0

        return step


def _tick(engine: Engine, now: Callable[[], float]) -> int:
    """The ticks that are due; a leap of this host's clock is not followed while the workers' time goes on."""
    if isinstance(now, Steady):
        now.hear(engine.said)
    return engine.tick(now(), leap_of(now))
