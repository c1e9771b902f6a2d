"""When a host writes a key's next tick, where it sees its own ticks come back: one under way at a time.

While the log takes nothing, the last tick does not come back and time stands still; then the workers' records, which
waited too, get `CATCH_UP` seconds to come first. A backlog delays ticks in the same way.
"""

from __future__ import annotations

import math

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.engines.routing import last_tick
from streamgauge.pipelines.engines.ticking import CATCH_UP
from streamgauge.tracer import codec
from streamgauge.tracer.records import Tick


class Ticker:
    """Gives one key its ticks, seconds of wall time.

    >>> ticker = Ticker(JobConfig(name="ctr"), 0)
    >>> [ticker.due(now, clock) for now, clock in [(5.3, 0.0), (6.1, 0.0), (6.4, 5.0), (6.5, 5.0)]]
    [5.0, None, 6.0, None]
    """

    def __init__(self, job: JobConfig, shard: int) -> None:
        self._job, self._shard = job, shard
        self._asked: float | None = None  # written and not seen yet
        self._since = self._resume = -math.inf

    def due(self, now: float, clock: float, doubted: float | None = None) -> float | None:
        """The tick to write now, if any; `clock` is the last one seen, `doubted` one that waits for a second."""
        if self._asked is not None:
            if clock < self._asked - self._job.tick / 2 and doubted != self._asked:
                return None
            if now - self._since > CATCH_UP:
                self._resume = now + CATCH_UP
            self._asked = None
        tick = last_tick(self._job, now)
        if 0.0 < self._resume - now <= CATCH_UP or tick <= clock:
            return None
        self._asked, self._since = tick, now
        return tick

    def next(self, now: float) -> float:
        """When to ask again: the next multiple of `tick`."""
        return last_tick(self._job, now) + self._job.tick

    def record(self, time: float, leap: float = 0.0) -> bytes:
        """A tick as the log has it; `leap` is that of the host's clock."""
        return codec.encode(Tick(job=self._job.name, shard=self._shard, time=time, leap=leap))
