"""Wall time that a leap of the host's clock does not carry away.

Wall time is followed as long as it moves with the clock that only goes forward. Where the two come apart by more than
`TOLERANCE` at once, time goes on from where it was: a clock that leaps a day for 5 s moves nothing. What has lasted
`HOLD` is believed, forward and back, so a clock that is set right is followed a minute later; but not against others
whose time goes on as it was (`hear`). Where there is one, the clock that goes on while a machine sleeps is taken: a
laptop's lid is no leap.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

TOLERANCE: Final = 2.0  # seconds at once; what NTP slews is a few milliseconds
HOLD: Final = 60.0  # seconds


def since_boot() -> float:
    """Seconds of a clock that only goes forward, also while the machine sleeps where the system has such a clock."""
    return time.clock_gettime(_BOOT) if _BOOT is not None else time.monotonic()


class Steady:
    """Seconds since the epoch at each call; `leap` is how far the wall clock is ahead of them, 0.0 as long as it leads.

    >>> wall, ran = [1000.0], [0.0]
    >>> steady = Steady(lambda: wall[0], lambda: ran[0])
    >>> wall[0], ran[0] = 87_405.0, 5.0
    >>> steady(), steady.leap
    (1005.0, 86400.0)
    >>> wall[0], ran[0] = 1006.0, 6.0
    >>> steady(), steady.leap
    (1006.0, 0.0)
    """

    __slots__ = ("_began", "_elapsed", "_heard", "_heard_at", "_offset", "_wall", "leap")

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = since_boot) -> None:
        self._wall, self._elapsed = wall, elapsed
        self._offset = wall() - elapsed()
        self._began = 0.0  # when the leap began, by the clock that only goes forward
        self.leap = 0.0
        self._heard, self._heard_at = -math.inf, -math.inf  # what others said last, and when that was news

    def hear(self, time: float) -> None:
        """The newest time that others tell. While they go on, a leap is not followed that leads away from them."""
        if time != self._heard:
            self._heard, self._heard_at = time, self._elapsed()

    def __call__(self) -> float:
        """The time now."""
        elapsed, wall = self._elapsed(), self._wall()
        leap = wall - elapsed - self._offset
        if -TOLERANCE <= leap <= TOLERANCE:
            self._offset, self.leap = wall - elapsed, 0.0
            return wall
        return self._held(elapsed, wall, leap)

    def _held(self, elapsed: float, wall: float, leap: float) -> float:
        if not self.leap or abs(leap - self.leap) > TOLERANCE:  # a new one
            self._began = elapsed
        self.leap = leap
        if elapsed - self._began < HOLD or self._is_contradicted(elapsed, wall):
            return elapsed + self._offset
        self._offset, self.leap = wall - elapsed, 0.0
        return wall

    def _is_contradicted(self, elapsed: float, wall: float) -> bool:
        """Whether others have gone on lately, nearer to the time that is told than to the wall clock."""
        is_news = elapsed - self._heard_at < HOLD
        return is_news and abs(self._heard - elapsed - self._offset) < abs(self._heard - wall)


_BOOT: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)
