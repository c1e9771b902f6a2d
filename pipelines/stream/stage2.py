"""The second stage: a closed window's values, what was normal, what is anomalous, the score, and only then learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import msgspec
import numpy as np

from streamgauge.anomaly.types import Anomaly, Score, SeriesKey
from streamgauge.pipelines.config.schema import Detection, JobConfig
from streamgauge.pipelines.detection.closed import Closed
from streamgauge.pipelines.detection.judging import Judged
from streamgauge.pipelines.detection.sources import Sources, extend, find
from streamgauge.pipelines.detection.watch import Watch
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.registry import pipelines_of
from streamgauge.pipelines.scoring import burn_in
from streamgauge.pipelines.scoring.scorer import Scorer
from streamgauge.pipelines.stream import absolutes, giving, id_sampling, limits, said_settings, telling_values
from streamgauge.pipelines.stream.columns import PointRecords
from streamgauge.pipelines.stream.evaluate import Evaluated, Evaluator, failures, unkept
from streamgauge.pipelines.stream.id_sampling import Sampling
from streamgauge.pipelines.stream.joining import Joining
from streamgauge.pipelines.stream.limits import Bound
from streamgauge.pipelines.stream.score_series import as_series
from streamgauge.pipelines.stream.serving_age import ServingAge
from streamgauge.pipelines.stream.stages import CONFIG
from streamgauge.pipelines.stream.standing import Facts, Window
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.given import SETTING as REFERENCE
from streamgauge.pipelines.wire.given import Given
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.pipelines.wire.rows import Rows, encoded, packed, put_state, take_state, unpacked
from streamgauge.tracer.records import Feedback, Setting

_ROW_BYTES: Final = 100  # of a row that something is bound to, about


class _Head(msgspec.Struct, array_like=True, frozen=True):
    version: int
    waiting: tuple[Setting, ...]
    detection: Detection
    config: bytes  # the log's; empty: of a release that did not keep it
    ids: Sampling = Sampling()


class Stage2:
    """Evaluate, judge, fire, score, learn: in this order for each window, so nothing is judged by what it taught."""

    KIND: ClassVar[str] = "second stage"

    def __init__(self, config: JobConfig) -> None:
        self._waiting: tuple[Setting, ...] = ()
        self._points, self._ids = PointRecords(config.name), Sampling()
        self._serving = ServingAge()
        self._reports = 0  # taken by this process; not part of the state
        self._build(config)

    def _build(self, config: JobConfig) -> None:
        self.config = self._given = config  # with what `detection` settings changed, and as the log has it
        self._evaluator = Evaluator(config)
        self._joining = Joining(config)
        self._watches = [Watch(config, spec) for spec in config.windows]
        short = next((spec for spec in config.windows if spec.kind == "short"), config.windows[0])
        self._score_watch = Watch(config, short, shown=True)
        self._scorer = Scorer(config, pipelines_of(config))
        self._facts = [Facts(config.name) for _ in config.windows]
        self._short = config.windows.index(short)
        self._bound: dict[int, tuple[tuple[SeriesKey, ...], list[Bound], dict[SeriesKey, int], bool]] = {}  # a cache
        self._sources: dict[str, tuple[tuple[SeriesKey, ...], Sources]] = {}  # by window, a cache

    @property
    def cached_bytes(self) -> int:
        """What is kept only to be quicker, about."""
        rows = sum(len(bound[0]) for bound in list(self._bound.values()))
        return self._evaluator.cached_bytes + _ROW_BYTES * rows

    def on_report(self, report: Report) -> list[msgspec.Struct]:
        """Everything that one closed window, or a revision of one, says. A revision raises and teaches nothing."""
        self._reports += 1
        watch = self._watches[report.window]
        if not report.revision:
            self._settle(report.end)
        evaluated = self._evaluator.evaluate(report, self._joining.share(report))
        closed = self._with_sources(evaluated)
        judged = watch.judge(closed)
        outputs: list[msgspec.Struct] = [*self._points.of(closed, judged), *evaluated.profiles]
        excused = self._excused(closed)
        if report.revision:
            return [*outputs, *self._scorer.score(closed, judged, excused)]
        outputs += [*self._joining.news(report.end), *unkept(evaluated, self.config)]
        outputs += [*failures(evaluated, self.config), *self._sample_ids(report, evaluated)]
        outputs += self._state_facts(report, evaluated, closed, judged)
        standing = self._facts[report.window].holds(closed.keys)
        outputs += telling_values.told(watch.anomalies_of(closed, judged, report.clock, standing), evaluated.view)
        told = {*watch.open.episodes, *self._facts[report.window].open}
        scores = self._scorer.score(closed, judged, excused, told)
        outputs += scores
        outputs += self._watch_scores(scores, report)
        learnt = watch.learn(closed, judged, self._scorer.frozen(closed.keys), standing)
        self._evaluator.learn(evaluated, learnt.keep[: len(evaluated.keys)])
        job = self.config.name
        return [*outputs, *(Change(job=job, name=name, time=report.end, text=text) for name, text in learnt.notes)]

    def adopt(self, config: JobConfig) -> None:
        """Another configuration from here on. What was learnt stays, of windows that stay the same."""
        self._adopt(config, 0.0)

    def learn_from(self, state: bytes) -> None:
        """Begin with what the second stage of another job has learnt, of windows that are the same. Raises Unfit."""
        mine = self._given
        self.restore(state)
        for watch in (*self._watches, self._score_watch):
            watch.rename(mine.name)
        self._scorer.rename(mine.name)
        self._facts, self._waiting = [Facts(mine.name) for _ in self._given.windows], ()
        self._serving = ServingAge()
        self._adopt(mine, 0.0)

    def on_setting(self, setting: Setting) -> list[msgspec.Struct]:
        """Keep a change until the first window that ends after it is effective; an unreadable one is a dead letter."""
        if setting.name == CONFIG:
            return self._on_config(setting)
        if setting.name not in said_settings.SETTINGS:
            return []
        try:
            read = said_settings.read(setting, self.config.detection)
            if isinstance(read, Given):
                giving.check(read)
        except ValueError as error:
            return [said_settings.refused(setting, str(error))]
        self._waiting = (*self._waiting, setting)
        text = read.text if isinstance(read, Given) else ""
        return [Change(job=setting.job, name=REFERENCE, time=setting.effective, text=text)] if text else []

    def _on_config(self, setting: Setting) -> list[msgspec.Struct]:
        """The operator has read it, and sends on what holds from here on."""
        return [*self._adopt(msgspec.json.decode(setting.body, type=JobConfig), setting.effective)]

    def _adopt(self, config: JobConfig, time: float) -> list[Anomaly]:
        """The same; what is open of windows that are no longer ends at `time`."""
        if config == self._given:
            return []
        was, detection = self._given, self.config.detection
        watches, facts = dict(zip(was.windows, self._watches, strict=True)), self._facts
        scores, evaluator, scorer = self._score_watch, self._evaluator, self._scorer.snapshot()
        joining = self._joining.snapshot()
        self._build(config)
        for place, spec in enumerate(config.windows):
            if spec in watches:
                self._watches[place].restore(watches[spec].snapshot())
                self._facts[place] = facts[was.windows.index(spec)]
        if self._score_watch.spec == scores.spec:
            self._score_watch.restore(scores.snapshot())
        self._evaluator.inherit(evaluator)
        if config.pane == was.pane:
            self._joining.restore(joining)
        self._scorer.restore(scorer)
        self._detect_with(detection if config.detection == was.detection else config.detection)
        gone = [(watches[spec], facts[place]) for place, spec in enumerate(was.windows) if spec not in config.windows]
        return [over for watch, fact in gone for over in (*watch.end(time), *fact.end(time))]

    def on_feedback(self, feedback: Feedback) -> list[msgspec.Struct]:
        """Show what on-call said; what it teaches is computed below the line and comes back as a `Setting`."""
        text = f"{feedback.notification}: {feedback.verdict}" + (f" ({feedback.comment})" if feedback.comment else "")
        return [Change(job=feedback.job, name="feedback", time=feedback.time, text=text)]

    def on_change(self, change: Change) -> list[msgspec.Struct]:
        """An event of the job is shown; one that tells of a push makes the model in service new."""
        self._serving.take(change)
        return [change]

    def put_rows(self, rows: Rows) -> None:
        """All state, exactly."""
        given = msgspec.json.encode(self._given)
        rows.put_value("head", encoded("second stage head", self._waiting, self.config.detection, given, self._ids))
        put_state(rows, "evaluator", self._evaluator)
        put_state(rows, "joining", self._joining)
        for name, watch in self._watched():
            put_state(rows, name, watch)
        rows.put("scorer", self._scorer.snapshot, self._scorer, self._reports)
        for i, facts in enumerate(self._facts):
            rows.put_value(f"facts/{i}", facts.snapshot())
        if not self._serving.is_empty:
            rows.put_value("serving", self._serving.snapshot())

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put. Raises Unfit for rows of other windows."""
        head = states.read("second stage head", rows["head"], _Head)
        if head.config:
            self.adopt(msgspec.json.decode(head.config, type=JobConfig))
        there = len({name.split("/")[1] for name in rows if name.startswith("watch/")}) - 1
        if there != len(self._watches):
            text = f"it has {there} kinds of windows, job {self.config.name} has {len(self._watches)} now"
            raise states.Unfit(text)
        take_state(rows, "evaluator", self._evaluator)
        take_state(rows, "joining", self._joining)
        for name, watch in self._watched():
            take_state(rows, name, watch)
        self._scorer.restore(rows["scorer"])
        for i, facts in enumerate(self._facts):
            if f"facts/{i}" in rows:  # a state of before there were any has none
                facts.restore(rows[f"facts/{i}"])
        if "serving" in rows:
            self._serving.restore(rows["serving"])
        self._waiting, self._ids = head.waiting, head.ids
        self._detect_with(head.detection)

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return packed(self)

    def restore(self, data: bytes) -> None:
        """Continue exactly where `snapshot` was taken. Raises ValueError for bytes of another layout."""
        self.take_rows(unpacked(self.KIND, data))

    def _watched(self) -> list[tuple[str, Watch]]:
        """Where each watch is kept."""
        return [*((f"watch/{i}", watch) for i, watch in enumerate(self._watches)), ("watch/score", self._score_watch)]

    def _excused(self, closed: Closed) -> frozenset[str]:
        """What costs no points yet because the model is cold."""
        facts = self._facts[self._short]
        if not facts.is_burnt_in and not closed.revision:
            facts.is_burnt_in = burn_in.is_over(closed, self.config, facts.first)
        cold = frozenset() if facts.is_burnt_in else burn_in.EXCUSED
        return cold if burn_in.is_over_in_cohorts(closed, self.config, facts.first) else cold | burn_in.COHORTS

    def _state_facts(self, report: Report, evaluated: Evaluated, closed: Closed, judged: Judged) -> list[Anomaly]:
        """What the window says that needs no history: declared limits, and what is wrong by itself."""
        facts, view = self._facts[report.window], evaluated.view
        kept = self._bound.get(report.window)
        is_cold = not self._facts[self._short].is_burnt_in
        if kept is None or kept[0] is not closed.keys or kept[3] != is_cold:
            declared = (*self.config.limits, *limits.standing(self.config, is_cold=is_cold))
            bounds = limits.bind(declared, closed.keys, closed.metrics)
            kept = self._bound[report.window] = (closed.keys, bounds, absolutes.rows_of(closed.keys), is_cold)
        found = [*limits.conditions(closed, kept[1])]
        if report.window == self._short and view is not None:
            facts.tallies = absolutes.count(view, facts.tallies)
            found += absolutes.conditions(view, self.config, closed, judged.reference, kept[2], facts)
            facts.tallies = absolutes.learn(view, facts.tallies)
        if report.window == self._short and (old := self._serving.condition(self.config, report.clock)) is not None:
            found.append(old)
        left = frozenset(one.worker for one in report.presences if one.state == "left")
        return facts.settle(found, Window(report.start, report.end, report.clock, left))

    def _sample_ids(self, report: Report, evaluated: Evaluated) -> list[Change]:
        """A share of the ids that follows their rate."""
        if report.window != self._short or evaluated.view is None:
            return []
        before, self._ids = self._ids, id_sampling.follow(self._ids, report, evaluated.view, self.config)
        return [] if self._ids is before else [id_sampling.said(self.config.name, self._ids)]

    def _settle(self, end: float) -> None:
        """Apply what is effective for a window that ends at `end`, in the order of the log."""
        due = [setting for setting in self._waiting if end > setting.effective]
        self._waiting = tuple(setting for setting in self._waiting if end <= setting.effective)
        for setting in due:
            read = said_settings.read(setting, self.config.detection)
            if isinstance(read, Detection):
                self._detect_with(read)
            elif isinstance(read, Given):
                giving.give(read, setting.effective, self.config, self._watches, self._evaluator)
            else:
                for watch in self._watches:
                    said_settings.tell(watch, read)

    def _detect_with(self, detection: Detection) -> None:
        self.config = msgspec.structs.replace(self.config, detection=detection)
        for watch in (*self._watches, self._score_watch):
            watch.config = self.config

    def _with_sources(self, evaluated: Evaluated) -> Closed:
        """The window and its sources; equal keys become one object, which all caches below go by."""
        known = self._sources.get(evaluated.window)
        if known is None or (known[0] is not evaluated.keys and known[0] != evaluated.keys):
            known = self._sources[evaluated.window] = (evaluated.keys, find(evaluated.keys, self.config.features))
        return extend(evaluated._replace(keys=known[0]), known[1])

    def _watch_scores(self, scores: Sequence[Score], report: Report) -> list[Anomaly]:
        """The scores are series too: watched and shown, they never page."""
        if not scores:
            return []
        closed = as_series(scores, report)
        judged = self._score_watch.judge(closed)
        found = self._score_watch.anomalies_of(closed, judged, report.clock)
        self._score_watch.learn(closed, judged, np.zeros(len(scores), dtype=bool))
        return found
