"""Detection over one kind of window: which series are judged how, when an episode begins and when it is over.

The order is fixed: `judge` (score), `anomalies_of` (episodes), then `learn`; nothing is judged by what it has taught.
Anomalous windows teach nothing, until a change has lasted a quarter of the history: then it is the new normal,
because a monitor that never accepts a lasting change judges everything after it by a world that is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import ClassVar, Final

import msgspec
import numpy as np

from streamgauge.anomaly import young
from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.explanations import News
from streamgauge.anomaly.reference import Bools
from streamgauge.anomaly.reference import Rows as Indices
from streamgauge.anomaly.types import Anomaly, SeriesKey
from streamgauge.pipelines.config.calendar import moment, slots
from streamgauge.pipelines.config.schema import DAY, JobConfig, WindowSpec
from streamgauge.pipelines.detection import streaks, vanished
from streamgauge.pipelines.detection.closed import Closed, KeyParts, series_of, thinness
from streamgauge.pipelines.detection.episodes import Episode, Found
from streamgauge.pipelines.detection.firing import fire
from streamgauge.pipelines.detection.judging import Judged
from streamgauge.pipelines.detection.learnt import Learnt, notes
from streamgauge.pipelines.detection.normal import Lesson, Normal
from streamgauge.pipelines.detection.open_episodes import OpenEpisodes
from streamgauge.pipelines.detection.rejected import Lesson as Taken
from streamgauge.pipelines.detection.rejected import Odd, Rejected
from streamgauge.pipelines.detection.sources import owners
from streamgauge.pipelines.detection.taught import Taught
from streamgauge.pipelines.detection.traits import Traits, traits
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.rows import Rows, decoded, encoded, packed, unpacked

WEEKEND: Final = 2 * DAY  # what goes on for longer is no weekend
FORGET: Final = 2 * DAY  # an episode whose series has been unknown for this long is over
_NAN: Final = float("nan")
_COLUMNS: Final = {
    "first": Column("<f8", fill=_NAN),  # start of the first known window
    "known": Column("<f8", fill=_NAN),  # start of the last known one
    **streaks.COLUMNS,
    "unlearnt": Column("<f8", fill=_NAN),  # start of the first window in a row that was not learnt
}


class _Open(msgspec.Struct, array_like=True, frozen=True):
    version: int
    episodes: tuple[tuple[KeyParts, Episode], ...]
    multipliers: tuple[tuple[KeyParts, float], ...]
    excused: tuple[tuple[KeyParts, float], ...]
    vanished: vanished.State = vanished.State()
    rarer: float = 0.0


class Watch:
    """The series of one window specification: their references, streaks and open episodes.

    `shown` watches also what never pages, and says so in the severity of what it finds.
    """

    KIND: ClassVar[str] = "watch"

    def __init__(self, config: JobConfig, spec: WindowSpec, *, shown: bool = False) -> None:
        self.config, self.spec, self.shown = config, spec, shown
        self._normal = Normal(spec)
        self.open = OpenEpisodes("info" if shown else "page")
        self._multipliers: dict[SeriesKey, float] = {}
        self._excused: dict[SeriesKey, float] = {}  # until when
        self._keys: tuple[SeriesKey, ...] = ()
        self._rows: dict[SeriesKey, int] = {}
        self._arrays: Arrays = empty(_COLUMNS, 0)
        self._traits: Traits | None = None
        self._changes = 0  # of the arrays; not part of the state
        self._vanished = vanished.Vanished(round(spec.length / spec.slide))
        self._taught = Taught(slots(spec))  # of series that were not seen yet
        self._rejected = Rejected(spec.slide)

    def adjust(self, multipliers: dict[SeriesKey, float]) -> None:
        """Multiply the thresholds of these series; what feedback has taught, computed elsewhere."""
        self._multipliers, self._traits = dict(multipliers), None

    def ration(self, rarer: float) -> None:
        """From now on a page is rarer than by default by so many decades; what its budget has taught, elsewhere."""
        self._normal.rarer = rarer

    def accept(self, keys: Iterable[SeriesKey]) -> None:
        """What these series have done since they were last learnt is normal, at once; on-call says so."""
        rows = [self._rows[key] for key in keys if key in self._rows]
        of_source = np.isin(owners(self._keys, self.config.features), rows)
        accepted = np.flatnonzero(np.isin(np.arange(len(self._keys)), rows) | of_source)
        self._normal.accept(accepted)
        self._learnt(accepted)

    def excuse(self, keys: Iterable[SeriesKey], until: float) -> None:
        """What these series do in windows that begin before `until` is expected: no news, and no lesson either."""
        self._excused |= dict.fromkeys(keys, until)

    def reject(self, keys: Iterable[SeriesKey], onset: float, *, is_taught: bool = False) -> None:
        """What these series did from the onset on was a true alarm, so no lesson; or, once more, it is one."""
        self._revise(self._rejected.say(keys, onset, is_taught))

    def teach(self, taught: Taught) -> None:
        """Begin with this reference: at once where the series is known, of the others when they come."""
        self._taught.add(taught)
        self._receive()

    def judge(self, closed: Closed) -> Judged:
        """Reference, band and sigmas of a window: revision 0 in the order of windows, later revisions at any time."""
        at = moment(closed.start, self.spec, self.config.timezone, self.config.holidays)
        detection = self.config.detection
        if not closed.revision:
            self._changes += 1
            self._align(closed.keys)
            return self._normal.judge(closed, self._own(closed), at, closed.start - self._arrays["first"], detection)
        own = traits(closed.keys, closed.metrics, self.config, self._multipliers, self.shown)
        rows = np.array([self._rows.get(key, -1) for key in closed.keys], dtype=np.int64)
        first = np.append(self._arrays["first"], np.nan)[rows]  # -1 is a series that is not known
        return self._normal.rejudge(closed, own, at, closed.start - first, detection, rows)

    def anomalies_of(self, closed: Closed, judged: Judged, time: float, standing: Bools | None = None) -> list[Anomaly]:
        """Episodes that are over, then those that begin, with this window; `time` is the deadline that closed it.

        Of a series that a fact stands for (`standing`) no episode begins: it was told already.
        """
        own = self._own(closed)
        hot, fact, decays, drifts = fire(self._normal, closed, judged, own, self._expected(closed.start))
        streaks.count(self._arrays, closed.start, closed.value, hot)
        over = self._over(closed, judged, own)
        # Windows that share panes share what is odd in them: in a row are those that do not overlap.
        in_a_row = (own.consecutive - 1) * round(self.spec.length / self.spec.slide) + 1
        begin = decays | (hot & (self._arrays["streak"] >= np.where(fact, 1, in_a_row)))
        begin = begin if standing is None else begin & ~standing
        begun = [
            self._found(closed, judged, row, bool(fact[row]), float(drifts[row]))
            for row in np.flatnonzero(begin).tolist()
            if self._keys[row] not in self.open.episodes
        ]
        told = self.open.change(closed, self._keys, over, begun, time, partial(self._youth, closed.start))
        told += self.open.reminders(closed, self._keys, self.spec.slide, time)
        news = own.watched & (judged.age >= vanished.KNOWN) & (thinness(closed, self.config.minimum) == 0.0)
        known = {*self.open.episodes, *self._excused}
        return [*told, *([] if self.shown else self._vanished.tell(closed, judged.expected.reach, news, known, time))]

    def learn(self, closed: Closed, judged: Judged, frozen: Bools, standing: Bools | None = None) -> Learnt:
        """Teach the references this window, except what was anomalous or `frozen`.

        What a fact stands for (`standing`) teaches nothing from the first window on.
        """
        arrays, start = self._arrays, closed.start
        known = np.isfinite(judged.level)
        arrays["first"] = np.where(np.isnan(arrays["first"]) & known, start, arrays["first"])
        anomalous = (np.abs(np.nan_to_num(judged.z)) > judged.threshold) | self._where(self.open.episodes)
        mute = self._expected(start) if standing is None else self._expected(start) | standing
        # While a slot has days of its own and its warm-up lasts, its median stands what is odd, and learns the weekend.
        grown = judged.age >= self.config.detection.warm_up
        is_strict = judged.may_page & (grown | ~judged.expected.own | self._where(self.open.since(start - WEEKEND)))
        keep: Bools = ~(is_strict & (anomalous | frozen)) & ~mute
        self._excused = {key: until for key, until in self._excused.items() if start < until}
        odd, lasting = known & is_strict & anomalous & ~mute, start - arrays["unlearnt"] >= DAY
        news = self._normal.learn(judged, Lesson(keep, odd, lasting, grown))
        self._reject(judged, start, known & anomalous & ~mute, news)
        arrays["known"] = np.where(known, start, arrays["known"])
        since = np.where(np.isnan(arrays["unlearnt"]), start, arrays["unlearnt"])
        arrays["unlearnt"] = np.where(known, np.where(keep, np.nan, since), arrays["unlearnt"])
        accepted = np.flatnonzero(known & (start - arrays["unlearnt"] >= self.config.detection.history / 4))
        self._normal.settle(accepted)
        self._learnt(accepted)
        if news is None:
            return Learnt(keep)
        return Learnt(keep, tuple(notes(self._keys, self._own(closed).watched, news, self._normal)))

    def rename(self, job: str) -> None:
        """The same series of a job of another name; what is open stays with the old one."""
        self._keys = tuple(key._replace(job=job) for key in self._keys)
        self._rows = {key: row for row, key in enumerate(self._keys)}
        self._multipliers = {key._replace(job=job): factor for key, factor in self._multipliers.items()}
        self._excused = {key._replace(job=job): until for key, until in self._excused.items()}
        self._taught.rename(job)
        self._rejected.rename(job)
        self.open.episodes, self._traits = {}, None

    def end(self, time: float) -> list[Anomaly]:
        """End all that is open: there are no more such windows."""
        return self.open.end(time)

    def put_rows(self, rows: Rows) -> None:
        """All state, exactly."""
        rows.put("keys", lambda: encoded("watch keys", self._keys), self._keys)
        rows.put("series", lambda: encoded("watch series", pack(self._arrays)), self, self._changes)
        rows.put_value("open", encoded(
            "watch open", tuple(self.open.episodes.items()), tuple(self._multipliers.items()),
            tuple(self._excused.items()), self._vanished.state(), self._normal.rarer,
        ))
        self._normal.put_rows(rows)
        self._taught.put_rows(rows)
        self._rejected.put_rows(rows)

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put."""
        self._keys = tuple(series_of(key) for key in decoded("watch keys", rows["keys"])[0])
        self._arrays, self._traits = unpack(decoded("watch series", rows["series"])[0]), None
        self._rows = {key: row for row, key in enumerate(self._keys)}
        self._normal.take_rows(rows)
        state = states.read("watch open", rows["open"], _Open)
        self.open.episodes = {series_of(key): episode for key, episode in state.episodes}
        self._multipliers = {series_of(key): factor for key, factor in state.multipliers}
        self._excused = {series_of(key): until for key, until in state.excused}
        self._vanished.restore(state.vanished)
        self._normal.rarer = state.rarer
        self._taught = Taught.of_rows(rows, slots(self.spec))
        self._rejected.take_rows(rows)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return packed(self)

    def restore(self, data: bytes) -> None:
        """Take the state that `snapshot` gave."""
        self.take_rows(unpacked(self.KIND, data))

    def _learnt(self, rows: Indices) -> None:
        self._changes += 1
        self._arrays["unlearnt"][rows] = np.nan

    def _reject(self, judged: Judged, start: float, anomalous: Bools, news: News | None) -> None:
        """Note what is anomalous, and what its series has learnt from it all the same."""
        if news is not None:
            self._rejected.forget(self._keys[row] for row in news.spoken.tolist())
        rows = np.flatnonzero(anomalous).tolist()
        if rows:
            odd = [Odd(self._keys[row], self._normal.scores(judged, news, row)) for row in rows]
            self._revise(self._rejected.note(start, odd, self.open.onsets()))

    def _revise(self, lessons: Iterable[Taken]) -> None:
        for lesson in lessons:
            if lesson.key in self._rows:
                self._normal.revise(self._rows[lesson.key], lesson, self.config)

    def _align(self, keys: tuple[SeriesKey, ...]) -> None:
        """Series come and go: state follows the keys of the window."""
        if keys is self._keys:
            return
        if keys != self._keys:
            index = np.array([self._rows.get(key, -1) for key in keys], dtype=np.int64)
            self._arrays = pick(_COLUMNS, self._arrays, index)
            self._normal.reindex(index)
            self._rows = {key: row for row, key in enumerate(keys)}
            self._traits = None
            self._receive()
            self._rejected.keep(self._rows)
        self._keys = keys

    def _receive(self) -> None:
        """What waited for series that are here now."""
        if self._taught.keys:
            self._arrays["first"] = self._normal.take(self._taught, self._rows, self._arrays["first"])
            self._changes += 1

    def _own(self, closed: Closed) -> Traits:
        if self._traits is None:
            self._traits = traits(self._keys, closed.metrics, self.config, self._multipliers, self.shown)
        return self._traits

    def _expected(self, start: float) -> Bools:
        return self._where(key for key, until in self._excused.items() if start < until)

    def _where(self, keys: Iterable[SeriesKey]) -> Bools:
        """The rows of these series, of those that are here."""
        found = np.zeros(len(self._keys), dtype=bool)
        found[[self._rows[key] for key in keys if key in self._rows]] = True
        return found

    def _over(self, closed: Closed, judged: Judged, own: Traits) -> list[SeriesKey]:
        return [
            key for key, episode in self.open.episodes.items()
            if not episode.workers and self._is_over(key, episode, closed, judged, own)
        ]

    def _is_over(self, key: SeriesKey, episode: Episode, closed: Closed, judged: Judged, own: Traits) -> bool:
        row = self._rows.get(key)
        if row is None:
            return True
        value = float(closed.value[row])
        if value != value:
            return bool(closed.start - self._arrays["known"][row] >= FORGET)
        if episode.is_fact:
            return bool(value <= own.limit[row])
        if abs(float(judged.z[row])) >= self.config.detection.clear * float(own.multiplier[row]):
            return False
        is_small = abs(episode.score) < float(judged.threshold[row])  # begun by six windows together
        return not is_small or self._normal.is_over(judged, row)

    def _found(self, closed: Closed, judged: Judged, row: int, is_fact: bool, drift: float) -> Found:
        decays = drift == drift and not is_fact
        return Found(self._keys[row], closed.metrics[row], Episode(
            start=float(self._arrays["onset"][row]), is_fact=is_fact,
            score=1e9 if is_fact else drift if decays else float(judged.z[row]),
            value=float(closed.value[row]), expected=float(judged.reference[row]), decays=decays,
            detector=self._normal.detector(row),
        ))

    def _youth(self, start: float, key: SeriesKey) -> str:
        """How little is known of a series, if it is little: the band was wider for it."""
        row = self._rows.get(key)
        age = math.nan if row is None else start - float(self._arrays["first"][row])
        return f"; {young.phrase(age)}" if age < self.config.detection.warm_up else ""
