"""What the other heads of a multi-task model measure, each through its own part of the pane; off the step.

Conversions over clicks (`of = "positives"`): a head's sample opens when the row's first label is known to be positive,
with the prediction that it had when it was seen; until then that waits beside the row in the job's own join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer import measures
from streamgauge.tracer.by_group import RowsByGroup
from streamgauge.tracer.domains import POSITIVE
from streamgauge.tracer.evaluation import Evaluation
from streamgauge.tracer.gathering import Build
from streamgauge.tracer.hints import Hints
from streamgauge.tracer.id_sampling import IdSampling
from streamgauge.tracer.inputs import Array, Column, Floats
from streamgauge.tracer.joins import Join
from streamgauge.tracer.label_fold import LabelFold
from streamgauge.tracer.outcomes import Deadlines
from streamgauge.tracer.panes import Pane
from streamgauge.tracer.prediction_fold import PredictionFold
from streamgauge.tracer.profiles import Profiles
from streamgauge.tracer.records import Clock
from streamgauge.tracer.tasks import Task, Told, entity_of

Rows = NDArray[np.bool_]
Codes = Mapping[str, Array]  # of features, as they are kept for label counts
ROWS = "task_rows"  # a point of each head that a call named: tells the pipeline which heads there are


class TaskPane:
    """The part of a pane that one head has: entity `task:NAME`, and `task:NAME/...` for what has one of its own."""

    def __init__(self, whole: Pane, task: str) -> None:
        self._whole, self._task = whole, entity_of(task)

    @property
    def now(self) -> float:
        """The time that has been reached; seconds."""
        return self._whole.now

    @property
    def start(self) -> float:
        """Start of the pane; seconds."""
        return self._whole.start

    def point(self, clock: Clock, name: str, entity: str, value: float, weight: float = 1.0) -> None:
        """One value, kept as it is."""
        self._whole.point(clock, name, self._of(entity), value, weight)

    def add(self, clock: Clock, name: str, entity: str, amount: float) -> None:
        """An additive quantity."""
        self._whole.add(clock, name, self._of(entity), amount)

    def latest(self, clock: Clock, name: str, entity: str, value: float) -> None:
        """A quantity of which only the largest in the pane counts."""
        self._whole.latest(clock, name, self._of(entity), value)

    def gather(self, clock: Clock, name: str, entity: str, build: Build, *columns: Column) -> None:
        """Rows of a quantity that becomes sketches when the pane ends."""
        self._whole.gather(clock, name, self._of(entity), build, *columns)

    def hard(self, fact: str, entity: str, value: float, text: str = "") -> None:
        """A fact that needs no statistics."""
        self._whole.hard(fact, self._of(entity), value, text)

    def _of(self, entity: str) -> str:
        return f"{self._task}/{entity}" if entity else self._task


class HeadFold:
    """One head of one incarnation, into its part of the panes."""

    def __init__(self, pane: Pane, task: Task, join: Join, features: Profiles, evaluation: Evaluation) -> None:
        self.task, self.join, self.hints = task, join, Hints()
        self._pane = TaskPane(pane, task.name)
        self._by_group = RowsByGroup(self._pane, evaluation, features)
        self._labels = LabelFold(self._pane, join, features, IdSampling(), self.hints, self._by_group)
        self._predictions = PredictionFold(self._pane, task.labels, task.predictions, self.hints)
        self.deadlines = self._labels.deadlines

    @property
    def column(self) -> str:
        """Where its predictions wait in the job's own join."""
        return f"prediction:{self.task.name}"

    @property
    def is_of_positives(self) -> bool:
        """Whether its samples are rows whose first label is positive."""
        return self.task.of == "positives"

    def predicted(self, told: Told, clock: Clock) -> Floats | None:
        """Its predictions as probabilities, and the sketch of those of samples."""
        self._pane.add("train", ROWS, "", told.rows)
        return None if told.predictions is None else self._predictions.known(told.predictions, clock)

    def open(self, keys: Array, event: Floats | None, predicted: Floats | None) -> None:
        """Samples of it, from now on or from their own time."""
        due = None
        if self.task.expected:
            seen = np.full(len(keys), self._pane.now)
            due = self.task.expected + (seen if event is None else np.where(np.isnan(event), seen, event))
        overflow = self.join.overflow
        self.join.open(self._pane.now, keys, event=event, due=due, predictions=predicted)
        if self.join.overflow > overflow:
            self._pane.add("label", "overflow", "", self.join.overflow - overflow)
        self._labels.early(keys)

    def know(self, keys: Array, labels: Array) -> None:
        """Labels of it that became known."""
        self._pane.add("train", ROWS, "", len(keys))
        self._labels.know(keys, self._labels.mapped(labels))

    def trained(self, keys: Array, told: Told, first: Floats, features: tuple[Rows, Codes]) -> None:
        """Rows with an id that it was trained on, with their first labels; codes of some of them."""
        predicted = self.predicted(told, "train")
        self._loss(told)
        slots = self.join.find(keys)
        labels = self.join.column("label", slots)
        if told.labels is not None:
            fits = self._fits(first) | (slots >= 0)
            given = np.where(fits, self._labels.mapped(told.labels), np.nan)
            waiting = (slots >= 0) & np.isnan(labels)
            if waiting.any():  # a label is known no later than now
                self._labels.know(keys[waiting], given[waiting])
            labels = given
        if predicted is None:
            predicted = self.join.column("prediction", slots)
        else:
            self.join.predict(slots, predicted)
        if told.weights is not None:
            self.join.weigh(slots, told.weights)
        self._labels.pairs(labels, predicted, told.weights)
        inside, codes = features
        weights = None if told.weights is None else told.weights[inside]
        self._by_group.pairs(labels[inside], predicted[inside], weights, codes)

    def joinless(self, told: Told, first: Floats | None, codes: Codes, clock: Clock) -> None:
        """Rows that are trained on in this step, on the clock `sample` seen and labelled, too."""
        predicted = self.predicted(told, clock)
        self._loss(told)
        if told.labels is None:
            return
        first = np.full(told.rows, np.nan) if first is None else first
        labels = np.where(self._fits(first), self._labels.mapped(told.labels), np.nan)
        if clock == "sample":
            self._labels.arrived(labels[~np.isnan(labels)])
        self._labels.pairs(labels, predicted, told.weights)
        self._by_group.pairs(labels, predicted, told.weights, codes)

    def tell_room(self) -> None:
        """How full its join is."""
        self._labels.tell_room()

    def _fits(self, first: Floats) -> Rows:
        """Which rows are its samples, by their first labels."""
        return first > POSITIVE if self.is_of_positives else np.ones(len(first), bool)

    def _loss(self, told: Told) -> None:
        if told.loss is not None:
            measures.loss(self._pane, told.loss, told.rows)


class Heads:
    """All other heads of one incarnation; `main` is the join of the job's own labels."""

    def __init__(
        self, pane: Pane, tasks: Sequence[Task], joins: Mapping[str, Join], features: Profiles, evaluation: Evaluation,
        main: Join,
    ) -> None:  # fmt: skip
        self._main = main
        self._heads = {task.name: HeadFold(pane, task, joins[task.name], features, evaluation) for task in tasks}

    @property
    def texts(self) -> tuple[str, ...]:
        """What looks wrong with what the heads are told."""
        return tuple(f"task {name}: {text}" for name, head in self._heads.items() for text in head.hints.texts)

    def predicted(self, told: Mapping[str, Told]) -> None:
        """Predictions of samples that no label is awaited for."""
        for name, one in told.items():
            self._heads[name].predicted(one, "sample")

    def seen(self, keys: Array, known: Rows, event: Floats | None, told: Mapping[str, Told]) -> None:
        """Samples seen for the first time; `keys` and `event` are of the rows that `known` marks as having an id."""
        for name, head in self._heads.items():
            if name not in told:
                continue
            predicted = head.predicted(told[name], "sample")
            rows = None if predicted is None else predicted[known]
            if not head.is_of_positives:
                head.open(keys, event, rows)
                head.tell_room()
            elif rows is not None:
                self._main.note(head.column, self._main.find(keys), rows)

    def positive(self, keys: Array) -> None:
        """Rows whose first label is known to be positive: samples of the heads that are of these."""
        for head in self._heads.values():
            if head.is_of_positives and len(keys):
                slots = self._main.find(keys)
                held = slots >= 0
                head.open(keys[held], None, self._main.column(head.column, slots[held]))
                head.tell_room()

    def know(self, task: str, keys: Array, labels: Array) -> None:
        """Labels of one head that became known."""
        self._heads[task].know(keys, labels)

    def close(self, start: float) -> list[tuple[Deadlines, Callable[[Deadlines], None]]]:
        """What time did to the samples of each head up to `start`, by pane, and who is to be told."""
        return [(passed, head.deadlines) for head in self._heads.values() for passed in head.join.close(start)]

    def of_step(
        self, told: Mapping[str, Told], labels: Floats | None, keys_of: Callable[[Array], Array]
    ) -> Iterator[tuple[Any, ...]]:
        """What is to be called, and with what, of a step: its rows, and those of ids that are a head's own.

        `labels` are the rows' first ones.
        """
        together = {name: one for name, one in told.items() if not one.has_own_rows}
        apart = [{name: one} for name, one in told.items() if one.has_own_rows]
        for heads in (together, *apart):
            ids = next((one.ids for one in heads.values()), None)
            if ids is None:
                yield self.joinless, heads, labels, {}, "train"
                continue
            keys = keys_of(ids)
            known = keys != 0
            given = None if heads is not together or labels is None else labels[known]
            first = self._main.column("label", self._main.find(keys[known])) if given is None else given
            yield self.trained, keys[known], {name: one.of(known) for name, one in heads.items()}, first

    def trained(self, keys: Array, told: Mapping[str, Told], first: Floats) -> None:
        """Rows with an id that some heads were trained on; `first` are their first labels, NaN where not known."""
        features = self._main.features(keys)
        for name, one in told.items():
            self._heads[name].trained(keys, one, first, features)

    def joinless(self, told: Mapping[str, Told], first: Floats | None, codes: Codes, clock: Clock = "sample") -> None:
        """Rows that heads were trained on in this step, on the clock `sample` seen and labelled, too."""
        for name, one in told.items():
            self._heads[name].joinless(one, first, codes, clock)
