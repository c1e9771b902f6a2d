"""What metrics learn from one window to the next, and where it is kept; the only state of evaluation.

Some of it is history and is kept whatever happened (ids seen, the last label); the rest describes what is normal and is
learnt from windows that were judged normal only: reference distributions, trails, silences. Revisions teach nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, cast

import numpy as np

from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.calendar import shortest
from streamgauge.pipelines.config.localtime import day_and_hour
from streamgauge.pipelines.config.schema import DAY, JobConfig
from streamgauge.pipelines.metrics import Floats
from streamgauge.pipelines.sample_quality.flow import NEW_ID_HORIZON
from streamgauge.pipelines.sample_quality.labels import last_label
from streamgauge.pipelines.sample_quality.oddities import NETWORK, SKETCH
from streamgauge.pipelines.sample_quality.serving import MEMORY, meetings
from streamgauge.pipelines.statistics.measures import means
from streamgauge.pipelines.statistics.served_rows import ServedRows
from streamgauge.pipelines.statistics.tasks import TaskView, tasks_of
from streamgauge.pipelines.stream.distributions import References, SketchKey, Slice, is_reference
from streamgauge.pipelines.stream.memory import IdHorizon, Rates, Silence, Trail
from streamgauge.pipelines.stream.memory import Slice as Piece
from streamgauge.pipelines.stream.values_seen import ValuesNetwork, ValuesSeen
from streamgauge.pipelines.stream.view import JobView, WindowView
from streamgauge.pipelines.wire.rows import Rows, below, decoded, encoded, name_of
from streamgauge.tracer.records import Clock
from streamgauge.tracer.summaries import Heavy, Ids, Moments
from streamgauge.tracer.summaries.columns import Columns

Memory = IdHorizon | Rates | ServedRows | Silence | Trail | ValuesNetwork | ValuesSeen
Normality = Callable[[str, str], bool]  # whether a (worker, entity) was normal; worker "" is the job, entity "" itself
Slot = tuple[str, str, str]  # worker, name, entity
FORGET: Final = 28 * DAY  # a memory that nobody touched for this long is dropped
AUC_WINDOWS: Final = 24
TENSOR_WINDOWS: Final = 24
DAYS: Final = 28
_RATES: Final = (  # memory, part, whole: shares of labels, of which their usual value is remembered
    ("label_rate", "positives", ("label_weight", "labels")),  # with a keep rate what the labels stand for
    ("label_rate@H", "cohort_positives", ("cohort_weight", "cohort_labelled")),
    ("label_coverage@H", "cohort_labelled", ("cohort_rows",)),
)
_OF_RATES: Final = frozenset(name for name, _, _ in _RATES)
_OF_VALUES: Final[Mapping[str, type[ValuesNetwork | ValuesSeen]]] = {NETWORK: ValuesNetwork, SKETCH: ValuesSeen}
_OF_IDS: Final = ("sample_id", "profile")  # memories that are horizons of ids


class Knowledge:
    """References and memories of one job; what `View.reference` and `View.memory` read."""

    def __init__(self, config: JobConfig) -> None:
        self._config = config
        self._longest = max(spec.length for spec in config.windows)
        self._teacher = shortest(config.windows)
        of_job = (i for i, spec in enumerate(config.windows) if spec.kind == "long" and spec.scope != "worker")
        self._counter = next(of_job, -1)  # the window whose categorical values are learnt
        self._references = References(self._longest)
        self._memories: dict[Slot, Memory] = {}
        self._touched: dict[Slot, float] = {}

    @property
    def cached_bytes(self) -> int:
        """What is kept only to be quicker, about. Any thread may ask."""
        return self._references.cached_bytes

    def reference(self, worker: str, kind: type[Any], clock: Clock, name: str, entity: str, before: float) -> Any:
        """The summary merged over the reference windows that ended at or before `before`, or None."""
        return self._references.at(worker, (kind.KIND, clock, name, entity), before)

    def known(self, worker: str, clock: Clock, name: str, before: float) -> Sequence[str]:
        """The entities of the reference windows that ended at or before `before`, sorted."""
        return self._references.entities(worker, clock, name, before)

    def memory(self, worker: str, name: str, entity: str) -> Any:
        """A memory, or None while there is none."""
        return self._memories.get((worker, name, entity))

    def give(self, columns: Mapping[SketchKey, Columns], time: float) -> None:
        """Begin with these reference distributions for windows that end after `time`."""
        self._references.give(columns, time - self._longest)

    def learn(self, window: int, view: JobView, found: Mapping[Slot, Floats], is_normal: Normality) -> None:
        """Learn from a window that has been judged.

        Args:
            window: index of its WindowSpec.
            view: what it held.
            found: the values that trails are made of, by (worker, metric, entity).
            is_normal: what was judged normal.
        """
        spec = self._config.windows[window]
        day, hour = day_and_hour(view.start, self._config.timezone)
        views = [v for v in (view, *view.views.values()) if spec.scope in ("both", "worker" if v.worker else "job")]
        if spec.kind == "short":
            for scoped in views:
                self._learn_ids(scoped)
            for part in _parts(views):
                is_usual = is_normal(part.worker, part.outer(""))
                self._learn_silence(part, day, hour, is_usual)
                self._learn_rates(part, day, is_usual)
            self._learn_norms(view, is_normal)
            for entity, (_, after) in meetings(view).items():
                slot = ("", MEMORY, entity)
                self._memories[slot], self._touched[slot] = after, view.end
        if spec.kind == "long":
            for part in _parts(views):
                self._learn_auc(part, found, is_normal(part.worker, part.outer("")))
        if window == self._counter:
            self._learn_values(view, is_normal)
        if window == self._teacher:
            self._learn_distributions(view, day, is_normal)

    def _learn_ids(self, view: WindowView) -> None:
        for name, clock in (("sample_id", "train"), ("profile", "sample")):
            for entity, ids in view.sketches(Ids, cast(Clock, clock), name).items():
                horizon = self._kept(view, name, entity)
                assert isinstance(horizon, IdHorizon)
                horizon.remember(view.start, view.end, ids.hashes)

    def _learn_silence(self, view: TaskView, day: int, hour: int, is_normal: bool) -> None:
        last = last_label(view)
        if np.isnan(last) and (view.worker, "label", view.outer("")) not in self._memories:
            return
        silence = self._kept(view, "label", view.outer(""))
        assert isinstance(silence, Silence)
        silence.observe(last)
        if is_normal:
            silence.learn(day, hour, max(view.end - silence.last, 0.0))

    def _learn_rates(self, view: TaskView, day: int, is_normal: bool) -> None:
        for name, part, wholes in _RATES:
            count = next((found for whole in wholes if (found := view.total("label", whole))), 0.0)
            if not count or not is_normal:
                continue
            rates = self._kept(view, name, view.outer(""))
            assert isinstance(rates, Rates)
            if view.start >= rates.end:
                rates.learn(day, view.end, view.total("label", part), count)

    def _learn_norms(self, view: WindowView, is_normal: Normality) -> None:
        stat = view.stat("train", "gradient_norm")
        if stat.entities:
            normal = np.array([is_normal(view.worker, entity) for entity in stat.entities], bool)
            self._push(view, "gradient_norm", stat.entities, np.where(normal, means(stat).value, np.nan))

    def _learn_auc(self, view: TaskView, found: Mapping[Slot, Floats], is_normal: bool) -> None:
        pair = found.get((view.worker, "auc", view.outer("")))
        if pair is not None and is_normal and np.isfinite(pair).all():
            self._push(view, "auc", ("error", "value"), pair, view.outer(""))

    def _learn_values(self, view: JobView, is_normal: Normality) -> None:
        """The job's categorical values, of windows that do not overlap."""
        found = view.sketches(Heavy, "sample", "profile")
        if self._config.detection.categorical == "network":
            if found and view.start >= self._end_of(NETWORK, ""):
                network = self._kept(view, NETWORK, "")
                assert isinstance(network, ValuesNetwork)
                network.pass_by(view.end, found, is_normal=all(is_normal("", entity) for entity in found))
            return
        for entity, heavy in found.items():
            if heavy.total and is_normal("", entity) and view.start >= self._end_of(SKETCH, entity):
                seen = self._kept(view, SKETCH, entity)
                assert isinstance(seen, ValuesSeen)
                seen.learn(view.end, heavy)

    def _end_of(self, name: str, entity: str) -> float:
        """When the last window ended that a memory of the job learnt from."""
        kept = self._memories.get(("", name, entity))
        return kept.end if isinstance(kept, ValuesNetwork | ValuesSeen) else -np.inf

    def _learn_distributions(self, view: JobView, day: int, is_normal: Normality) -> None:
        closed = self._references.roll(day, view.start)
        if closed:
            self._learn_means(view, closed)
            self._forget(view.end)
        for name, worker in view.views.items():
            normal = ((key, columns) for key, columns in worker.raw() if is_normal(name, key[3]))
            self._references.learn(name, day, view.start, view.end, normal)

    def _learn_means(self, view: JobView, closed: Mapping[str, Slice]) -> None:
        """The daily means that `change_rate` compares with: a day's, of each worker and of the job."""
        parts: dict[str, dict[str, list[Moments]]] = {}
        for worker, piece in sorted(closed.items()):
            for (kind, _, _, entity), columns in sorted(piece.columns.items()):
                if kind == Moments.KIND:
                    moments = Moments.from_columns(columns)
                    parts.setdefault("", {}).setdefault(entity, []).append(moments)
                    parts.setdefault(worker, {}).setdefault(entity, []).append(moments)
        for worker, by_entity in sorted(parts.items()):
            means = np.array([Moments.merge(found).mean() for found in by_entity.values()])
            self._trail(worker, "mean", view.start).push(view.start, tuple(by_entity), means)

    def _push(
        self, view: WindowView | TaskView, name: str, entities: tuple[str, ...], values: Floats, entity: str = ""
    ) -> None:
        """Append to a trail, unless this window overlaps the one before."""
        trail = self._trail(view.worker, name, view.end, entity)
        if view.start >= trail.end:
            trail.push(view.end, entities, values)

    def _trail(self, worker: str, name: str, time: float, entity: str = "") -> Trail:
        slot = (worker, name, entity)
        self._touched[slot] = time
        trail = self._memories.setdefault(slot, self._new(name, None))
        assert isinstance(trail, Trail)
        return trail

    def _kept(self, view: WindowView | TaskView, name: str, entity: str) -> Memory:
        slot = (view.worker, name, entity)
        self._touched[slot] = view.end
        return self._memories.setdefault(slot, self._new(name, None))

    def _new(self, name: str, state: Sequence[Any] | None) -> Memory:
        """A memory by its name, fresh or as it was."""
        if name == "label":
            return Silence() if state is None else Silence.from_state(state)
        if name in _OF_RATES:
            return Rates() if state is None else Rates.from_state(state)
        if name in _OF_IDS:
            days = self._config.duplicate_horizon
            horizon, length = (days, days / 24) if name == "sample_id" else (NEW_ID_HORIZON, DAY)
            return IdHorizon(horizon, length) if state is None else IdHorizon.from_state(state, horizon, length)
        if name == MEMORY:
            given = self._config.evaluation.serving
            return ServedRows.from_state(state, given.horizon, given.relative_tolerance)
        if name in _OF_VALUES:
            of = _OF_VALUES[name]
            return of(self._config.windows[self._counter].length) if state is None else of.from_state(state)
        length = {"auc": AUC_WINDOWS, "gradient_norm": TENSOR_WINDOWS, "mean": DAYS}[name]
        return Trail(length) if state is None else Trail.from_state(state, length)

    def _forget(self, now: float) -> None:
        for slot in [slot for slot, time in self._touched.items() if time <= now - FORGET]:
            del self._memories[slot], self._touched[slot]

    def put_rows(self, rows: Rows) -> None:
        """Everything learnt: whoever changes a memory touches it, at a later time than before."""
        self._references.put_rows(rows)
        for slot, memory in sorted(self._memories.items()):
            worker, name, entity = slot
            path, touched = name_of(name, worker, entity), self._touched[slot]
            state = memory.state
            if isinstance(memory, IdHorizon):
                state = memory.head
                for piece in memory.pieces:
                    rows.put(f"ids/{path}/{piece.start!r}", partial(_ids_row, piece), piece.ids)
            rows.put(f"memory/{path}", partial(_memory_row, slot, touched, state), memory, touched)

    def inherit(self, old: Knowledge) -> None:
        """Take over memories, and the references where windows are of the same lengths."""
        rows = Rows()
        old.put_rows(rows)
        is_same = (old._teacher, old._longest) == (self._teacher, self._longest)
        self.take_rows({name: row for name, row in rows.changed.items() if is_same or not is_reference(name)})

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put."""
        self._references = References.of_rows(rows, self._longest)
        self._memories, self._touched = {}, {}
        ids: dict[str, list[tuple[float, float, bytes]]] = {}
        for path, value in below(rows, "ids").items():
            start, end, data = decoded("ids", value)
            ids.setdefault(path.rpartition("/")[0], []).append((start, end, data))
        for path, value in below(rows, "memory").items():
            worker, name, entity, touched, state = decoded("memory", value)
            if name in _OF_IDS:
                state = [*state, sorted(ids.get(path, ()))]
            self._memories[worker, name, entity] = self._new(name, state)
            self._touched[worker, name, entity] = touched


def _parts(views: Sequence[WindowView]) -> Iterator[TaskView]:
    """What each head of the model has of each view, the job's own labels first."""
    for view in views:
        for task in ("", *tasks_of(view)):
            yield TaskView(view, task)


def _ids_row(piece: Piece) -> bytes:
    return encoded("ids", piece.start, piece.end, piece.ids.astype("<u8").tobytes())


def _memory_row(slot: Slot, touched: float, state: Callable[[], list[Any]]) -> bytes:
    return encoded("memory", *slot, touched, state())


def normality(rejected: Collection[SeriesKey]) -> Normality:
    """An entity of a worker is normal where nothing was rejected of it, of the worker itself, or of it in the job."""
    places = {(key.worker, key.entity) for key in rejected}

    def is_normal(worker: str, entity: str) -> bool:
        return not places or not ({(worker, entity), (worker, ""), ("", entity)} & places)

    return is_normal
