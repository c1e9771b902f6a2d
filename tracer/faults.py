"""The tracer's own faults, and what it refuses: counted, logged at most once a minute.

Faults that repeat trip a breaker that stops tracing. A refusal is of one argument or one column of the job's: it costs
only that, is told with its reason, and trips nothing.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from streamgauge.tracer.printable import printable

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec  # from Python 3.10 on

    P = ParamSpec("P")

MOST_REFUSED: Final = 1_000
LONGEST: Final = 300  # characters of a reason

LOG: Final = logging.getLogger(__name__)


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
        self.refused: Counter[str] = Counter()  # by what, such as feature:genres or argument:ids
        self.reasons: dict[str, str] = {}  # the last one of each

    @property
    def is_tripped(self) -> bool:
        """Whether tracing is stopped for now."""
        return self._monotonic() < self._tripped_until

    def count(self, where: str, error: BaseException, *, trips: bool = True) -> None:
        """One fault; `trips=False` for what is not the tracer's or its caller's doing, such as a dead bus."""
        now = self._monotonic()
        self.counts[where] += 1
        self.last = printable(f"{where}: {type(error).__name__}: {error}"[:500])
        if trips:
            self._recent.append(now)
            if len(self._recent) == self._recent.maxlen and now - self._recent[0] <= self._window:
                self._tripped_until = now + self._pause
                self._recent.clear()
        self._log(now, f"{self.last} ({self.counts.total()} faults so far; training goes on)")

    def trip(self, where: str, reason: str) -> None:
        """Stop tracing for a while, for a reason that is no fault."""
        self.counts[where] += 1
        self.last = printable(f"{where}: {reason}"[:500])
        self._tripped_until = self._monotonic() + self._pause
        LOG.warning("%s", self.last)

    def refuse(self, what: str, reason: str) -> None:
        """One argument or column that cannot be used; beyond 1,000 names they are counted together."""
        what = what if what in self.refused or len(self.refused) < MOST_REFUSED else "others"
        self.refused[what] += 1
        self.reasons[what] = reason[:LONGEST]
        self._log(self._monotonic(), f"{what.replace(':', ' ')} is refused: {reason[:LONGEST]}")

    def refusals(self) -> dict[str, str]:
        """The last reason of each of the first 100 names that were refused."""
        return {what: self.reasons[what] for what in list(self.refused)[:100]}

    def _log(self, now: float, text: str) -> None:
        if now - self._logged >= 60.0:
            self._logged = now
            LOG.warning("%s", printable(text))


class Guarded(Protocol):
    """Something whose calls a training job makes."""

    faults: Faults

    @property
    def is_off(self) -> bool:
        """Whether its calls do nothing."""
        ...


G = TypeVar("G", bound=Guarded)


def harmless(method: Callable[Concatenate[G, P], None]) -> Callable[Concatenate[G, P], None]:
    """A method that never raises into the training job: what goes wrong is counted."""

    @functools.wraps(method)
    def call(self: G, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.is_off:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.faults.count(method.__name__, error)

    return call
