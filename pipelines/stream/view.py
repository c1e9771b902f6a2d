"""One closed window as metric functions read it: a worker's view over its partial, the job's over all of them.

Job-level values come from merged state, never from workers' values: point columns add (`math.fsum`: no order shows),
extremes take the extreme, summaries fold once, k-way, workers by name. Everything is computed when it is first asked
for and kept for the other metrics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Floats, Partial, Presence, Report, Stat, View
from streamgauge.pipelines.stream.layout import Layout, Layouts
from streamgauge.tracer.records import Clock, Sketch
from streamgauge.tracer.summaries import Summary, merge_sketches
from streamgauge.tracer.summaries.columns import Columns

T = TypeVar("T")
_EMPTY: Final = np.zeros(0)
NO_STAT: Final = Stat((), _EMPTY, _EMPTY, _EMPTY, _EMPTY, _EMPTY, _EMPTY)


class Learnt(Protocol):
    """What earlier windows left behind, by worker; `""` is the job."""

    def reference(self, worker: str, kind: type[Any], clock: Clock, name: str, entity: str, before: float) -> Any:
        """The summary merged over the reference windows that ended at or before `before`, or None."""
        ...

    def known(self, worker: str, clock: Clock, name: str, before: float) -> Sequence[str]:
        """The entities of the reference windows that ended at or before `before`, sorted."""
        ...

    def memory(self, worker: str, name: str, entity: str) -> Any:
        """A memory of `streamgauge.pipelines.stream.memory`, or None while there is none."""
        ...


class Frame(NamedTuple):
    """What all views of one closed window share."""

    job: str
    start: float
    end: float
    config: JobConfig
    presences: Mapping[str, Presence]
    workers: dict[str, WorkerView]
    learnt: Learnt
    shared: dict[str, Any]


class WindowView:
    """What the views of a worker and of the job have in common; see `streamgauge.pipelines.metrics.View`."""

    worker: str

    def __init__(self, frame: Frame) -> None:
        self.job = frame.job
        self.start = frame.start
        self.end = frame.end
        self.length = frame.end - frame.start
        self.config = frame.config
        self.presences = frame.presences
        self.workers: Mapping[str, View] = frame.workers
        self.views: Mapping[str, WorkerView] = frame.workers  # by name, in the order of the names
        self._learnt = frame.learnt
        self._shared = frame.shared
        self._stats: dict[tuple[str, str], Stat] = {}
        self._sketches: dict[tuple[str, str, str], dict[str, Any]] = {}

    def stat(self, clock: Clock, name: str) -> Stat:
        """The folded points of a traced quantity."""
        found = self._stats.get((clock, name))
        if found is None:
            found = self._stats[clock, name] = self._fold(clock, name)
        return found

    def total(self, clock: Clock, name: str) -> float:
        """Sum of an additive quantity of entity `""`."""
        stat = self.stat(clock, name)
        return float(stat.total[stat.entities.index("")]) if "" in stat.entities else 0.0

    def sketches(self, kind: type[T], clock: Clock, name: str) -> Mapping[str, T]:
        """Merged summaries by entity, in the order of the entities."""
        key = (cast(type[Summary], kind).KIND, clock, name)
        found = self._sketches.get(key)
        if found is None:
            found = self._sketches[key] = self._merge(cast(type[Summary], kind), key)
        return found

    def reference(self, kind: type[T], clock: Clock, name: str, entity: str) -> T | None:
        """The same summary over the reference windows, all of them before this one."""
        return cast("T | None", self._learnt.reference(self.worker, kind, clock, name, entity, self.start))

    def known(self, clock: Clock, name: str) -> Sequence[str]:
        """The entities that the reference holds summaries of."""
        return self._learnt.known(self.worker, clock, name, self.start)

    def memory(self, name: str, entity: str) -> Any:
        """A memory of this scope."""
        return self._learnt.memory(self.worker, name, entity)

    def shared(self, name: str, make: Callable[[View], T]) -> T:
        """What `make` gives, once for all views of the window; it may read nothing that is this view's own."""
        if name not in self._shared:
            self._shared[name] = make(cast(View, self))
        return cast(T, self._shared[name])

    def _fold(self, clock: Clock, name: str) -> Stat:
        raise NotImplementedError

    def _merge(self, kind: type[Summary], key: tuple[str, str, str]) -> dict[str, Any]:
        raise NotImplementedError


class WorkerView(WindowView):
    """One worker's window; without a partial it is one in which nothing came."""

    def __init__(self, frame: Frame, worker: str, partial: Partial | None, layout: Layout) -> None:
        super().__init__(frame)
        self.worker = worker
        self._layout = layout
        self._table = _EMPTY.reshape(7, 0) if partial is None else np.frombuffer(partial.columns, "<f8").reshape(7, -1)
        self._columns: dict[tuple[str, str, str], dict[str, Columns]] = {}
        self._kinds: dict[str, list[Sketch]] = {}
        for sketch in () if partial is None else read_sketches(partial.sketches):
            self._columns.setdefault((sketch.kind, sketch.clock, sketch.name), {})[sketch.entity] = sketch.columns
            self._kinds.setdefault(sketch.kind, []).append(sketch)

    def of_kind(self, kind: str) -> Sequence[Sketch]:
        """Its summaries of one kind as they travel, sorted."""
        return self._kinds.get(kind, ())

    def raw(self) -> Iterator[tuple[tuple[str, str, str, str], Columns]]:
        """Every summary as (kind, clock, name, entity), columns."""
        for key, by_entity in self._columns.items():
            for entity, columns in by_entity.items():
                yield (*key, entity), columns

    def _fold(self, clock: Clock, name: str) -> Stat:
        entities = self._layout.entities.get((clock, name))
        if entities is None:
            return NO_STAT
        return Stat(entities, *self._table[:6, self._layout.places[clock, name]])

    def _merge(self, kind: type[Summary], key: tuple[str, str, str]) -> dict[str, Any]:
        by_entity = self._columns.get(key, {})
        return {entity: kind.from_columns(by_entity[entity]) for entity in sorted(by_entity)}


class JobView(WindowView):
    """The whole job's window, from its workers'."""

    worker = ""

    def __init__(self, frame: Frame, joined: WorkerView | None = None) -> None:
        super().__init__(frame)
        self._shares = (*frame.workers.values(), *([] if joined is None else [joined]))
        self._kinds: dict[str, tuple[Sketch, ...]] = {}

    def of_kind(self, kind: str) -> Sequence[Sketch]:
        """All workers' summaries of one kind merged, sorted."""
        found = self._kinds.get(kind)
        if found is None:
            parts = [sketch for view in self._shares for sketch in view.of_kind(kind)]
            found = self._kinds[kind] = merge_sketches(parts)
        return found

    def _fold(self, clock: Clock, name: str) -> Stat:
        stats = [stat for view in self._shares if (stat := view.stat(clock, name)).entities]
        if len(stats) <= 1:
            return stats[0] if stats else NO_STAT
        entities = stats[0].entities
        if any(stat.entities is not entities and stat.entities != entities for stat in stats):
            entities = tuple(sorted({entity for stat in stats for entity in stat.entities}))
            stats = [_spread(stat, entities) for stat in stats]
        return Stat(
            entities,
            np.add.reduce([stat.count for stat in stats]),  # counts are integers: exact in any order
            fsum_columns([stat.weight for stat in stats]),
            fsum_columns([stat.total for stat in stats]),
            np.minimum.reduce([stat.low for stat in stats]),
            np.maximum.reduce([stat.high for stat in stats]),
            np.add.reduce([stat.nonfinite for stat in stats]),
        )

    def _merge(self, kind: type[Summary], key: tuple[str, str, str]) -> dict[str, Any]:
        found = (sketch for sketch in self.of_kind(key[0]) if (sketch.clock, sketch.name) == key[1:])
        return {sketch.entity: kind.from_columns(sketch.columns) for sketch in found}


def job_view(
    report: Report, config: JobConfig, learnt: Learnt, layouts: Layouts, joined: Partial | None = None
) -> JobView:
    """The job's view of a report; `workers` of it holds everyone who sent something or is a member.

    `joined`, where workers' labels were joined with samples of others, is of the job alone.
    """
    presences = {presence.worker: presence for presence in sorted(report.presences, key=lambda p: p.worker)}
    frame = Frame(report.job, report.start, report.end, config, presences, {}, learnt, {})
    partials = {partial.worker: partial for partial in report.partials}
    for worker in sorted({*partials, *presences}):
        partial = partials.get(worker)
        layout = layouts.of(partial.names if partial else ())
        frame.workers[worker] = WorkerView(frame, worker, partial, layout)
    if joined is None:
        return JobView(frame)
    return JobView(frame, WorkerView(frame, "", joined, layouts.of(joined.names)))


def read_sketches(sketches: Sequence[Any]) -> list[Sketch]:
    """Sketches as records, also where a decoder that knew no better left them as plain sequences."""
    return [sketch if isinstance(sketch, Sketch) else _sketch(*sketch) for sketch in sketches]


def _sketch(kind: str, clock: Clock, name: str, entity: str, columns: Sequence[bytes]) -> Sketch:
    return Sketch(kind, clock, name, entity, tuple(columns))


def fsum_columns(parts: Sequence[Floats]) -> Floats:
    """The correctly rounded sum over parts, element by element; of shape [n].

    >>> fsum_columns([np.array([1e16, 1.0]), np.array([1.0, 2.0]), np.array([-1e16, 3.0])]).tolist()
    [1.0, 6.0]
    """
    return np.array([_fsum(column) for column in zip(*[part.tolist() for part in parts], strict=True)], np.float64)


def _fsum(column: Sequence[float]) -> float:
    try:
        return math.fsum(column)
    except OverflowError:
        return math.inf


def _spread(stat: Stat, entities: tuple[str, ...]) -> Stat:
    at = {entity: i for i, entity in enumerate(entities)}
    index = np.array([at[entity] for entity in stat.entities], np.int64)
    fills = (0.0, 0.0, 0.0, np.inf, -np.inf, 0.0)
    columns = []
    for column, fill in zip(stat[1:], fills, strict=True):
        wide = np.full(len(entities), fill)
        wide[index] = column
        columns.append(wide)
    return Stat(entities, *columns)
