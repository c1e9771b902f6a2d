"""TensorFlow 1 sessions: a hook for a `MonitoredTrainingSession`, also of workers that share parameter servers.

    hook = TracerHook(tracer, loss=loss, labels=labels, predictions=predictions)   # tensors of the graph
    with tf.compat.v1.train.MonitoredTrainingSession(master=server.target, hooks=[hook]) as session: ...

A `session.run` that updates the weights is a step. Each distinct set of fetches costs the session a compilation and
1.1 to 1.5 MB for ever, so there are few: the job's own with what is told each step; that with the packed norms; either
of these with the raw tensors that the plans ask for. What is selected of the norms changes nothing in the session.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import tensorflow as tf

from streamgauge.tracer.frameworks.graph_probes import Group, Probes, tensors_of
from streamgauge.tracer.frameworks.graphs import has_collectives, reaches
from streamgauge.tracer.selection import Collection, Selection
from streamgauge.tracer.tracer import Tensor, Tracer

__all__ = ["TracerHook"]

MOST_SETS: Final = 24  # distinct sets of raw tensors in one session's life
Raw = tuple[Collection, str]


class TracerHook(tf.compat.v1.train.SessionRunHook):  # type: ignore[misc]
    """Tells a tracer what each training run of a session did.

    Args:
        tracer: the worker's.
        loss: the batch's mean loss, a tensor of the graph.
        labels, predictions, ids, weights: one row a sample, tensors; fetched each step.
        features: columns of the batch by name, tensors; given, the rows count as seen, labelled and trained on here.
        rows: samples of a batch, where none of the above tells it.
        chief: whether this worker tells of weights at the start; the others do where a plan asks them.
    """

    def __init__(
        self, tracer: Tracer, *, loss: Any = None, labels: Any = None, predictions: Any = None, ids: Any = None,
        weights: Any = None, features: Mapping[str, Any] | None = None, rows: int | None = None, chief: bool = True,
    ) -> None:  # fmt: skip
        self.tracer = tracer
        told = {"loss": loss, "labels": labels, "predictions": predictions, "ids": ids, "weights": weights}
        self._told = {name: tensor for name, tensor in told.items() if tensor is not None}
        if features is not None:
            self._told["features"] = dict(features)
        self._rows = rows
        self._chief = chief
        self._graph: Any = None
        self._probes: Probes | None = None
        self._known: dict[tuple[str, ...], tuple[Group, ...]] = {}  # by fetches: what they update
        self._selection: Selection | None = None
        self._stats: list[Raw] = []
        self._raw: tuple[Raw, ...] = ()
        self._sets: set[tuple[Raw, ...]] = set()
        self._running: tuple[Group, ...] = ()
        self._began = 0.0  # when the run that goes on did

    def begin(self) -> None:
        """The graph is whole: add the probes."""
        if self.tracer.is_closed:
            return
        try:
            self._graph = tf.compat.v1.get_default_graph()  # at a run it may be another one
            self._probes = Probes(self._graph)
            self.tracer.tensors.declare(self._probes.entries)
            traits = self.tracer.tensors.traits
            traits.rebuilds, traits.has_collectives = self._rebuilds, has_collectives(self._graph)
        except Exception as error:
            self._probes = None
            self.tracer.faults.count("tensorflow_v1", error)

    def before_run(self, run_context: Any) -> Any:
        """What to fetch beside the job's own."""
        self._running = ()
        if not self.tracer.is_on:
            return None
        self._began = time.thread_time()
        try:
            self._running = self._updated_by(run_context.original_args.fetches)
            return tf.compat.v1.train.SessionRunArgs(self._fetches(self._running)) if self._running else None
        except Exception as error:
            self.tracer.faults.count("tensorflow_v1", error)
            self._running = ()
            return None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """One run is done."""
        if not self._running or run_values.results is None:
            if self._is_step(run_context):
                self.tracer.step()  # a step boundary all the same: `off` may end here
            return
        traits = self.tracer.tensors.traits
        traits.first_build = traits.first_build or time.thread_time() - self._began
        try:
            self._step(run_values.results)
        except Exception as error:
            self.tracer.faults.count("tensorflow_v1", error)

    def _updated_by(self, fetches: Any) -> tuple[Group, ...]:
        """The groups whose updates a run of these fetches does, all of each."""
        if self._probes is None:
            return ()
        flat = [fetch for fetch in tf.nest.flatten(fetches) if fetch is not None]
        key = tuple(fetch if isinstance(fetch, str) else str(getattr(fetch, "name", id(fetch))) for fetch in flat)
        if key not in self._known:
            elements = map(self._graph.as_graph_element, flat)
            operations = [getattr(element, "op", element) for element in elements]
            wanted = set().union(*(group.updates for group in self._probes.groups))
            run = reaches(operations, wanted)
            self._known[key] = tuple(group for group in self._probes.groups if group.updates <= run)
        return self._known[key]

    def _fetches(self, groups: tuple[Group, ...]) -> dict[str, Any]:
        assert self._probes is not None
        fetches: dict[str, Any] = {"told": self._told}
        if not self.tracer.tensors.is_due:
            return fetches
        if self.tracer.selection is not self._selection:
            self._choose()
        if any(self.tracer.tensors.takes(*key) for key in self._stats):
            fetches["packed"] = [group.packed for group in groups]
            fetches["units"] = [list(unit[1:]) for unit in self._probes.units]
        if any(self.tracer.tensors.takes_raw(*key) for key in self._raw):
            names = {part.name for group in groups for part in group.parts}
            fetches["raw"] = [
                [tensor for _, tensor in self._probes.raw[key]]
                for key in self._raw
                if key[1] in names or key[0] == "activations"
            ]
        return fetches

    def _choose(self) -> None:
        """What the plans ask for now, in an order that does not depend on theirs."""
        assert self._probes is not None
        self._selection = selection = self.tracer.selection
        self._stats = [key for key in sorted(self._probes.raw) if selection.covers(*key)]
        raw = self._raw_of(selection)
        if raw and raw not in self._sets and len(self._sets) >= MOST_SETS:
            error = RuntimeError(f"a session keeps each set of fetches: {MOST_SETS} were traced raw, restart for more")
            self.tracer.faults.count("fetch_sets", error)
            raw = ()
        self._sets |= {raw} if raw else set()
        self._raw = raw

    def _raw_of(self, selection: Selection) -> tuple[Raw, ...]:
        keys = sorted(self._probes.raw) if self._probes is not None else []
        return tuple(key for key in keys if selection.covers(*key, "raw"))

    def _rebuilds(self, now: Selection, then: Selection) -> bool:
        """Whether the session compiles another set of fetches: statistics are all in one."""
        raw = self._raw_of(then)
        return bool(raw) and raw not in self._sets

    def _step(self, results: dict[str, Any]) -> None:
        told = dict(results["told"])
        tensors: dict[str, Tensor] = {}
        for group, packed in zip(self._running, results.get("packed", ())):
            tensors |= tensors_of(group, packed)
        assert self._probes is not None
        outputs = {
            name: Tensor(positives=positives, rows=int(rows), nonfinite=int(bad))
            for (name, *_), (positives, rows, bad) in zip(self._probes.units, results.get("units", ()))
        }
        if not self._chief and not self.tracer.selection.plans:
            tensors = {name: tensor._replace(weight=None) for name, tensor in tensors.items()}
        tensors = outputs | tensors  # in the order in which they are computed
        if "raw" in results:
            self._keep_raw(results["raw"])
        loss = told.pop("loss", None)
        self.tracer.step(loss=None if loss is None else float(np.mean(loss)), rows=self._rows, tensors=tensors, **told)

    def _keep_raw(self, fetched: list[list[Any]]) -> None:
        assert self._probes is not None
        names = {part.name for group in self._running for part in group.parts}
        keys = [key for key in self._raw if key[1] in names or key[0] == "activations"]
        for (collection, name), arrays in zip(keys, fetched):
            if self.tracer.tensors.takes_raw(collection, name):
                for (part, _), array in zip(self._probes.raw[collection, name], arrays):
                    self.tracer.tensors.raw(collection, part, array)

    def _is_step(self, run_context: Any) -> bool:
        try:
            return bool(self._updated_by(run_context.original_args.fetches))
        except Exception:
            return False
