"""What the demo's driver shows while it replays: the stream's date, how far it is, the job's score."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self, TextIO
from zoneinfo import ZoneInfo

from examples.flights.data import ZONE

_EVERY: Final = 0.5  # seconds between looks at the pipeline
_NY: Final = ZoneInfo(ZONE)
_BAR: Final = 24


class Asked(Protocol):
    """Who knows the jobs' scores."""

    def ask(self, path: str) -> Any:
        """The JSON that a route answers."""
        ...


class Progress:
    """One line that is drawn over on a terminal, and written every ten seconds elsewhere; a context manager."""

    def __init__(self, begin: float, end: float, pipeline: Asked, out: TextIO = sys.stderr) -> None:
        """Nothing is drawn before the first hour."""
        self._begin, self._end, self._pipeline, self._out = begin, end, pipeline, out
        self._started = self._looked = time.monotonic()
        self._every = _EVERY if out.isatty() else 10.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._out.isatty():
            self._out.write("\n")

    def show(self, now: float) -> None:
        """Stream time has come to `now`."""
        if time.monotonic() - self._looked < self._every and now < self._end:
            return
        self._looked = time.monotonic()
        jobs: Sequence[dict[str, Any]] = self._pipeline.ask("/api/jobs")
        line = f"{self._bar(now)}  {_scores(jobs)}"
        self._out.write(f"\r\x1b[2K{line}" if self._out.isatty() else f"{line}\n")
        self._out.flush()

    def _bar(self, now: float) -> str:
        share = min(1.0, (now - self._begin) / (self._end - self._begin))
        left = (time.monotonic() - self._started) * (1 - share) / max(share, 1e-6)
        date = datetime.datetime.fromtimestamp(now, _NY).strftime("%a %d %b %H:%M")
        filled = round(share * _BAR)
        return f"{date} [{'#' * filled}{'.' * (_BAR - filled)}] {share:4.0%}, {left:3.0f} s left"


def _scores(jobs: Sequence[dict[str, Any]]) -> str:
    job = next(iter(jobs), {})
    if job.get("score") is None:
        return "no score yet"
    return f"score {job['score']:.1f} {job.get('band', '')}"
