"""Keras 3 on TensorFlow: norms of weights, gradients and updates, and dead units, computed inside the graph.

    model.fit(data, callbacks=[KerasTracer(tracer)])                       # three lines in all, with the tracer's two

    traced = KerasTracer(tracer).attach(model)                             # or, batch by batch
    traced.train_on_batch(x, y, ids=ids)

    summaries = Summaries(model.trainable_variables)                       # or, in a tf.function of one's own
    before = summaries.before(gradients)                                   #   ahead of the update
    packed = summaries.measure(before)                                     #   after it: one small tensor
    tracer.step(loss=loss, ids=ids, tensors=summaries.tensors(packed))

A step is one update of the weights. There are three train functions: the model's own, untouched, which runs while the
tracer is off; one that returns each step's own loss and rows, too; and one that also measures, built when first needed
and used on the steps that are traced (every tenth by default), never XLA-compiled. With several steps an execution each
of them counts, and one that holds a traced step runs batch by batch. Tensors of several replicas are not traced.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import keras
import numpy as np
import tensorflow as tf

from streamgauge.tracer.frameworks.keras.norms import Summaries
from streamgauge.tracer.frameworks.keras.outcomes import Outcome, Watch
from streamgauge.tracer.frameworks.keras.outside import relu_like
from streamgauge.tracer.frameworks.keras.probes import Layout, Probes, chosen_of
from streamgauge.tracer.selection import Entry, Selection
from streamgauge.tracer.tracer import Tensor, Tracer

__all__ = ["KerasTracer", "Summaries"]

LOG: Final = logging.getLogger(__name__)
T = TypeVar("T")


class KerasTracer(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback for `fit`; with `attach`, a wrapper for `train_on_batch`."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer
        self._attached: Any = None
        self._plain: Callable[[Any], Any] | None = None
        self._watch: Watch | None = None
        self._watched: Any = None
        self._measured: Any = None
        self._layout: Layout | None = None
        self._selection: Any = None
        self._known: set[Any] = set()  # shapes of batches that the measured function knows
        self._done: list[tuple[Outcome, Any]] = []  # of the last execution, by batch: what it did, what was measured
        self._tensors: dict[str, Tensor] = {}
        self._is_fitting = False
        self._ended = math.nan  # when the last execution did

    def attach(self, model: Any) -> KerasTracer:
        """Trace a compiled model from now on; again after each `compile`. A tracer that is off leaves it alone."""
        if self.tracer.is_closed:
            self._attached = model
            return self
        if model is self._attached and model.train_function == self._dispatch:
            return self
        model.make_train_function()
        if model.train_function != self._dispatch:
            self._plain = model.train_function
        self._attached, self._selection, self._watched = model, None, None
        self._watch = Watch(model, self._replicas)
        if self._replicas > 1:
            LOG.warning("tensors of a model with several replicas are not traced (streamgauge.tracer.frameworks.keras)")
        else:
            self.tracer.tensors.declare(_entries(model))
        traits = self.tracer.tensors.traits
        traits.rebuilds, traits.has_collectives = self._rebuilds, self._replicas > 1
        model.train_function = self._dispatch
        return self

    def detach(self) -> None:
        """Give the model its own train function back."""
        model, self._attached = self._attached, None
        if model is not None and model.train_function == self._dispatch:
            model.train_function = self._plain

    def on_train_begin(self, logs: Any = None) -> None:
        """`fit` begins. Its batches need no hook: the train function tells them, and Keras may run others aside."""
        self.attach(self.model)
        self._is_fitting = True
        self._ended = math.nan

    def on_train_end(self, logs: Any = None) -> None:
        """`fit` is over."""
        self._is_fitting = False
        self.detach()

    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **step: Any) -> Any:
        """`model.train_on_batch` and `Tracer.step` in one; `step` is what else that takes: `ids`, `predictions`, ..."""
        model = self.attach(self._attached)._attached
        logs = model.train_on_batch(x, y, sample_weight=sample_weight)
        if not self.tracer.is_on:
            self.tracer.step()
            return logs
        given = {"labels": y if "ids" in step else None, "weights": sample_weight}
        for outcome, tensors in self._told():
            told = {"loss": outcome.loss, "rows": outcome.rows} | given | step
            self.tracer.step(
                tensors=tensors, skipped=outcome.is_skipped, updated=not outcome.is_accumulated, **told
            )  # fmt: skip
        return logs

    def take_tensors(self) -> dict[str, Tensor]:
        """What the last step measured, once: for a loop that calls `Tracer.step` itself."""
        for _, tensors in self._told():
            self._tensors = tensors
        tensors, self._tensors = self._tensors, {}
        return tensors

    def _dispatch(self, iterator: Any) -> Any:
        """The model's train function: its own one while the tracer is off, else one that says what it did."""
        assert self._plain is not None
        if not self.tracer.is_on:
            logs = self._plain(iterator)
            if self._is_fitting:
                self.tracer.step()  # a step boundary all the same: `off` may end here
            return logs
        due = self._replicas == 1 and any(self.tracer.tensors.due_steps(self._attached.steps_per_execution))
        if due and self._selection is not self.tracer.selection:
            self._build()
        traits, began = self.tracer.tensors.traits, time.thread_time()
        logs = self._trace(iterator) if due and self._measured is not None else self._run(iterator)
        traits.first_build = traits.first_build or time.thread_time() - began
        if self._is_fitting:
            self._tell()
        return logs

    def _run(self, iterator: Any) -> Any:
        """Some steps whose tensors nobody wants."""
        assert self._watch is not None
        if self._watched is None:
            self._watched = self._watch.build()
        logs, outcomes = self._watch.read(self._watched(iterator))
        self._done = [(outcome, None) for outcome in outcomes]
        return logs

    def _trace(self, iterator: Any) -> Any:
        """The same steps one by one, measured."""
        assert self._watch is not None
        data, done, logs = _present(next(iterator)), list[tuple[Outcome, Any]](), None
        for left in range(self._attached.steps_per_execution, 0, -1):
            if not self._is_traceable(data):
                logs = self._run(iter([data]))
                done += self._done
            else:
                logs, probes = self._measured(data)
                logs, outcomes = self._watch.read(logs)
                done += [(outcome, probes) for outcome in outcomes]
            data = next(iterator, None) if left > 1 else None
            if data is None:
                break
            data = _present(data)
        self._done = done
        return logs

    def _tell(self) -> None:
        """What `fit` did since the last time, as steps of the tracer."""
        now, count = time.perf_counter(), len(self._done)
        seconds = (now - self._ended) / count if count > 1 and self.tracer.tensors.keeps_time else None
        self._ended = now
        for outcome, tensors in self._told():
            self.tracer.step(
                loss=outcome.loss, rows=outcome.rows, tensors=tensors, seconds=seconds, skipped=outcome.is_skipped,
                updated=not outcome.is_accumulated,
            )  # fmt: skip

    def _told(self) -> Iterator[tuple[Outcome, dict[str, Tensor]]]:
        """The outcomes of the last execution, once, each with the tensors that were measured where they are wanted."""
        done, self._done = self._done, []
        for outcome, probes in done:
            is_read = probes is not None and not outcome.is_accumulated and self.tracer.tensors.is_due
            yield outcome, (self._harmless(self._read, probes, outcome.is_skipped) or {}) if is_read else {}

    def _build(self) -> None:
        """Prepare the measured function for what is selected now; it is traced with its first batch."""
        model, self._selection, self._known = self._attached, self.tracer.selection, set()
        watch = self._watch
        assert watch is not None

        def step(data: Any) -> Any:
            probes = Probes(model, self._selection)
            with probes.patched():
                logs = watch.step(data)
            self._layout = probes.layout
            return logs, probes.outputs()

        self._measured = step if model.run_eagerly else tf.function(step, reduce_retracing=True, autograph=False)

    def _rebuilds(self, now: Selection, then: Selection) -> bool:
        """Whether another measured function is built: another set of tensors, whatever their steps."""
        model = self._attached
        if model is None or model.run_eagerly or self._replicas > 1:
            return False
        sets = [chosen_of(model, selection) for selection in (now, then)]
        return bool(sets[1]) and sets[0] != sets[1]

    def _is_traceable(self, data: Any) -> bool:
        """Whether the measured function can be built for this batch; a fault here must not cost the batch."""
        if self._measured is None:
            return False
        shapes = tuple((np.shape(part), getattr(part, "dtype", None)) for part in tf.nest.flatten(data))
        if self._attached.run_eagerly or shapes in self._known:
            return True
        try:
            self._measured.get_concrete_function(data)
            self._known.add(shapes)
        except Exception as error:
            LOG.warning("tensors are not traced: %s: %s (tracer.frameworks.keras)", type(error).__name__, error)
            self.tracer.faults.count("keras", error)
            self._measured = None
            return False
        return True

    def _harmless(self, read: Callable[..., T], *arguments: Any) -> T | None:
        """What an adapter reads beside the training must not break it."""
        try:
            return read(*arguments)
        except Exception as error:
            self.tracer.faults.count("keras", error)
            return None

    def _read(self, probes: Any, is_skipped: bool) -> dict[str, Tensor]:
        packed, units, rows, raw = probes
        layout = self._layout
        if layout is None:
            return {}
        tensors = layout.summaries.tensors(packed.numpy())
        if is_skipped:  # its gradient is none, and nothing was updated
            tensors = {name: Tensor(weight=tensor.weight) for name, tensor in tensors.items()}
        counts, at, outputs = units.numpy(), 0, dict[str, Tensor]()
        for (name, width), (n, bad) in zip(layout.units, rows.numpy().tolist()):
            outputs[name] = Tensor(positives=counts[at : at + width], rows=n, nonfinite=bad)
            at += width
        for (collection, name), array in zip(layout.raw, raw):
            if self.tracer.tensors.takes_raw(collection, name):  # type: ignore[arg-type]
                self.tracer.tensors.raw(collection, name, array.numpy())  # type: ignore[arg-type]
        return outputs | tensors  # in the order in which they are computed

    @property
    def _replicas(self) -> int:
        return int(self._attached.distribute_strategy.num_replicas_in_sync) if self._attached is not None else 1


def _present(data: Any) -> Any:
    """A batch as Keras hands it to the train step: what is absent is None."""
    return tf.nest.map_structure(lambda part: None if isinstance(part, tf.experimental.Optional) else part, data)


def _entries(model: Any) -> list[Entry]:
    """What of a model can be traced."""
    entries = [
        Entry(name=v.path, collection=collection, shape=tuple(v.shape), dtype=str(v.dtype), bytes=_bytes(v))
        for v in model.trainable_variables
        for collection in ("weights", "gradients", "updates")
    ]
    return entries + [Entry(name=name, collection="activations") for _, name in relu_like(model)]


def _bytes(variable: Any) -> int:
    return int(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size)
