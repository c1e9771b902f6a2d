"""What the demo shows while it replays: the stream's date, how far it is, the job's score; and the pipeline's words."""

from __future__ import annotations

import datetime
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self, TextIO
from zoneinfo import ZoneInfo

from streamgauge.examples.flights.columns import ZONE

_EVERY: Final = 0.5  # seconds between looks at the pipeline
_NY: Final = ZoneInfo(ZONE)
_BAR: Final = 24


class Asked(Protocol):
    """Who knows the jobs' scores."""

    def ask(self, path: str) -> Any:
        """The JSON that a route answers."""
        ...


class Screen:
    """Lines that stay, and below them on a terminal one that is drawn over; any thread may write.

    >>> import sys
    >>> Screen(sys.stdout).say("first score")
    first score
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._lock = threading.Lock()
        self._drawn = ""
        self.is_terminal = self._out.isatty()

    def say(self, line: str) -> None:
        """Write a line that stays."""
        with self._lock:
            self._out.write(f"\r\x1b[2K{line}\n{self._drawn}" if self._drawn else f"{line}\n")
            self._out.flush()

    def draw(self, line: str) -> None:
        """Draw the last line anew; where there is no terminal, write it. `""` leaves it as it is, for good."""
        with self._lock:
            if not self.is_terminal:
                self._out.write(f"{line}\n" if line else "")
            elif line:
                self._out.write(f"\r\x1b[2K{line}")
            elif self._drawn:
                self._out.write("\n")
            self._drawn = line if self.is_terminal else ""
            self._out.flush()


class Progress:
    """One line twice a second on a terminal, every ten seconds elsewhere; a context manager."""

    def __init__(self, begin: float, end: float, pipeline: Asked, screen: Screen) -> None:
        """Nothing is drawn before the first hour."""
        self._begin, self._end, self._pipeline, self._screen = begin, end, pipeline, screen
        self._first: tuple[float, float] | None = None  # wall and stream time: the first hour builds the models
        self._looked = time.monotonic()
        self._every = _EVERY if screen.is_terminal else 10.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._screen.draw("")

    def show(self, now: float) -> None:
        """Stream time has come to `now`."""
        self._first = self._first or (time.monotonic(), now)
        if time.monotonic() - self._looked < self._every and now < self._end:
            return
        self._looked = time.monotonic()
        jobs: Sequence[dict[str, Any]] = self._pipeline.ask("/api/jobs")
        self._screen.draw(f"{self._bar(now)}  {_scores(jobs)}")

    def _bar(self, now: float) -> str:
        assert self._first is not None
        started, first = self._first
        share = min(1.0, (now - self._begin) / (self._end - self._begin))
        left = (time.monotonic() - started) * (self._end - now) / max(now - first, 1.0)
        date = datetime.datetime.fromtimestamp(now, _NY).strftime("%a %d %b %H:%M")
        filled = round(share * _BAR)
        return f"{date} [{'#' * filled}{'.' * (_BAR - filled)}] {share:4.0%}, {left:3.0f} s left"


def _scores(jobs: Sequence[dict[str, Any]]) -> str:
    """Score, band and what is open.

    >>> _scores([{"score": 57.31, "band": "broken", "open_incidents": 1}])
    'score 57.3 broken, 1 incident'
    """
    job = next(iter(jobs), {})
    if job.get("score") is None:
        return "no score yet"
    incidents = int(job.get("open_incidents", 0))
    told = f", {incidents} incident{'s' if incidents > 1 else ''}" if incidents else ""
    return f"score {job['score']:.1f} {job.get('band', '')}{told}"
