"""Windows that were judged anomalous, in runs, and what they have taught all the same, for people to take it back.

A series' past must hold what it did at its worst, or nothing would ever become usual; but what on-call calls a true
alarm is no habit, however often it comes. A run is known by its onset, as an incident is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.detection.closed import KeyParts, series_of
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.rows import Rows, encoded

KEPT: Final = 16  # runs of a series, the newest last
FORGET: Final = 28 * DAY  # after which nobody says anything of a run
Scores = tuple[tuple[float, float], ...]  # `z` and `jump` of the windows that the series' past has counted


class Run(msgspec.Struct, array_like=True, frozen=True):
    """Anomalous windows of one series in a row."""

    start: float  # of its first window
    last: float  # start of its last one
    scores: Scores = ()
    is_out: bool = False  # on-call has said that it is no lesson


class Odd(NamedTuple):
    """One anomalous window of a series, and its scores if they have counted."""

    key: SeriesKey
    scores: Scores


class Lesson(NamedTuple):
    """What windows from `start` to `last` have taught a series, to be taken back (`by` -1) or in again (1)."""

    key: SeriesKey
    start: float
    last: float
    scores: Scores
    by: int


class _State(msgspec.Struct, array_like=True, frozen=True):
    version: int
    runs: tuple[tuple[KeyParts, tuple[Run, ...]], ...]


class Rejected:
    """The runs of one kind of window, which begin `slide` seconds after each other."""

    def __init__(self, slide: float) -> None:
        self._slide = slide
        self._runs: dict[SeriesKey, tuple[Run, ...]] = {}

    def note(self, start: float, odd: Iterable[Odd], onsets: Mapping[SeriesKey, float]) -> Iterator[Lesson]:
        """Take in the window that begins at `start`; what it has just taught of runs that are no lesson.

        Args:
            start: of the window.
            odd: the series of which it was anomalous.
            onsets: of the open episodes.
        """
        for key, scores in odd:
            runs = tuple(run for run in self._runs.get(key, ()) if start - run.last <= FORGET)
            before = runs[-1] if runs and self._goes_on(runs[-1], start, onsets.get(key)) else Run(start, start)
            run = msgspec.structs.replace(before, last=start, scores=(*before.scores, *scores))
            others = runs[:-1] if runs and before is runs[-1] else runs
            self._runs[key] = (*others, run)[-KEPT:]
            if run.is_out:
                yield Lesson(key, start, start, scores, -1)

    def say(self, keys: Iterable[SeriesKey], onset: float, is_taught: bool) -> Iterator[Lesson]:
        """What these series did from the onset on is a lesson, or is none; what of it changes."""
        for key in keys:
            runs = self._runs.get(key, ())
            place = next((i for i, run in enumerate(runs) if run.last >= onset), None)
            if place is None or runs[place].start - onset > DAY or runs[place].is_out is not is_taught:
                continue
            run = msgspec.structs.replace(runs[place], is_out=not is_taught)
            self._runs[key] = (*runs[:place], run, *runs[place + 1 :])
            yield Lesson(key, run.start, run.last, run.scores, 1 if is_taught else -1)

    def forget(self, keys: Iterable[SeriesKey]) -> None:
        """The scores of these series mean something else from now on."""
        for key in keys:
            if key in self._runs:
                self._runs[key] = tuple(msgspec.structs.replace(run, scores=()) for run in self._runs[key])

    def keep(self, known: Mapping[SeriesKey, int]) -> None:
        """Only these series are left."""
        self._runs = {key: runs for key, runs in self._runs.items() if key in known}

    def rename(self, job: str) -> None:
        """The same series of a job of another name."""
        self._runs = {key._replace(job=job): runs for key, runs in self._runs.items()}

    def put_rows(self, rows: Rows) -> None:
        """All state, exactly; nothing where nothing was anomalous."""
        if self._runs:
            runs = tuple((key, self._runs[key]) for key in sorted(self._runs))
            rows.put_value("rejected", encoded("watch rejected", runs))

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put; a release that could take nothing back put none."""
        kept = states.read("watch rejected", rows["rejected"], _State).runs if "rejected" in rows else ()
        self._runs = {series_of(key): runs for key, runs in kept}

    def _goes_on(self, run: Run, start: float, onset: float | None) -> bool:
        return start - run.last <= self._slide or (onset is not None and run.last >= onset)
