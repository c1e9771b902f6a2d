"""What each event measures: events become points, sketches and deadlines of the open pane; off the step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from streamgauge.tracer import measures, profiles, tables
from streamgauge.tracer.by_group import RowsByGroup
from streamgauge.tracer.domains import PredictionScale
from streamgauge.tracer.evaluation import Evaluation
from streamgauge.tracer.events import Event, Idled, Labelled, Observed, Refused, Scalar, Served, Stepped, Tabled
from streamgauge.tracer.feature_fold import FeatureFold
from streamgauge.tracer.heads import Heads
from streamgauge.tracer.hints import Hints
from streamgauge.tracer.id_sampling import IdSampling
from streamgauge.tracer.inputs import Array, Refusal
from streamgauge.tracer.joins import Join
from streamgauge.tracer.label_fold import LabelFold
from streamgauge.tracer.panes import Panes
from streamgauge.tracer.prediction_fold import PredictionFold
from streamgauge.tracer.profiles import Profiles
from streamgauge.tracer.records import Clock
from streamgauge.tracer.row_times import RowTimes
from streamgauge.tracer.rows import LIMIT
from streamgauge.tracer.served import ServedRows
from streamgauge.tracer.tasks import Task


class Rules(NamedTuple):
    """What the fold must know of the job."""

    sampling: IdSampling  # of the ids kept for duplicates
    max_age: float | None
    predictions: PredictionScale = "probability"
    evaluation: Evaluation = Evaluation()
    tasks: tuple[Task, ...] = ()


class Fold:
    """Panes, the join and the profiles of one incarnation.

    `fault` is told what went wrong with one part of an event, `refuse` what of it cannot be used, and why; the other
    parts count all the same. `ending` is called before a pane that lies behind the clock is cut.
    """

    def __init__(
        self, panes: Panes, join: Join, features: Profiles, rules: Rules, fault: Callable[[str, Exception], None],
        ending: Callable[[], None] = lambda: None, refuse: Callable[[str, str], None] = lambda what, reason: None,
        joins: Mapping[str, Join] = {},
    ) -> None:  # fmt: skip
        self.panes = panes
        self.join = join
        self.steps = 0
        self.born = panes.now
        self.hints = Hints(features.declared)
        self._by_group = RowsByGroup(panes, rules.evaluation, features)
        self._served_rows = ServedRows(panes, rules.evaluation.serving)
        self.joins = joins  # of the other heads, by task
        self._heads = Heads(panes, rules.tasks, joins, features, rules.evaluation, join)
        self._labels = LabelFold(
            panes, join, features, rules.sampling, self.hints, self._by_group, self._heads.positive
        )
        rules.sampling.enter(panes.start)
        self._profiles = features
        self._features = FeatureFold(panes, features, self.hints, self._refused)
        self._times = RowTimes(panes, rules.max_age, self._refused)
        self._sampling = rules.sampling
        self._predictions = PredictionFold(panes, join.labels, rules.predictions, self.hints)
        self._fault = fault
        self._refuse = refuse
        self._ending = ending
        self._overflow = join.overflow

    def fold(self, event: Event) -> None:
        """One event, at its own time or, if the pane of that has ended, in the open one."""
        self.advance(event.time, moves=isinstance(event, (Stepped, Idled, Served)))
        if isinstance(event, Observed):
            self._part(self._observed, event)
        elif isinstance(event, Served):
            self._part(self._served, event)
        elif isinstance(event, Labelled):
            self._part(self._labelled, event.ids, event.labels, event.task)
        elif isinstance(event, Stepped):
            self._stepped(event)
        elif isinstance(event, Scalar):
            self._part(self._scalar, event)
        elif isinstance(event, Tabled):
            self._part(tables.fold, self.panes, event.name, event.told)
        elif isinstance(event, Refused):
            self._tell(event.what, event.reason)

    def advance(self, now: float, *, moves: bool = False) -> None:
        """Time passes: panes that have ended are cut. The watermark moves with steps and idleness only."""
        panes = self.panes
        if not -LIMIT < now < LIMIT:
            return
        panes.now = max(panes.now, now)
        start = panes.floor(panes.now)
        if start > panes.start:
            self._part(self._ending)
            ends = [(passed, self._labels.deadlines) for passed in self.join.close(start)]
            for passed, tell in sorted((*ends, *self._heads.close(start)), key=lambda end: end[0].pane):
                if passed.pane > panes.start:
                    panes.end(passed.pane)
                tell(passed)
            panes.end(start)
            self._sampling.enter(start)
        if moves:
            panes.watermark = max(panes.watermark, start)

    def coded(self, name: str, column: Array) -> Array:
        """A feature's column as it may leave the process: numbers, or salted hashes of categories and ids."""
        return self._profiles.codes(name, column)

    @property
    def texts(self) -> tuple[str, ...]:
        """What looks wrong with what the job hands over."""
        return (*self.hints.texts, *self._heads.texts)

    def _part(self, apply: Callable[..., None], *arguments: Any) -> None:
        try:
            apply(*arguments)
        except Refusal as error:
            self._refused(f"argument:{apply.__name__.strip('_')}", str(error))
        except Exception as error:
            self._fault(f"fold {apply.__name__.strip('_')}", error)

    def _refused(self, what: str, reason: str) -> None:
        self._refuse(what, reason)
        self._tell(what, reason)

    def _tell(self, what: str, reason: str) -> None:
        """A refusal: counted, and a fact once a pane, so that the page names it."""
        self.panes.add("wall", "refused", what, 1)
        self.panes.hard("refused", what, 1.0, reason)

    def _observed(self, event: Observed) -> None:
        panes, rows = self.panes, event.rows
        panes.add("sample", "rows", "", rows)
        panes.add("wall", "rows_seen", "", rows)
        seen_at = panes.now
        times, due, written = (
            self._times.of(name, values, rows)
            for name, values in (("time", event.event_time), ("due", event.due), ("written", event.written))
        )
        if times is not None:
            self._part(self._times.ages, times, written, seen_at)
        predicted = None if event.predictions is None else self._predictions.known(event.predictions, "sample")
        codes = self._features.profiled(event.features, rows, keep=event.ids is not None)
        if event.ids is None:
            self._part(self._heads.predicted, event.heads)
            return
        keys = self._profiles.keys(event.ids)
        known = keys != 0
        self._drop("sample", "missing_ids", known)
        self.hints.ids("observe", event.ids[known])
        repeats = self.join.open(
            seen_at, keys[known], event=_of(times, known), due=_of(due, known),
            written=_of(written, known), predictions=_of(predicted, known),
            features=codes if known.all() else {name: column[known] for name, column in codes.items()},
        )  # fmt: skip
        if self._served_rows:
            self._served_rows.trained(keys[known], {name: column[known] for name, column in codes.items()})
        self._labels.seen(keys[known], _of(times, known), _of(due, known), _of(predicted, known))
        self._part(self._heads.seen, keys[known], known, _of(times, known), event.heads)
        self._labels.early(keys[known])
        if repeats:
            panes.add("sample", "repeats", "", repeats)
        if self.join.overflow > self._overflow:
            panes.add("label", "overflow", "", self.join.overflow - self._overflow)
            self._overflow = self.join.overflow
        self._labels.tell_room()

    def _served(self, event: Served) -> None:
        """Rows of the sampled ids, for the pipeline to compare with those that are trained on."""
        keys = self._profiles.keys(event.ids if event.ids is not None else np.zeros(0, object))
        known = keys != 0
        self._drop("sample", "missing_served_ids", known)
        predicted = None if event.predictions is None else self._predictions.probabilities(event.predictions)[0]
        if event.features is None:
            if predicted is not None:
                self._served_rows.rescored(keys[known], predicted[known])
            return
        codes = self._features.codes(event.features, event.rows, known)
        self._served_rows.served(keys[known], codes, _of(predicted, known))

    def _drop(self, clock: Clock, name: str, kept: Array) -> None:
        lost = len(kept) - int(np.count_nonzero(kept))
        if lost:
            self.panes.add(clock, name, "", lost)

    def _labelled(self, ids: Array, labels: Array, task: str) -> None:
        keys = self._profiles.keys(ids)
        known = keys != 0
        self._drop("label", "missing_ids", known)
        if task:
            self._heads.know(task, keys[known], labels[known])
            return
        self.hints.ids("label", ids[known])
        self._labels.know(keys[known], self._labels.mapped(labels[known]))

    def _stepped(self, event: Stepped) -> None:
        panes = self.panes
        panes.stepped(event.step)
        if event.updated:
            self.steps += 1
            panes.add("train", "steps", "", 1)
        if event.skipped and event.updated:  # of the steps: a batch that only adds its gradient is none
            panes.add("train", "skipped_updates", "", 1)
        if event.rows:
            panes.add("train", "rows", "", event.rows)
            panes.add("wall", "rows_trained", "", event.rows)
        if event.loss is not None:
            measures.loss(panes, event.loss, event.rows)
        if event.seconds is not None and math.isfinite(event.seconds):
            panes.gather("wall", "step_time", "", profiles.seconds, np.array([event.seconds]))
        for name, tensor in event.tensors.items():
            self._part(measures.tensor, panes, f"tensor:{name}", tensor, event.rows)
        if event.features is not None:
            self._part(self._joinless, event)
        elif event.ids is not None or event.labels is not None:
            self._part(self._trained, event)
        if event.features is None and event.heads:
            self._part(self._heads_trained, event)

    def _joinless(self, event: Stepped) -> None:
        """All three clocks at once: the rows are seen, labelled and trained on in this step."""
        observed = Observed(
            event.time, event.rows, event.features or {}, None, event.event_time, None, None, event.predictions
        )
        self._part(self._observed, observed)
        times = self._times.of("time", event.event_time, event.rows)
        keys, known = self._some_keys(event)
        labels = None if event.labels is None else self._labels.mapped(event.labels)
        unlabelled = np.ones(event.rows, bool) if labels is None else ~np.isfinite(labels)
        codes = dict[str, Any]()
        if keys is not None:
            self._labels.gather_ids(keys[unlabelled & known])
        if labels is not None:
            self._labels.arrived(labels)
            if times is not None:
                self._labels.delays(labels, self.panes.now - times)
            codes = self._features.codes(event.features or {}, event.rows)
            predicted = event.predictions
            if predicted is not None:
                predicted, _ = self._predictions.probabilities(predicted)
            self._labels.pairs(labels, predicted, event.weights)
            self._labels.binned(labels, codes)
            self._by_group.pairs(labels, predicted, event.weights, codes)
            if keys is not None:
                self._labels.gather_pairs(keys, labels, known)
        if keys is not None and self._served_rows:
            self._served_rows.trained(keys[known], self._features.codes(event.features or {}, event.rows, known))
        self._part(self._heads.joinless, event.heads, labels, codes)
        if times is not None:
            self._times.trained(times)

    def _trained(self, event: Stepped) -> None:
        """Pairs of labels and the predictions from before the update, from the call or from the join."""
        labels = None if event.labels is None else self._labels.mapped(event.labels)
        predicted = None if event.predictions is None else self._predictions.known(event.predictions, "train")
        times = self._times.of("time", event.event_time, event.rows)
        keys, known = self._some_keys(event)
        if keys is None:
            if times is not None:
                self._times.trained(times)
            if labels is not None:
                self._labels.pairs(labels, predicted, event.weights)
            return
        self._drop("train", "missing_ids", known)
        self.hints.ids("step", event.ids[known] if event.ids is not None else keys[:0])
        self._labels.trained(keys[known], _of(labels, known), _of(predicted, known), _of(event.weights, known))
        if labels is not None and not known.all():
            self._labels.pairs(labels[~known], _of(predicted, ~known), _of(event.weights, ~known))

    def _heads_trained(self, event: Stepped) -> None:
        """Rows that other heads were trained on."""
        mapped = None if event.labels is None else self._labels.mapped(event.labels)
        for apply, *arguments in self._heads.of_step(event.heads, mapped, self._profiles.keys):
            self._part(apply, *arguments)

    def _some_keys(self, event: Stepped) -> tuple[Array | None, Array]:
        """The keys of a step's rows, and which of the rows have an id."""
        if event.ids is None:
            return None, np.ones(event.rows, bool)
        keys = self._profiles.keys(event.ids)
        return keys, keys != 0

    def _scalar(self, event: Scalar) -> None:
        clock: Clock = event.clock  # type: ignore[assignment]
        self.panes.point(clock, event.name, event.entity, event.value, event.weight)


def _of(values: Any, rows: Array) -> Any:
    """Some of the rows, where there are any."""
    return None if values is None else values[rows]
