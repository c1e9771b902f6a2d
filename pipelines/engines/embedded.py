"""The embedded engine: one process, no broker; feeds the log and time to the operators, and keeps their state.

The host of a key appends its `Tick`s and the configuration as a `Setting`; with `clock = "log"` the ticks are in the
log already (a replay, a driver).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.configuring import configure
from streamgauge.pipelines.engines.keyed import Keyed, KeyedConsumer
from streamgauge.pipelines.engines.routing import Routing
from streamgauge.pipelines.engines.ticking import Hosted, Ticks
from streamgauge.pipelines.ports import Bus
from streamgauge.pipelines.stream.stages import Caching
from streamgauge.tracer.transport import LogError


class Engine:
    """Runs the operators of all configured jobs over `traces`; one thread calls `step`, `tick` and `commit`."""

    def __init__(
        self, config: Config, bus: Bus, make: Callable[[JobConfig, int], Hosted], *, every: float = 5.0,
        batch: int = 200,
    ) -> None:  # fmt: skip
        routing = Routing(config)
        self._config, self._bus, self._keys, self._job_of = config, bus, routing.keys, routing.job_of
        self._ticks = Ticks(config)
        self._hosted: dict[str, Hosted] = {}
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

    def tick(self, now: float, leap: float = 0.0) -> int:
        """Append a tick to each live key for which `now` passed a multiple of `tick`; how many.

        `leap`: how far the host's clock is ahead of `now`, which does not follow it.
        """
        hosted = {key: self._hosted[key] for key in self.consumer.states}
        messages = self._ticks.due(now, self._keys, hosted, leap)
        if messages:
            with self._watching():
                self._bus.send(messages)
        return len(messages)

    def now(self) -> float:
        """The time of the furthest job; 0 before the first tick. Any thread may ask."""
        return max((self._clock(key) for key in list(self._hosted)), default=0.0)

    @property
    def said(self) -> float:
        """The newest time that the workers of a job tell; minus infinity without any."""
        return max((self._hosted[key].said for key in self.consumer.states), default=-math.inf)

    @property
    def cached_bytes(self) -> int:
        """What all operators keep to be quicker, about. Any thread may ask."""
        return sum(one.cached_bytes for one in list(self._hosted.values()) if isinstance(one, Caching))

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except LogError:
            self._ticks.refused()
            raise

    def _clock(self, key: str) -> float:
        clock = self._hosted[key].clock if key in self._hosted else 0.0
        return clock if math.isfinite(clock) else 0.0

    def _make(self, key: str) -> Keyed:
        self._hosted[key] = self._make_hosted(*self._job_of(key))
        return self._hosted[key]
