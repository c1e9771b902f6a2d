"""Metrics of each head of a multi-task model: the same function over what one head has of a window.

What a head sends has the entity `task:NAME`, or `task:NAME/...` for what has an entity of its own; a view of one head
has the same under the bare names, so a metric needs to know nothing of heads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Presence, Stat, Values, View
from streamgauge.tracer.heads import ROWS
from streamgauge.tracer.records import Clock
from streamgauge.tracer.tasks import entity_of

T = TypeVar("T")
Compute = Callable[[View], Values]
_PREFIX: Final = entity_of("")


def per_task(compute: Compute) -> Compute:
    """The metric of the job's own labels, and of each other head."""

    def computed(view: View) -> Values:
        tasks = tasks_of(view)
        if not tasks:
            return compute(view)
        return _joined([(task, compute(TaskView(view, task))) for task in ("", *tasks)])

    return computed


def tasks_of(view: View) -> Sequence[str]:
    """The heads that said something in the window, and the declared ones; sorted."""
    seen = {entity.removeprefix(_PREFIX) for entity in view.stat("train", ROWS).entities}
    declared = {task.name for task in view.config.tasks}
    return sorted(seen | declared) if seen or declared else ()


def is_of_task(entity: str) -> bool:
    """Whether an entity is a head, or something of one.

    >>> is_of_task("task:cvr/slice:new"), is_of_task("slice:new")
    (True, False)
    """
    return entity.startswith(_PREFIX)


class TaskView:
    """What one head has of a view; task "": what the job's own labels have."""

    def __init__(self, view: View, task: str) -> None:
        self._view, self._task = view, entity_of(task) if task else ""
        self.job, self.worker = view.job, view.worker
        self.start, self.end, self.length = view.start, view.end, view.length
        self.config = config_of(view.config, task)
        self.workers: Mapping[str, View] = view.workers
        self.presences: Mapping[str, Presence] = view.presences

    def stat(self, clock: Clock, name: str) -> Stat:
        """The folded points of the head."""
        stat = self._view.stat(clock, name)
        inner = [self._inner(entity) for entity in stat.entities]
        if all(entity is not None for entity in inner) and not self._task:
            return stat
        kept = np.array([entity is not None for entity in inner], bool)
        columns = (column[kept] for column in stat[1:])
        return Stat(tuple(entity for entity in inner if entity is not None), *columns)

    def total(self, clock: Clock, name: str) -> float:
        """Sum of an additive quantity of the head itself."""
        stat = self._view.stat(clock, name)
        return float(stat.total[stat.entities.index(self._task)]) if self._task in stat.entities else 0.0

    def sketches(self, kind: type[T], clock: Clock, name: str) -> Mapping[str, T]:
        """Merged summaries of the head by entity."""
        found = self._view.sketches(kind, clock, name)
        inner = {self._inner(entity): one for entity, one in found.items()}
        return {entity: one for entity, one in inner.items() if entity is not None}

    def reference(self, kind: type[T], clock: Clock, name: str, entity: str) -> T | None:
        """The same summary merged over the reference windows."""
        return self._view.reference(kind, clock, name, self.outer(entity))

    def known(self, clock: Clock, name: str) -> Sequence[str]:
        """The entities of the head that the reference holds summaries of."""
        inner = [self._inner(entity) for entity in self._view.known(clock, name)]
        return [entity for entity in inner if entity is not None]

    def memory(self, name: str, entity: str) -> Any:
        """A memory of the head."""
        return self._view.memory(name, self.outer(entity))

    def shared(self, name: str, make: Callable[[View], T]) -> T:
        """What `make` gives, once for all views of the head in the window."""
        return self._view.shared(f"{self._task}|{name}", lambda view: make(self))

    def outer(self, entity: str) -> str:
        """How an entity of the head is called outside of it."""
        return _outer(self._task, entity)

    def _inner(self, entity: str) -> str | None:
        """How it is called here, None for one that is not of the head."""
        if not self._task:
            return None if is_of_task(entity) else entity
        if entity == self._task:
            return ""
        prefix = f"{self._task}/"
        return entity.removeprefix(prefix) if entity.startswith(prefix) else None


def config_of(config: JobConfig, task: str) -> JobConfig:
    """The job's configuration with the labels of one head in place of its own."""
    labels = next((one.labels for one in config.tasks if one.name == task), None)
    return config if labels is None else msgspec.structs.replace(config, labels=labels)


def _outer(task: str, entity: str) -> str:
    return f"{task}/{entity}" if task and entity else task or entity


def _joined(found: Sequence[tuple[str, Values]]) -> Values:
    named = [(entity_of(task) if task else "", values) for task, values in found]
    entities = tuple(_outer(task, entity) for task, values in named for entity in values.entities)
    return Values(entities, *(np.concatenate(columns) for columns in zip(*(v[1:] for _, v in named), strict=True)))
