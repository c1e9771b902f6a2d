"""Keras 3 on TensorFlow: norms of weights, gradients and updates, and dead units, computed inside the graph.

    model.fit(data, callbacks=[KerasTracer(tracer)])                       # three lines in all, with the tracer's two

    traced = KerasTracer(tracer).attach(model)                             # or, batch by batch
    traced.train_on_batch(x, y, ids=ids)

    summaries = Summaries(model.trainable_variables)                       # or, in a tf.function of one's own
    before = summaries.before(gradients)                                   #   ahead of the update
    packed = summaries.measure(before)                                     #   after it: one small tensor
    tracer.step(loss=loss, ids=ids, tensors=summaries.tensors(packed))

There are two compiled train functions: the model's own, untouched, and one that measures too, built when first needed
and used on the steps that are traced (every tenth by default). Off is the model's own function and one attribute test.
The measured one is never XLA-compiled; several replicas are not traced, the model then trains as without a tracer.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

import keras
import numpy as np
import tensorflow as tf

from streamgauge.tracer.frameworks.norms import Summaries
from streamgauge.tracer.frameworks.probes import Layout, Probes, relu_like
from streamgauge.tracer.selection import Entry
from streamgauge.tracer.tracer import Tensor, Tracer

__all__ = ["KerasTracer", "Summaries"]

LOG: Final = logging.getLogger("tracer")
T = TypeVar("T")


class KerasTracer(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback for `fit`; with `attach`, a wrapper for `train_on_batch`."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer
        self._attached: Any = None
        self._plain: Callable[[Any], Any] | None = None
        self._measured: Any = None
        self._layout: Layout | None = None
        self._selection: Any = None
        self._traced: set[Any] = set()  # shapes of batches that the measured function knows
        self._tensors: dict[str, Tensor] = {}
        self._loss = (0.0, 0.0)
        self._tracker: Any = None  # the model's mean loss

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
        self._attached, self._selection, self._tracker = model, None, None
        if model.distribute_strategy.num_replicas_in_sync > 1:
            LOG.warning("tensors of a model with several replicas are not traced (streamgauge.tracer.frameworks.keras)")
            return self
        model.train_function = self._dispatch
        self.tracer.list_tensors(_entries(model))
        return self

    def detach(self) -> None:
        """Give the model its own train function back."""
        model, self._attached = self._attached, None
        if model is not None and model.train_function == self._dispatch:
            model.train_function = self._plain

    def on_train_begin(self, logs: Any = None) -> None:
        """`fit` begins."""
        self.attach(self.model)
        self._loss = (0.0, 0.0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """One batch of `fit` is done."""
        if self.tracer.is_on:
            loss, rows = self._harmless(self._batch_loss) or (None, 0)
            self.tracer.step(loss=loss, rows=rows, tensors=self.take_tensors())
        else:
            self.tracer.step()  # a step boundary all the same: `off` may end here

    def on_train_end(self, logs: Any = None) -> None:
        """`fit` is over."""
        self.detach()

    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **step: Any) -> Any:
        """`model.train_on_batch` and `Tracer.step` in one; `step` is what else that takes: `ids`, `predictions`, ..."""
        model = self.attach(self._attached)._attached
        logs = model.train_on_batch(x, y, sample_weight=sample_weight)
        if not self.tracer.is_on:
            self.tracer.step()
            return logs
        rows = self._harmless(_batch_rows, x)
        given = {"rows": rows, "labels": y if "ids" in step else None, "weights": sample_weight}
        loss = logs[0] if isinstance(logs, (list, tuple)) else logs  # Keras lists the loss first
        self.tracer.step(loss=loss, tensors=self.take_tensors(), **(given | step))
        return logs

    def take_tensors(self) -> dict[str, Tensor]:
        """What the last step measured, once: for a loop that calls `Tracer.step` itself."""
        tensors, self._tensors = self._tensors, {}
        return tensors

    def _dispatch(self, iterator: Any) -> Any:
        """The model's train function: its own one, but for the steps that are traced."""
        assert self._plain is not None
        if not self.tracer.is_due:
            return self._plain(iterator)
        if self._selection is not self.tracer.selection:
            self._build()
        if self._measured is None:
            return self._plain(iterator)
        data = next(iterator)
        if not self._is_traceable(data):
            return self._plain(iter([data]))
        logs, probes = self._measured(data)
        for _ in range(self._attached.steps_per_execution - 1):
            data = next(iterator, None)
            if data is None:
                break
            logs, probes = self._measured(data)
        self._harmless(self._read, probes)
        return logs

    def _build(self) -> None:
        """Prepare the measured function for what is selected now; it is traced with its first batch."""
        model, self._selection, self._traced = self._attached, self.tracer.selection, set()

        def step(data: Any) -> Any:
            probes = Probes(model, self._selection)
            with probes.patched():
                logs = model.train_step(data)
            self._layout = probes.layout
            return logs, probes.outputs()

        self._measured = step if model.run_eagerly else tf.function(step, reduce_retracing=True)

    def _is_traceable(self, data: Any) -> bool:
        """Whether the measured function can be built for this batch; a fault here must not cost the batch."""
        shapes = tuple((np.shape(part), getattr(part, "dtype", None)) for part in tf.nest.flatten(data))
        if self._attached.run_eagerly or shapes in self._traced:
            return True
        try:
            self._measured.get_concrete_function(data)
            self._traced.add(shapes)
        except Exception as error:
            LOG.warning("tensors are not traced: %s: %s (tracer.frameworks.keras)", type(error).__name__, error)
            self._measured = None
            return False
        return True

    def _harmless(self, read: Callable[..., T], *arguments: Any) -> T | None:
        """What an adapter reads beside the training must not break it."""
        try:
            return read(*arguments)
        except Exception as error:
            self.tracer.fault("keras", error)
            return None

    def _read(self, probes: Any) -> None:
        packed, units, rows, raw = probes
        layout = self._layout
        if layout is None:
            return
        tensors = layout.summaries.tensors(packed.numpy()) if layout.summaries else {}
        counts, at = units.numpy(), 0
        for (name, width), n in zip(layout.units, rows.numpy().tolist(), strict=True):
            tensors[name] = Tensor(positives=counts[at : at + width], rows=n, nonfinite=0)
            at += width
        for (collection, name), array in zip(layout.raw, raw, strict=True):
            if self.tracer.takes_raw(collection, name):  # type: ignore[arg-type]
                self.tracer.raw(collection, name, array.numpy())  # type: ignore[arg-type]
        self._tensors = tensors

    def _batch_loss(self) -> tuple[float | None, int]:
        """Mean loss and rows of the last batch, from what the model's loss tracker gained."""
        if self._tracker is None:
            means = (m for m in self._attached.metrics if isinstance(m, keras.metrics.Mean) and m.name == "loss")
            self._tracker = next(means, None)
        mean = self._tracker
        if mean is None:
            return None, 0
        total, count = float(mean.total), float(mean.count)
        before = self._loss if count > self._loss[1] else (0.0, 0.0)  # an epoch began: it was reset
        self._loss = (total, count)
        rows = count - before[1]
        return ((total - before[0]) / rows if rows else None), round(rows)


def _batch_rows(x: Any) -> int:
    """Rows of a batch: the length of its first part."""
    while isinstance(x, (dict, list, tuple)):
        x = next(iter(x.values() if isinstance(x, dict) else x))
    return len(x)


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
