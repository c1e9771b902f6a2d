"""Detection over one kind of window: which series are judged how, when an episode begins and when it is over.

The order is fixed: `judge` (score), `anomalies_of` (episodes), then `learn`; nothing is judged by what it has taught.
Anomalous windows teach nothing, until a change has lasted a quarter of the history: then it is the new normal,
because a monitor that never accepts a lasting change judges everything after it by a world that is gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import ClassVar, Final, NamedTuple

import msgspec
import numpy as np

from streamgauge.anomaly import scales, young
from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.detectors.limit import exceeds
from streamgauge.anomaly.detectors.seasonal_robust import deviation, sigmas
from streamgauge.anomaly.reference import Bools, Expected, Floats, Moment, Reference
from streamgauge.anomaly.reference import Rows as Indices
from streamgauge.anomaly.types import Anomaly, SeriesKey, Severity
from streamgauge.pipelines.config.calendar import moment, slots
from streamgauge.pipelines.config.schema import DAY, JobConfig, WindowSpec
from streamgauge.pipelines.detection import vanished
from streamgauge.pipelines.detection.closed import Closed, KeyParts, series_of
from streamgauge.pipelines.detection.episodes import Episode, Found, anomaly, describe, localise
from streamgauge.pipelines.detection.sources import owners
from streamgauge.pipelines.detection.traits import Traits, traits
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.rows import Rows, below, decoded, encoded, packed, unpacked

FORGET: Final = 2 * DAY  # an episode whose series has been unknown for this long is over
LAPSE: Final = DAY  # firing windows further apart than this are not in a row
HOLIDAY: Final = 2.0  # how much wider the band of counts is on a holiday
_NAN: Final = float("nan")
_COLUMNS: Final = {
    "first": Column("<f8", fill=_NAN),  # start of the first known window
    "known": Column("<f8", fill=_NAN),  # start of the last known one
    "streak": Column("<i4"),  # firing windows in a row
    "onset": Column("<f8", fill=_NAN),  # start of the first of them
    "hot": Column("<f8", fill=_NAN),  # start of the last of them
    "unlearnt": Column("<f8", fill=_NAN),  # start of the first window in a row that was not learnt
}



class Judged(NamedTuple):
    """What was normal for one window's series and how far they are from it; every array has shape [n]."""

    at: Moment
    level: Floats  # the value on its scale
    expected: Expected
    z: Floats  # signed sigmas, NaN unknown
    reference: Floats  # in the value's unit, like `low` and `high`; NaN while there is none
    low: Floats
    high: Floats
    threshold: Floats
    may_page: Bools  # enough is known of it
    age: Floats  # seconds of history, NaN for none


class _Open(msgspec.Struct, array_like=True, frozen=True):
    version: int
    episodes: tuple[tuple[KeyParts, Episode], ...]
    multipliers: tuple[tuple[KeyParts, float], ...]
    excused: tuple[tuple[KeyParts, float], ...]
    vanished: vanished.State = vanished.State()


class Watch:
    """The series of one window specification: their references, streaks and open episodes.

    `shown` watches also what never pages, and says so in the severity of what it finds.
    """

    KIND: ClassVar[str] = "watch"

    def __init__(self, config: JobConfig, spec: WindowSpec, *, shown: bool = False) -> None:
        self.config, self.spec, self.shown = config, spec, shown
        self.reference = Reference(0, slots(spec))
        self.episodes: dict[SeriesKey, Episode] = {}
        self._multipliers: dict[SeriesKey, float] = {}
        self._excused: dict[SeriesKey, float] = {}  # until when
        self._keys: tuple[SeriesKey, ...] = ()
        self._rows: dict[SeriesKey, int] = {}
        self._arrays: Arrays = empty(_COLUMNS, 0)
        self._traits: Traits | None = None
        self._changes = 0  # of the arrays; not part of the state
        self._vanished = vanished.Vanished(round(spec.length / spec.slide))

    def adjust(self, multipliers: dict[SeriesKey, float]) -> None:
        """Multiply the thresholds of these series; what feedback has taught, computed elsewhere."""
        self._multipliers, self._traits = dict(multipliers), None

    def accept(self, keys: Iterable[SeriesKey]) -> None:
        """What these series have done since they were last learnt is normal, at once; on-call says so."""
        rows = [self._rows[key] for key in keys if key in self._rows]
        of_source = np.isin(owners(self._keys, self.config.features), rows)
        self._settle(np.flatnonzero(np.isin(np.arange(len(self._keys)), rows) | of_source))

    def excuse(self, keys: Iterable[SeriesKey], until: float) -> None:
        """What these series do in windows that begin before `until` is expected: no news, and no lesson either."""
        self._excused |= dict.fromkeys(keys, until)

    def judge(self, closed: Closed) -> Judged:
        """Reference, band and sigmas of a window: revision 0 in the order of windows, later revisions at any time."""
        at = moment(closed.start, self.spec, self.config.timezone, self.config.holidays)
        if not closed.revision:
            self._changes += 1
            self._align(closed.keys)
            own = self._own(closed)
            return self._judge(closed, own, at, self.reference.expect(at, own.classed), self._arrays["first"])
        own = traits(closed.keys, closed.metrics, self.config, self._multipliers, self.shown)
        rows = np.array([self._rows.get(key, -1) for key in closed.keys], dtype=np.int64)
        classed = np.zeros(len(self._keys), dtype=bool)
        classed[rows[rows >= 0]] = own.classed[rows >= 0]
        first = np.append(self._arrays["first"], np.nan)[rows]  # -1 is a series that is not known
        return self._judge(closed, own, at, self.reference.expect(at, classed).at(rows), first)

    def anomalies_of(self, closed: Closed, judged: Judged, time: float, standing: Bools | None = None) -> list[Anomaly]:
        """Episodes that are over, then those that begin, with this window; `time` is the deadline that closed it.

        Of a series that a fact stands for (`standing`) no episode begins: it was told already.
        """
        own = self._own(closed)
        fact = exceeds(closed.value, closed.error, own.limit) & own.watched
        hot = fact | (self._unusual(closed, judged, own, judged.threshold) & ~self._expected(closed.start))
        of_source = np.flatnonzero(own.owner >= 0)
        # Its source speaks for it, also where people have said that this is no alarm.
        spoken = self._unusual(closed, judged, own, judged.threshold / np.maximum(own.multiplier, 1.0))
        hot[of_source] &= ~spoken[own.owner[of_source]]
        self._count(closed, hot)
        over = self._over(closed, judged, own)
        # Windows that share panes share what is odd in them: in a row are those that do not overlap.
        in_a_row = (own.consecutive - 1) * round(self.spec.length / self.spec.slide) + 1
        begin = hot & (self._arrays["streak"] >= np.where(fact, 1, in_a_row))
        begin = begin if standing is None else begin & ~standing
        begun = [
            self._found(closed, judged, row, bool(fact[row]))
            for row in np.flatnonzero(begin).tolist()
            if self._keys[row] not in self.episodes
        ]
        told = self._change(closed, over, begun, time)
        news = own.watched & (judged.age >= vanished.KNOWN)
        known = {*self.episodes, *self._excused}
        return [*told, *([] if self.shown else self._vanished.tell(closed, judged.expected.reach, news, known, time))]

    def learn(self, closed: Closed, judged: Judged, frozen: Bools, standing: Bools | None = None) -> Bools:
        """Teach the references this window, except what was anomalous or `frozen`; returns what was kept.

        What a fact stands for (`standing`) teaches nothing from the first window on.
        """
        arrays, start = self._arrays, closed.start
        known = np.isfinite(judged.level)
        arrays["first"] = np.where(np.isnan(arrays["first"]) & known, start, arrays["first"])
        anomalous = np.abs(np.nan_to_num(judged.z)) > judged.threshold
        anomalous[[self._rows[key] for key in self.episodes if key in self._rows]] = True
        keep: Bools = ~(judged.may_page & (anomalous | frozen)) & ~self._expected(start)
        keep = keep if standing is None else keep & ~standing
        self._excused = {key: until for key, until in self._excused.items() if start < until}
        self.reference.learn(judged.at, judged.level, keep, judged.level - judged.expected.center)
        arrays["known"] = np.where(known, start, arrays["known"])
        since = np.where(np.isnan(arrays["unlearnt"]), start, arrays["unlearnt"])
        arrays["unlearnt"] = np.where(known, np.where(keep, np.nan, since), arrays["unlearnt"])
        self.reference.forget_excess(np.flatnonzero(known & keep))
        lasting = np.flatnonzero(known & (start - arrays["unlearnt"] >= self.config.detection.history / 4))
        self._settle(lasting)
        return keep

    def rename(self, job: str) -> None:
        """The same series of a job of another name; what is open stays with the old one."""
        self._keys = tuple(key._replace(job=job) for key in self._keys)
        self._rows = {key: row for row, key in enumerate(self._keys)}
        self._multipliers = {key._replace(job=job): factor for key, factor in self._multipliers.items()}
        self._excused = {key._replace(job=job): until for key, until in self._excused.items()}
        self.episodes, self._traits = {}, None

    def end(self, time: float) -> list[Anomaly]:
        """End all that is open: there are no more such windows."""
        open_ = sorted(self.episodes.items())
        self.episodes = {}
        return [self._told(key, episode, None, time, max(time, episode.start)) for key, episode in open_]

    def put_rows(self, rows: Rows) -> None:
        """All state, exactly."""
        rows.put("keys", lambda: encoded("watch keys", self._keys), self._keys)
        rows.put("series", lambda: encoded("watch series", pack(self._arrays)), self, self._changes)
        rows.put_value("open", encoded(
            "watch open", tuple(self.episodes.items()), tuple(self._multipliers.items()), tuple(self._excused.items()),
            self._vanished.state(),
        ))
        for name, changes, encode in self.reference.parts():
            rows.put(f"reference/{name}", partial(_part, encode), self.reference, changes)

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put."""
        self._keys = tuple(series_of(key) for key in decoded("watch keys", rows["keys"])[0])
        self._arrays, self._traits = unpack(decoded("watch series", rows["series"])[0]), None
        self._rows = {key: row for row, key in enumerate(self._keys)}
        parts = {name: decoded("reference", value)[0] for name, value in below(rows, "reference").items()}
        self.reference = Reference.of_parts(parts)
        state = states.read("watch open", rows["open"], _Open)
        self.episodes = {series_of(key): episode for key, episode in state.episodes}
        self._multipliers = {series_of(key): factor for key, factor in state.multipliers}
        self._excused = {series_of(key): until for key, until in state.excused}
        self._vanished.restore(state.vanished)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return packed(self)

    def restore(self, data: bytes) -> None:
        """Take the state that `snapshot` gave."""
        self.take_rows(unpacked(self.KIND, data))

    def _settle(self, rows: Indices) -> None:
        self._changes += 1
        self.reference.settle(rows)
        self._arrays["unlearnt"][rows] = np.nan

    def _align(self, keys: tuple[SeriesKey, ...]) -> None:
        """Series come and go: state follows the keys of the window."""
        if keys is self._keys:
            return
        if keys != self._keys:
            index = np.array([self._rows.get(key, -1) for key in keys], dtype=np.int64)
            self._arrays = pick(_COLUMNS, self._arrays, index)
            self.reference.reindex(index)
            self._rows = {key: row for row, key in enumerate(keys)}
            self._traits = None
        self._keys = keys

    def _own(self, closed: Closed) -> Traits:
        if self._traits is None:
            self._traits = traits(self._keys, closed.metrics, self.config, self._multipliers, self.shown)
        return self._traits

    def _judge(self, closed: Closed, own: Traits, at: Moment, expected: Expected, first: Floats) -> Judged:
        expected = expected._replace(center=np.where(own.referenced, expected.center, np.nan))
        level = scales.forward(own.scale, closed.value)
        exposure = np.where(own.per > 0.0, closed.length / np.maximum(own.per, 1.0), 1.0)
        noise = scales.noise(own.scale, closed.value, closed.rows, closed.error, closed.floor, exposure)
        s = deviation(expected, noise, scales.least(own.scale, expected.center, own.least))
        if at.holiday:
            s = np.where(own.classed, HOLIDAY * s, s)
        detection = self.config.detection
        once = np.where(own.consecutive > 1, detection.threshold_twice, detection.threshold)
        age = closed.start - first
        width = young.widening(age, expected.entries, young.least(self.spec.length, self.spec.slide), detection.warm_up)
        threshold = once * own.multiplier * np.minimum(width, young.WIDEST)
        return Judged(
            at, level, expected, sigmas(level, expected, s),
            reference=scales.inverse(own.scale, expected.center),
            low=scales.inverse(own.scale, expected.center - threshold * s),
            high=scales.inverse(own.scale, expected.center + threshold * s),
            threshold=threshold, may_page=np.isfinite(width), age=age,
        )

    def _unusual(self, closed: Closed, judged: Judged, own: Traits, threshold: Floats) -> Bools:
        z = np.nan_to_num(judged.z)
        bad = np.where(own.direction == 0, np.abs(z), own.direction * z)
        unusual: Bools = own.watched & (bad > threshold) & judged.may_page
        return unusual

    def _expected(self, start: float) -> Bools:
        expected = np.zeros(len(self._keys), dtype=bool)
        now = (key for key, until in self._excused.items() if start < until)
        expected[[self._rows[key] for key in now if key in self._rows]] = True
        return expected

    def _count(self, closed: Closed, hot: Bools) -> None:
        """Firing windows in a row; a window without evidence is none, so nights do not break a row."""
        arrays, start = self._arrays, closed.start
        again = hot & (arrays["streak"] > 0) & (start - arrays["hot"] <= LAPSE)
        arrays["onset"] = np.where(hot & ~again, start, arrays["onset"])
        kept = np.where(np.isfinite(closed.value), 0, arrays["streak"])
        arrays["streak"] = np.where(hot, np.where(again, arrays["streak"] + 1, 1), kept).astype("<i4")
        arrays["hot"] = np.where(hot, start, arrays["hot"])

    def _over(self, closed: Closed, judged: Judged, own: Traits) -> list[SeriesKey]:
        return [
            key for key, episode in self.episodes.items()
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
        return not abs(float(judged.z[row])) >= self.config.detection.clear * float(own.multiplier[row])

    def _found(self, closed: Closed, judged: Judged, row: int, is_fact: bool) -> Found:
        return Found(self._keys[row], closed.metrics[row], Episode(
            start=float(self._arrays["onset"][row]), is_fact=is_fact,
            score=1e9 if is_fact else float(judged.z[row]),
            value=float(closed.value[row]), expected=float(judged.reference[row]),
        ))

    def _change(self, closed: Closed, over: list[SeriesKey], begun: list[Found], time: float) -> list[Anomaly]:
        still = {key: episode for key, episode in self.episodes.items() if key not in set(over) and not episode.workers}
        shared, elsewhere = localise(self._keys, still, begun)
        begun = [found for found in begun if found.key not in elsewhere]
        over += [key for key, episode in self.episodes.items() if episode.workers and key not in shared]
        told = [self._told(key, self.episodes.pop(key), None, time, closed.start) for key in over]
        taken = {*self.episodes, *(found.key for found in begun)}
        everyone = {**still, **{found.key: found.episode for found in begun}}
        begun += [self._shared(job, workers, closed, everyone) for job, workers in shared.items() if job not in taken]
        for key, metric, episode in begun:
            self.episodes[key] = episode
            text = describe(key, metric, episode) + ("" if episode.is_fact else self._youth(key, closed.start))
            told.append(self._told(key, episode, text, time, None))
        return told

    def _youth(self, key: SeriesKey, start: float) -> str:
        """How little is known of a series, if it is little: the band was wider for it."""
        row = self._rows.get(key)
        age = math.nan if row is None else start - float(self._arrays["first"][row])
        return f"; {young.phrase(age)}" if age < self.config.detection.warm_up else ""

    def _shared(
        self, job: SeriesKey, workers: tuple[str, ...], closed: Closed, everyone: dict[SeriesKey, Episode]
    ) -> Found:
        """The job's episode of what more than half of its workers have: the strongest of theirs, from the first on.

        None of theirs need have begun now: it is enough that a worker without one has left.
        """
        keys = [job._replace(worker=worker) for worker in workers]
        members = [everyone[key] for key in keys]
        strongest = max(members, key=lambda episode: abs(episode.score))
        return Found(job, closed.metrics[self._rows[keys[0]]], msgspec.structs.replace(
            strongest, start=min(episode.start for episode in members), workers=workers
        ))

    def _told(self, key: SeriesKey, episode: Episode, text: str | None, time: float, end: float | None) -> Anomaly:
        severity: Severity = "info" if self.shown else "page"
        return anomaly(key, episode, time, severity, text or f"{key.metric} is normal again", end)


def _part(encode: Callable[[], bytes]) -> bytes:
    return encoded("reference", encode())
