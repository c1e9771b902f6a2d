"""The embedded engine: one process, no broker; feeds the log and time to the operators, and keeps their state.

The host of a key appends its `Tick`s and the configuration as a `Setting`; with `clock = "log"` the ticks are in the
log already (a replay, a driver).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from pipelines.config import Config, JobConfig
from pipelines.engines.configuring import configure
from pipelines.engines.keyed import Keyed, KeyedConsumer
from pipelines.engines.routing import Routing, last_tick
from pipelines.ports import Bus
from tracer import records
from tracer.records import Tick
from tracer.transport import LogError

CATCH_UP: Final = 10.0  # seconds: twice what a tracer waits at most before it tries a log that failed again


class Hosted(Keyed, Protocol):
    """An operator as its host sees it."""

    @property
    def clock(self) -> float:
        """The job's clock: the last tick."""
        ...

    @property
    def is_live(self) -> bool:
        """True from the first record of a run until the job has ended: it wants ticks."""
        ...


class Engine:
    """Runs the operators of all configured jobs over `traces`; one thread calls `step`, `tick` and `commit`."""

    def __init__(
        self, config: Config, bus: Bus, make: Callable[[JobConfig, int], Hosted], *, every: float = 5.0,
        batch: int = 200,
    ) -> None:  # fmt: skip
        routing = Routing(config)
        self._config, self._bus, self._keys = config, bus, routing.keys
        self._writes_ticks = config.clock == "wall"
        self._hosted: dict[str, Hosted] = {}
        self._ticked: dict[str, float] = {}
        self._is_refused = False  # by the log, since the last call of `tick`
        self._resume = -math.inf  # no tick before this
        self._make_hosted = make
        self.consumer = KeyedConsumer(bus, "engine", "traces", routing.route, self._make, every=every, batch=batch)

    def begin(self) -> int:
        """Append each job's configuration where it differs from the log's; how many were appended."""
        return configure(self._config, self._bus, self._clock)

    def step(self) -> int:
        """Read, feed and send one batch; how many messages that were."""
        with self._watching():
            return self.consumer.step()

    def commit(self) -> None:
        """Store the state now; for a clean stop."""
        self.consumer.commit()

    def tick(self, now: float) -> int:
        """Append a tick to each live key for which `now` passed a multiple of `tick`; none with `clock = "log"`.

        When the log takes nothing, the workers' records wait too: time stands still until they have come.
        """
        if self._is_refused:
            self._is_refused, self._resume = False, now + CATCH_UP
        if not self._writes_ticks or 0.0 < self._resume - now <= CATCH_UP:
            return 0
        messages = []
        for key in self.consumer.states:
            job, shard = self._keys[key]
            due = last_tick(job, now)
            if due > self._ticked.get(key, 0.0) and self._hosted[key].is_live:
                messages.append(("traces", key, records.encode(Tick(job=job.name, shard=shard, time=due))))
                self._ticked[key] = due
        if messages:
            with self._watching():
                self._bus.send(messages)
        return len(messages)

    def now(self) -> float:
        """The time of the furthest job; 0 before the first tick. Any thread may ask."""
        return max((self._clock(key) for key in list(self._hosted)), default=0.0)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except LogError:
            self._is_refused = True
            raise

    def _clock(self, key: str) -> float:
        clock = self._hosted[key].clock if key in self._hosted else 0.0
        return clock if math.isfinite(clock) else 0.0

    def _make(self, key: str) -> Keyed:
        self._hosted[key] = self._make_hosted(*self._keys[key])
        return self._hosted[key]
