"""The ticks that the host of a key appends to its log: at each multiple of `tick` that its clock passes.

When the log takes nothing, the workers' records wait too: time stands still until they have come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.keyed import Keyed
from streamgauge.pipelines.engines.routing import last_tick
from streamgauge.tracer import codec
from streamgauge.tracer.records import Tick
from streamgauge.tracer.steady import Steady

CATCH_UP: Final = 10.0  # seconds: twice what a tracer waits at most before it tries a log that failed again


def leap_of(clock: Callable[[], float]) -> float:
    """How far a host's clock is ahead of the time that it tells; 0.0 of one that follows every leap."""
    return clock.leap if isinstance(clock, Steady) else 0.0


class Hosted(Keyed, Protocol):
    """An operator as its host sees it."""

    @property
    def clock(self) -> float:
        """The job's clock: the last tick."""
        ...

    @property
    def said(self) -> float:
        """The time that its workers tell; minus infinity without any."""
        ...

    @property
    def is_live(self) -> bool:
        """True from the first record of a run until the job has ended: it wants ticks."""
        ...


class Ticks:
    """Which ticks are due; none with `clock = "log"`, where they are in the log already."""

    def __init__(self, config: Config) -> None:
        self._writes_ticks = config.clock == "wall"
        self._ticked: dict[str, float] = {}
        self._is_refused = False  # by the log, since the last call of `due`
        self._resume = -math.inf  # no tick before this

    def refused(self) -> None:
        """The log took nothing."""
        self._is_refused = True

    def due(
        self, now: float, keys: Mapping[str, tuple[JobConfig, int]], hosted: Mapping[str, Hosted], leap: float = 0.0
    ) -> list[tuple[str, str, bytes]]:
        """What to append to `traces` now: a tick for each live key whose time passed a multiple of `tick`.

        `leap`: how far the host's clock is ahead of `now`, which does not follow it.
        """
        if self._is_refused:
            self._is_refused, self._resume = False, now + CATCH_UP
        if not self._writes_ticks or 0.0 < self._resume - now <= CATCH_UP:
            return []
        messages = []
        for key, operator in hosted.items():
            job, shard = keys[key]
            due = last_tick(job, now)
            if due > self._ticked.get(key, 0.0) and operator.is_live:
                messages.append(("traces", key, codec.encode(Tick(job=job.name, shard=shard, time=due, leap=leap))))
                self._ticked[key] = due
        return messages
