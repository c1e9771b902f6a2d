"""The tracer's own faults: counted, logged at most once a minute, and a breaker that stops tracing when they repeat."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

LOG: Final = logging.getLogger("tracer")


class Faults:
    """Counts faults by kind. More than `limit` of them within `window` seconds trip the breaker for `pause` seconds.

    >>> now = [0.0]
    >>> faults = Faults(lambda: now[0], limit=1, pause=600.0)
    >>> for _ in range(2):
    ...     faults.count("fold", ValueError("bad"))
    >>> faults.is_tripped
    True
    >>> now[0] = 601.0
    >>> faults.is_tripped
    False
    """

    def __init__(
        self, monotonic: Callable[[], float], *, limit: int = 20, window: float = 60.0, pause: float = 600.0
    ) -> None:
        self._monotonic = monotonic
        self._window = window
        self._pause = pause
        self._recent: deque[float] = deque(maxlen=limit + 1)
        self._logged = -1e18
        self._tripped_until = -1e18
        self.counts: Counter[str] = Counter()
        self.last = ""

    @property
    def is_tripped(self) -> bool:
        """Whether tracing is stopped for now."""
        return self._monotonic() < self._tripped_until

    def count(self, where: str, error: BaseException, *, trips: bool = True) -> None:
        """One fault; `trips=False` for what is not the tracer's or its caller's doing, such as a dead bus."""
        now = self._monotonic()
        self.counts[where] += 1
        self.last = f"{where}: {type(error).__name__}: {error}"[:500]
        if trips:
            self._recent.append(now)
            if len(self._recent) == self._recent.maxlen and now - self._recent[0] <= self._window:
                self._tripped_until = now + self._pause
                self._recent.clear()
        if now - self._logged >= 60.0:
            self._logged = now
            LOG.warning("%s (%d faults so far; training goes on)", self.last, self.counts.total())
