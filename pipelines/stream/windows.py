"""Window arithmetic: where windows begin and end, on UTC and on a job's local clock; times in integer microseconds.

A `Calendar` knows the bounds of one kind of window, a `Grid` those of all kinds that close together. Slides below an
hour are aligned to UTC; from an hour on to local midnight + k slides, so the window that holds a clock change is an
hour shorter or longer, and one that would be empty does not exist. Between two bounds of a grid lies a *slice*: the
longest time that no window splits.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from streamgauge.pipelines.config.schema import HOUR, WindowSpec

SECOND: Final = 1_000_000
_EPOCH: Final = datetime.datetime(1970, 1, 1)
_FIRST, _LAST = -6 * 10**16, 25 * 10**16  # outside of the years 69 to 9892 an offset is that of the last year inside
_MEMORY: Final = 4096  # answers a grid keeps; forgetting them changes nothing but speed


def to_micros(seconds: float) -> int:
    """Seconds as integer microseconds.

    >>> to_micros(0.1) * 3 == to_micros(0.3)
    True
    """
    return round(seconds * SECOND)


def to_seconds(micros: int) -> float:
    """Integer microseconds as seconds."""
    return micros / SECOND


class Calendar:
    """The ends of windows with one slide: times that are a multiple of it, on UTC or on the local clock.

    >>> new_york = Calendar(to_micros(3 * HOUR), "America/New_York")
    >>> spring = to_micros(1362898800.0)  # 10 March 2013, 02:00 local, when clocks jump to 03:00
    >>> to_seconds(spring - new_york.until(spring - 1)) / HOUR
    2.0
    """

    def __init__(self, slide: int, timezone: str) -> None:
        self.slide = slide
        self.zone = ZoneInfo(timezone) if slide >= to_micros(HOUR) and timezone != "UTC" else None

    def after(self, time: int) -> int:
        """The first bound after `time`."""
        k = self.local(time) // self.slide + 1
        while (bound := self._bound(k)) <= time:
            k += 1
        return bound

    def until(self, time: int) -> int:
        """The last bound at or before `time`."""
        return self._bound(self._index(time))

    def back(self, bound: int, length: int) -> int:
        """The time `length` before `bound` on this calendar's clock; before the first local time that `bound` is.

        >>> hourly, spring = Calendar(to_micros(HOUR), "America/New_York"), to_micros(1362898800.0)
        >>> to_seconds(spring - hourly.back(spring, to_micros(HOUR))) / HOUR  # 03:00 is 02:00 there
        1.0
        """
        if self.zone is None:
            return bound - length
        k = self._index(bound)
        while self._bound(k - 1) == bound:
            k -= 1
        return self.utc(k * self.slide - length)

    def count(self, after: int, until: int) -> int:
        """How many multiples of the slide lie in (after, until]."""
        return max(0, self._index(until) - self._index(after))

    def local(self, time: int) -> int:
        """What the local clock shows."""
        return time if self.zone is None else time + _offset(self.zone, time)

    def utc(self, local: int) -> int:
        """When the local clock shows `local`: the first time, or the change of the clocks that leaves it out."""
        if self.zone is None:
            return local
        naive = _EPOCH + datetime.timedelta(microseconds=min(max(local, _FIRST), _LAST))
        first, second = (local - _micros(naive.replace(fold=fold, tzinfo=self.zone).utcoffset()) for fold in (0, 1))
        return first if self.local(first) == local else _change(self.zone, second, first)

    def _index(self, time: int) -> int:
        k = self.local(time) // self.slide
        while self._bound(k) > time:
            k -= 1
        while self._bound(k + 1) <= time:
            k += 1
        return k

    def _bound(self, k: int) -> int:
        return self.utc(k * self.slide)


class Window(NamedTuple):
    """One window: `spec` is an index into the job's WindowSpecs."""

    spec: int
    start: int
    end: int


class Grid:
    """All windows of a job that close by the same clock.

    >>> grid = Grid([(0, WindowSpec(name="a", kind="short", length=60, slide=60))], "UTC")
    >>> grid.windows(to_micros(120.0))
    (Window(spec=0, start=60000000, end=120000000),)
    """

    def __init__(self, specs: Sequence[tuple[int, WindowSpec]], timezone: str) -> None:
        self.specs = sorted(specs, key=lambda item: (item[1].length, item[0]))
        self._lengths = [to_micros(spec.length) for _, spec in self.specs]
        self.calendars = [Calendar(to_micros(spec.slide), timezone) for _, spec in self.specs]
        units = {math.gcd(to_micros(spec.length), to_micros(spec.slide)) for _, spec in self.specs}
        self._units = [Calendar(unit, timezone) for unit in sorted(units)]
        self._memory: dict[tuple[str, int], int] = {}
        self._after: dict[int, int] = {}
        self._windows: dict[int, tuple[Window, ...]] = {}

    def after(self, time: int) -> int:
        """The first bound after `time`: where the slice that holds `time` ends."""
        found = self._after.get(time)
        if found is None:
            if len(self._after) >= _MEMORY:
                self._after.clear()
            found = self._after[time] = min(unit.after(time) for unit in self._units)
        return found

    def until(self, time: int) -> int:
        """The last bound at or before `time`."""
        return max(unit.until(time) for unit in self._units)

    def windows(self, bound: int) -> tuple[Window, ...]:
        """The windows that end at `bound`, shortest first."""
        found = self._windows.get(bound)
        if found is None:
            ends = zip(self.specs, self._lengths, self.calendars, strict=True)
            found = tuple(
                Window(index, calendar.back(bound, length), bound)
                for (index, _), length, calendar in ends
                if calendar.until(bound) == bound
            )
            if len(self._windows) >= _MEMORY:
                self._windows.clear()
            self._windows[bound] = found
        return found

    def reach(self, bound: int) -> int:
        """The start of the earliest window that ends after `bound`: older slices are needed no more."""
        return self._remembered("reach", bound, lambda: self._reach(bound))

    def last(self, time: int) -> int:
        """The end of the last window that holds `time`."""
        return self._remembered("last", time, lambda: self._last(time))

    def gap(self, after: int, until: int) -> int:
        """How many windows of the most frequent kind end in (after, until]."""
        return max(calendar.count(after, until) for calendar in self.calendars)

    def shortest_slide(self) -> int:
        """The shortest slide, in microseconds."""
        return min(calendar.slide for calendar in self.calendars)

    def _reach(self, bound: int) -> int:
        pairs = zip(self._lengths, self.calendars, strict=True)
        return min(calendar.back(calendar.after(bound), length) for length, calendar in pairs)

    def _last(self, time: int) -> int:
        ends = []
        for length, calendar in zip(self._lengths, self.calendars, strict=True):
            end = calendar.after(time)
            guess = calendar.until(time + length + 2 * to_micros(HOUR))  # a clock change moves an end by at most that
            while guess > end and calendar.back(guess, length) > time:
                guess = calendar.until(guess - 1)
            ends.append(max(end, guess))
        return max(ends)

    def _remembered(self, question: str, time: int, answer: Callable[[], int]) -> int:
        found = self._memory.get((question, time))
        if found is None:
            if len(self._memory) >= _MEMORY:
                self._memory.clear()
            found = self._memory[question, time] = answer()
        return found


def _offset(zone: ZoneInfo, time: int) -> int:
    seconds = min(max(time, _FIRST), _LAST) // SECOND
    return _micros((datetime.datetime.fromtimestamp(seconds, zone)).utcoffset())


def _micros(offset: datetime.timedelta | None) -> int:
    assert offset is not None  # a zone was given
    return offset // datetime.timedelta(microseconds=1)


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The first microsecond in (before, after] with another offset than `before` has."""
    old = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _offset(zone, middle) == old else (before, middle)
    return after
