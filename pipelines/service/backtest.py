"""A job's stored windows judged again with a configuration: who would have been paged, when, and was it worth it; pure.

The same watches, pager and feedback loop as live, from the first stored window on, so both begin knowing nothing. What
needs no history (facts of the first stage, the score's freezing of what is learnt) is left out on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np

from streamgauge.anomaly import thresholds
from streamgauge.anomaly.thresholds import Excused, Multipliers
from streamgauge.anomaly.types import Anomaly, Notification, SeriesKey
from streamgauge.pipelines.config.schema import DAY, Config, JobConfig
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.detection.watch import Watch
from streamgauge.pipelines.paging import pager
from streamgauge.pipelines.paging.feedback import FeedbackLoop
from streamgauge.pipelines.paging.pager import Pager
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer import codec
from streamgauge.tracer.records import Feedback, Setting, Tick

Verdict = Literal["true_alarm", "false_alarm", "missed"]
PAGING: Final = frozenset({"page", "page-now"})


class Label(NamedTuple):
    """What people say of a span: `missed` is a true one that nobody was paged for."""

    start: float  # seconds since the epoch
    end: float
    verdict: Verdict


class Page(NamedTuple):
    """One person, told once."""

    id: str
    time: float
    start: float  # onset
    end: float  # when it was over, or the last known time
    severity: str
    text: str
    verdict: Verdict | None  # of the label that it meets, None for no label


class Replay(NamedTuple):
    """What a configuration would have paged in [start, end]."""

    pages: tuple[Page, ...]
    start: float
    end: float
    labels: tuple[Label, ...]

    @property
    def per_day(self) -> float:
        """Pages a day."""
        return len(self.pages) / max((self.end - self.start) / DAY, 1e-9)

    @property
    def precision(self) -> float | None:
        """Share of the labelled pages that were worth it, None without any."""
        judged = [page.verdict != "false_alarm" for page in self.pages if page.verdict]
        return sum(judged) / len(judged) if judged else None

    @property
    def found(self) -> list[tuple[Label, Page]]:
        """The labelled incidents that were paged, and the first page of each."""
        first = ((one, [page for page in self.pages if _meets(page, one)]) for one in self._true())
        return [(one, pages[0]) for one, pages in first if pages]

    @property
    def recall(self) -> float | None:
        """Share of the labelled incidents that were paged, None without any."""
        true = self._true()
        return len(self.found) / len(true) if true else None

    @property
    def delay(self) -> float | None:
        """Median seconds from a labelled incident's begin to its page, None without any."""
        delays = [page.time - one.start for one, page in self.found]
        return float(np.median(delays)) if delays else None

    def _true(self) -> list[Label]:
        return [one for one in self.labels if one.verdict != "false_alarm"]


def replay(job: JobConfig, windows: Iterable[Columns], labels: Sequence[Label] = ()) -> Replay:
    """Judge every window in its order. `labels` come as they would have: after the page that they are about."""
    run, first, last = _Run(job, labels), None, 0.0
    for closed in windows:
        first = closed.start if first is None else first
        last = max(last, closed.end)
        run.take(closed)
    begin = last if first is None else first
    pages = (run.pages[key]._replace(end=run.over.get(key, last)) for key in run.pages)
    return Replay(tuple(sorted(pages, key=lambda page: page.time)), begin, last, tuple(labels))


def gained(one: Replay, other: Replay) -> list[Page]:
    """The pages of `one` during which `other` has none."""
    return [page for page in one.pages if not any(_overlap(page, theirs) for theirs in other.pages)]


class _Run:
    """The state of one replay."""

    def __init__(self, job: JobConfig, labels: Sequence[Label]) -> None:
        self._job, self._labels = job, labels
        self._watches = {spec.name: Watch(job, spec) for spec in job.windows}
        self._pager, self._loop = Pager(Config(jobs=(job,))), FeedbackLoop(job)
        self._number = 0
        self.pages: dict[str, Page] = {}  # by notification
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

    def _note(self, told: Notification) -> list[bytes]:
        """Remember a page; what people say of it."""
        episode, severity = told.root.episode, told.root.severity
        if told.status == "resolved":
            self.over[self._by_episode.get(episode, "")] = told.time
            return []
        if told.status != "firing" or severity not in PAGING or told.id in self.pages:
            return []
        text = told.text.split("\n", 1)[0]
        page = Page(told.id, told.time, told.root.start, told.time, severity, text, None)
        met = next((label for label in self._labels if _meets(page, label)), None)
        page = page._replace(verdict=met.verdict if met else None)
        self.pages[told.id], self._by_episode[episode] = page, told.id
        if met is None:
            return []
        said: thresholds.Verdict = "false_alarm" if met.verdict == "false_alarm" else "true_alarm"
        return [outputs.encode(Feedback(job=self._job.name, notification=told.id, verdict=said, time=told.time))]

    def _apply(self, value: bytes) -> None:
        try:
            record = codec.decode(value)
        except ValueError:
            return  # a change to show
        if isinstance(record, Setting) and record.name in _SETTINGS:
            read: Any = msgspec.json.decode(record.body, type=_SETTINGS[record.name])
            for watch in self._watches.values():
                _ADJUST[record.name](watch, read)


def _multiply(watch: Watch, read: Multipliers) -> None:
    watch.adjust(dict(read.factors))


def _excuse(watch: Watch, read: Excused) -> None:
    watch.excuse(read.series, read.until)


def _accept(watch: Watch, read: tuple[SeriesKey, ...]) -> None:
    watch.accept(read)


_SETTINGS: Final[dict[str, Any]] = {"thresholds": Multipliers, "expected": Excused, "new_trend": tuple[SeriesKey, ...]}
_ADJUST: Final[dict[str, Callable[..., None]]] = {"thresholds": _multiply, "expected": _excuse, "new_trend": _accept}


def _meets(page: Page, label: Label) -> bool:
    return page.start <= label.end and label.start <= page.time


def _overlap(one: Page, other: Page) -> bool:
    return one.start <= other.end and other.start <= one.end
