"""A job's stored windows judged again with a configuration: what would have been told, when, and was it worth it; pure.

The same watches, pager and feedback loop as live, from the first stored window on, so both begin knowing nothing. What
needs no history (facts of the first stage, the score's freezing of what is learnt) is left out on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from streamgauge.anomaly import thresholds
from streamgauge.anomaly.types import Anomaly, Notification, SeriesKey
from streamgauge.pipelines.config.schema import DAY, Config, JobConfig
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.detection.watch import Watch
from streamgauge.pipelines.paging import pager
from streamgauge.pipelines.paging.feedback import FeedbackLoop
from streamgauge.pipelines.paging.pager import Pager
from streamgauge.pipelines.stream.said_settings import OF_SERIES, tell
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer import codec
from streamgauge.tracer.records import Feedback, Setting, Tick

Verdict = Literal["true_alarm", "false_alarm", "missed"]
TOLD: Final = frozenset({"ticket", "page", "page-now"})


class Label(NamedTuple):
    """What people say of a span: `missed` is a true one that nobody was paged for."""

    start: float  # seconds since the epoch
    end: float
    verdict: Verdict


class Told(NamedTuple):
    """One incident, told once: a page or a ticket."""

    id: str
    time: float
    start: float  # onset
    end: float  # when it was over, or the last known time
    severity: str
    text: str
    verdict: Verdict | None  # of the label that it meets, None for no label


class Replay(NamedTuple):
    """What a configuration would have told in [start, end]."""

    told: tuple[Told, ...]
    start: float
    end: float
    labels: tuple[Label, ...]

    @property
    def pages(self) -> float:
        """Pages a day."""
        return self._daily(sum(one.severity != "ticket" for one in self.told))

    @property
    def tickets(self) -> float:
        """Tickets a day."""
        return self._daily(sum(one.severity == "ticket" for one in self.told))

    @property
    def precision(self) -> float | None:
        """Share of what was told and labelled that was worth it, None without any."""
        judged = [one.verdict != "false_alarm" for one in self.told if one.verdict]
        return sum(judged) / len(judged) if judged else None

    @property
    def found(self) -> list[tuple[Label, Told]]:
        """The labelled incidents that were told, and what was told first of each."""
        first = ((label, [one for one in self.told if _meets(one, label)]) for label in self._true())
        return [(label, told[0]) for label, told in first if told]

    @property
    def recall(self) -> float | None:
        """Share of the labelled incidents that were told, None without any."""
        true = self._true()
        return len(self.found) / len(true) if true else None

    @property
    def delay(self) -> float | None:
        """Median seconds from a labelled incident's begin to its first telling, None without any."""
        delays = [one.time - label.start for label, one in self.found]
        return float(np.median(delays)) if delays else None

    def _daily(self, count: int) -> float:
        return count / max((self.end - self.start) / DAY, 1e-9)

    def _true(self) -> list[Label]:
        return [one for one in self.labels if one.verdict != "false_alarm"]


def replay(
    config: Config, job: JobConfig, windows: Iterable[Columns], labels: Sequence[Label] = (),
    factors: Mapping[SeriesKey, float] | None = None,
) -> Replay:  # fmt: skip
    """Judge every window in its order. `labels` come as they would have: after the telling that they are about.

    With `factors` these are the multipliers of thresholds from the first window on.
    """
    run, first, last = _Run(config, job, labels, factors or {}), None, 0.0
    for closed in windows:
        first = closed.start if first is None else first
        last = max(last, closed.end)
        run.take(closed)
    begin = last if first is None else first
    told = (run.told[key]._replace(end=run.over.get(key, last)) for key in run.told)
    return Replay(tuple(sorted(told, key=lambda one: one.time)), begin, last, tuple(labels))


def gained(one: Replay, other: Replay) -> list[Told]:
    """What `one` tells while `other` tells nothing."""
    return [mine for mine in one.told if not any(_overlap(mine, theirs) for theirs in other.told)]


class _Run:
    """The state of one replay."""

    def __init__(
        self, config: Config, job: JobConfig, labels: Sequence[Label], factors: Mapping[SeriesKey, float]
    ) -> None:
        self._job, self._labels = job, labels
        self._watches = {spec.name: Watch(job, spec) for spec in job.windows}
        for watch in self._watches.values():
            watch.adjust(dict(factors))
        self._pager, self._loop = Pager(msgspec.structs.replace(config, jobs=(job,))), FeedbackLoop(job)
        self._number = 0
        self.told: dict[str, Told] = {}  # by notification
        self.over: dict[str, float] = {}
        self._by_episode: dict[str, str] = {}

    def take(self, closed: Columns) -> None:
        """One window: episodes, pages, and what people say of those."""
        watch = self._watches.get(closed.window)
        if watch is None:
            return
        judged = watch.judge(closed)
        found = watch.anomalies_of(closed, judged, closed.end)
        watch.learn(closed, judged, np.zeros(len(closed.keys), dtype=bool))
        tick = outputs.encode(Tick(job=self._job.name, time=closed.end))
        said: list[bytes] = []
        for output in self._pager.on_records([*map(self._numbered, found), tick]):
            record = outputs.decode(output.value, pager.KINDS)
            if isinstance(record, Notification):
                said += [output.value, *self._note(record)]
        for output in self._loop.on_records([*said, tick]):
            self._apply(output.value)

    def _numbered(self, found: Anomaly) -> bytes:
        self._number += 1
        return outputs.encode(msgspec.structs.replace(found, number=self._number))

    def _note(self, notice: Notification) -> list[bytes]:
        """Remember what is told; what people say of it."""
        episode, severity = notice.root.episode, notice.root.severity
        if notice.status == "resolved":
            self.over[self._by_episode.get(episode, "")] = notice.time
            return []
        if notice.status != "firing" or severity not in TOLD or notice.id in self.told:
            return []
        text = notice.text.split("\n", 1)[0]
        one = Told(notice.id, notice.time, notice.root.start, notice.time, severity, text, None)
        met = next((label for label in self._labels if _meets(one, label)), None)
        self.told[notice.id] = one._replace(verdict=met.verdict if met else None)
        self._by_episode[episode] = notice.id
        if met is None:
            return []
        said: thresholds.Verdict = "false_alarm" if met.verdict == "false_alarm" else "true_alarm"
        made = Feedback(
            job=self._job.name, notification=notice.id, verdict=said, time=notice.time,
            author=notice.id,  # a file speaks for a team: no share of it is one person's
        )  # fmt: skip
        return [outputs.encode(made)]

    def _apply(self, value: bytes) -> None:
        try:
            record = codec.decode(value)
        except ValueError:
            return  # a change to show
        if isinstance(record, Setting) and record.name in OF_SERIES:
            said = msgspec.json.decode(record.body, type=OF_SERIES[record.name])
            for watch in self._watches.values():
                tell(watch, said)


def _meets(one: Told, label: Label) -> bool:
    return one.start <= label.end and label.start <= one.time


def _overlap(one: Told, other: Told) -> bool:
    return one.start <= other.end and other.start <= one.end
