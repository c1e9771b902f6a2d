"""What is normal of the series of one kind of window: all that is learnt, how it judges a window, its rows of state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from streamgauge.anomaly.cycle import Place
from streamgauge.anomaly.decay import Decay
from streamgauge.anomaly.explanations import KNOWN, Explanations, News
from streamgauge.anomaly.reference import Bools, Floats, Moment, Reference
from streamgauge.anomaly.reference import Rows as Indices
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.calendar import cells, moment, slots
from streamgauge.pipelines.config.schema import DAY, Detection, JobConfig, WindowSpec
from streamgauge.pipelines.detection.closed import Closed
from streamgauge.pipelines.detection.judging import Judged, explain, judge
from streamgauge.pipelines.detection.rejected import Lesson as Taken
from streamgauge.pipelines.detection.rejected import Scores
from streamgauge.pipelines.detection.taught import Taught
from streamgauge.pipelines.detection.traits import Traits
from streamgauge.pipelines.wire.rows import Rows, below, decoded, encoded


class Lesson(NamedTuple):
    """What one window may teach; every array has shape [n]."""

    keep: Bools  # it is normal
    odd: Bools  # it is not, and may come back
    lasting: Bools  # the series has been like this for more than a day
    grown: Bools  # its warm-up is over


class Normal:
    """The references of a window's series, what explains the rest, and the days that may decay."""

    def __init__(self, spec: WindowSpec) -> None:
        self.spec, self.rarer = spec, 0.0  # decades by which a page is rarer than by default
        self._reference, self._explanations, self._decay = Reference(0, slots(spec)), _explanations(0, spec), Decay()

    def judge(self, closed: Closed, own: Traits, at: Moment, age: Floats, detection: Detection) -> Judged:
        """A window as its best explanation has it; `age` as in `Judged`."""
        expected = self._reference.expect(at, own.classed)
        judged = judge(closed, own, at, expected, age, self.spec, detection)
        return explain(judged, own, self.spec, self._reference, self._explanations) if len(closed.keys) else judged

    def rejudge(
        self, closed: Closed, own: Traits, at: Moment, age: Floats, detection: Detection, rows: Indices
    ) -> Judged:
        """A revision, by the slot alone; `rows` says where its series are here, -1 nowhere. Changes nothing."""
        classed = np.zeros(self._reference.series, dtype=bool)
        classed[rows[rows >= 0]] = own.classed[rows >= 0]
        expected = self._reference.expect(at, classed).at(rows)
        return judge(closed, own, at, expected, age, self.spec, detection)

    def is_news(self, judged: Judged, away: Floats, threshold: Floats) -> Bools:
        """Whether a window is beyond its threshold, and rare; `away` is how far it is in the bad direction, sigmas."""
        if judged.explained is None:
            return away > threshold
        return self._explanations.is_news(judged.explained, away, threshold, self.rarer)

    def together(self, judged: Judged, own: Traits) -> Floats:
        """Sigmas of six windows in a row where they are off together, NaN elsewhere."""
        if judged.explained is None:
            return np.full(len(judged.level), np.nan)
        return self._explanations.together(judged.explained, own.multiplier * judged.width, self.rarer)

    def drifts(self, judged: Judged) -> Floats:
        """Sigmas of series whose level goes the same way day after day, once a day; NaN for all else."""
        # Windows that overlap say the same many times: their days are told by those that do not.
        if not self._explanations.apart:
            return np.full(len(judged.level), np.nan)
        return self._decay.begin(judged.at.day, judged.floor)

    def goes_on(self, judged: Judged) -> Bools:
        """Where a window only goes on the way that the days of its last week have gone, without a leap."""
        if judged.explained is None or not self._explanations.apart:
            return np.zeros(len(judged.level), dtype=bool)
        same = np.sign(np.nan_to_num(judged.z)) == np.where(self._decay.course == 0, 2, self._decay.course)
        leap = np.abs(np.nan_to_num(judged.explained.jump)) > KNOWN * judged.threshold
        goes_on: Bools = same & ~leap
        return goes_on

    def is_over(self, judged: Judged, row: int) -> bool:
        """Whether six windows that were off together are as usual again."""
        return judged.explained is None or self._explanations.is_over(judged.explained, row)

    def detector(self, row: int) -> str:
        """The name of the detector that speaks for a series."""
        return self._explanations.detector(row)

    def losses(self, row: int) -> dict[str, float]:
        """What each detector has been worth for a series lately: nats a window, less is better."""
        return self._explanations.losses(row)

    def learn(self, judged: Judged, lesson: Lesson) -> News | None:
        """The reference learns what is normal for the slot, without what a cell adds; the rest is explained."""
        explained = judged.explained
        if explained is None:
            return None  # no series
        taught = lesson.keep | lesson.odd
        unknown = np.where(taught, 0.0, np.nan)
        heard = explained._replace(z=explained.z + unknown, seasonal=explained.seasonal + unknown)
        level = judged.level - explained.usual
        keep = lesson.keep & self._explanations.teaches(explained)
        self._reference.learn(judged.at, level, keep, level - judged.expected.center)
        self._reference.forget_excess(np.flatnonzero(np.isfinite(judged.level) & lesson.keep))
        news = self._explanations.learn(
            judged.at, judged.level, judged.s, judged.expected.own, heard, lesson.keep, lesson.odd, lesson.lasting,
            lesson.grown,
        )  # fmt: skip
        self._reference.shift(judged.at.slot, news.moved)
        self._decay.learn(judged.level, taught)
        return news

    def scores(self, judged: Judged, news: News | None, row: int) -> Scores:
        """What of one series' window its past has counted."""
        explained = judged.explained
        if explained is None or news is None or not news.counted[row]:
            return ()
        return ((float(explained.z[row]), float(explained.jump[row])),)

    def revise(self, row: int, lesson: Taken, config: JobConfig) -> None:
        """What windows have taught one series is taken back, or taught again."""
        # What lasts for more than a day is in no cycle.
        last = min(lesson.last, lesson.start + DAY)
        starts = np.arange(lesson.start, last + 0.5 * self.spec.slide, self.spec.slide).tolist()
        moments = (moment(start, self.spec, config.timezone, config.holidays) for start in starts)
        places = sorted({Place(at.day, at.cell) for at in moments})
        self._explanations.revise(row, lesson.scores, places, lesson.by)

    def take(self, taught: Taught, known: Mapping[SeriesKey, int], first: Floats) -> Floats:
        """A reference from elsewhere for the series that are here; since when each is known now."""
        return taught.give(known, self._reference, first)

    def settle(self, rows: Indices) -> None:
        """A lasting change of these series is the new normal."""
        self._reference.settle(rows)
        self._explanations.settle(rows)

    def accept(self, rows: Indices) -> None:
        """The same because people say so: what came before is no reference for decay either."""
        self.settle(rows)
        self._decay.pin(rows)

    def reindex(self, index: Indices) -> None:
        """Keep the series `index`, in that order; -1 is a new one."""
        self._reference.reindex(index)
        self._explanations.reindex(index)
        self._decay.reindex(index)

    def put_rows(self, rows: Rows) -> None:
        """All state, exactly."""
        for kind, part in (
            ("reference", self._reference), ("explanations", self._explanations), ("decay", self._decay),
        ):  # fmt: skip
            for name, changes, encode in part.parts():
                rows.put(f"{kind}/{name}", partial(_part, kind, encode), part, changes)

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put; a release that had references alone put no others."""
        self._reference = Reference.of_parts(_parts(rows, "reference"))
        series = self._reference.series
        self._explanations = _explanations(series, self.spec)
        if explanations := _parts(rows, "explanations"):
            self._explanations.take(explanations)
        decay = _parts(rows, "decay")
        self._decay = Decay.of_parts(decay) if decay else Decay(series)


def _explanations(series: int, spec: WindowSpec) -> Explanations:
    return Explanations(series, cells(spec), slots(spec), max(24.0, DAY / spec.slide), spec.length <= spec.slide)


def _part(kind: str, encode: Callable[[], bytes]) -> bytes:
    return encoded(kind, encode())


def _parts(rows: Mapping[str, bytes], kind: str) -> dict[str, bytes]:
    return {name: decoded(kind, value)[0] for name, value in below(rows, kind).items()}
