"""Keras 3 on TensorFlow: norms of weights, gradients and updates, and dead units, computed inside the graph.

    model.fit(data, callbacks=[KerasTracer(tracer)])                       # three lines in all, with the tracer's two

    traced = KerasTracer(tracer).attach(model)                             # or, batch by batch
    traced.train_on_batch(x, y, ids=ids)

    summaries = Summaries(model.trainable_variables)                       # or, in a tf.function of one's own
    before = summaries.before(gradients)                                   #   ahead of the update
    packed = summaries.measure(gradients, before)                          #   after it: one small tensor
    tracer.step(loss=loss, ids=ids, tensors=summaries.tensors(packed))

There are two compiled train functions: the model's own, untouched, and one that measures too, built when first needed
and used on the steps that are traced (every tenth by default). Off is the model's own function and one attribute test.
The measured one is never XLA-compiled; several replicas are not traced, the model then trains as without a tracer.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import keras
import tensorflow as tf

from tracer.frameworks.norms import Summaries, part_of, summed, touched_rows
from tracer.selection import Entry
from tracer.tracer import Tensor, Tracer

LOG: Final = logging.getLogger("tracer")
ACTIVATION_ROWS: Final = 64  # rows of a batch are alike: 64 of them tell as much at a fraction of the cost
RELU_LIKE: Final = frozenset({"relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "prelu"})


class Layout(NamedTuple):
    """What the measured train function returns beside the logs, in order."""

    summaries: Summaries | None
    units: list[tuple[str, int]]  # layer and its units
    raw: list[tuple[str, str]]  # (collection, name)


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
        self._tensors: dict[str, Tensor] = {}
        self._loss = (0.0, 0.0)

    def attach(self, model: Any) -> KerasTracer:
        """Trace a compiled model from now on; again after each `compile`."""
        if model is self._attached and model.train_function == self._dispatch:
            return self
        model.make_train_function()
        if model.train_function != self._dispatch:
            self._plain = model.train_function
        self._attached, self._selection = model, None
        if model.distribute_strategy.num_replicas_in_sync > 1:
            LOG.warning("tensors of a model with several replicas are not traced (tracer.frameworks.keras)")
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
        loss, rows = self._batch_loss()
        self.tracer.step(loss=loss, rows=rows, tensors=self.take_tensors())

    def on_train_end(self, logs: Any = None) -> None:
        """`fit` is over."""
        self.detach()

    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **step: Any) -> Any:
        """`model.train_on_batch` and `Tracer.step` in one; `step` is what else that takes: `ids`, `predictions`, ..."""
        model = self.attach(self._attached)._attached
        logs = model.train_on_batch(x, y, sample_weight=sample_weight)
        self._loss = (0.0, 0.0)  # train_on_batch resets the metrics
        loss, rows = self._batch_loss()
        given = {"rows": rows, "labels": y if "ids" in step else None, "weights": sample_weight}
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
        self._read(probes)
        return logs

    def _build(self) -> None:
        """Prepare the measured function for what is selected now; it is traced with its first batch."""
        model, self._selection = self._attached, self.tracer.selection

        def step(data: Any) -> Any:
            probes = _Probes(model, self._selection)
            with probes.patched():
                logs = model.train_step(data)
            self._layout = probes.layout
            return logs, probes.outputs()

        self._measured = step if model.run_eagerly else tf.function(step, reduce_retracing=True)

    def _is_traceable(self, data: Any) -> bool:
        """Whether the measured function can be built for this batch; a fault here must not cost the batch."""
        if self._attached.run_eagerly:
            return True
        try:
            self._measured.get_concrete_function(data)
        except Exception as error:
            LOG.warning("tensors are not traced: %s: %s (tracer.frameworks.keras)", type(error).__name__, error)
            self._measured = None
            return False
        return True

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
        mean = next((m for m in self._attached.metrics if isinstance(m, keras.metrics.Mean) and m.name == "loss"), None)
        if mean is None:
            return None, 0
        total, count = float(mean.total), float(mean.count)
        before = self._loss if count > self._loss[1] else (0.0, 0.0)  # an epoch began: it was reset
        self._loss = (total, count)
        rows = count - before[1]
        return ((total - before[0]) / rows if rows else None), round(rows)


class _Probes:
    """What is recorded while one train step is traced."""

    def __init__(self, model: Any, selection: Any) -> None:
        self._model = model
        self._selection = selection
        self._packed: Any = tf.zeros((0, 5))
        self._summaries: Summaries | None = None
        self._units: list[tuple[str, Any, Any]] = []
        self._raw: list[tuple[str, str, Any]] = []
        self._graph: Any = None

    @property
    def layout(self) -> Layout:
        units = [(name, int(positives.shape[0])) for name, positives, _ in self._units]
        return Layout(self._summaries, units, [(collection, name) for collection, name, _ in self._raw])

    def outputs(self) -> Any:
        """Packed norms, units end to end, their rows, raw tensors."""
        units = tf.concat([positives for _, positives, _ in self._units] or [tf.zeros(0, tf.int32)], axis=0)
        rows = tf.stack([n for _, _, n in self._units]) if self._units else tf.zeros(0, tf.int32)
        return self._packed, units, rows, [tensor for _, _, tensor in self._raw]

    @contextmanager
    def patched(self) -> Iterator[None]:
        """The optimizer and the layers of interest, wrapped as long as the step is traced."""
        self._graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        wrapped = [(self._model.optimizer, "apply", self._applying(self._model.optimizer.apply))]
        for layer, name in _relu_like(self._model):
            if self._selection.covers("activations", name):
                wrapped.append((layer, "call", self._calling(layer.call, name)))
        for target, attribute, function in wrapped:
            object.__setattr__(target, attribute, function)  # past Keras's own attribute tracking
        try:
            yield
        finally:
            for target, attribute, _ in wrapped:
                object.__delattr__(target, attribute)

    def _applying(self, apply: Callable[..., Any]) -> Callable[..., Any]:
        def measured(grads: Sequence[Any], trainable_variables: Any = None) -> Any:
            variables = list(self._model.trainable_variables if trainable_variables is None else trainable_variables)
            pairs = zip(variables, grads, strict=True)
            chosen = [(v, g) for v, g in pairs if g is not None and self._is_chosen(v.path)]
            summaries, gradients = Summaries([v for v, _ in chosen]), [_unscaled(g, self._model) for _, g in chosen]
            before = summaries.before(gradients)
            result = apply(grads, variables)
            if chosen:
                self._summaries, self._packed = summaries, summaries.measure(gradients, before)
                self._keep_raw(chosen, gradients, before)
            return result

        return measured

    def _calling(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            output = call(*arguments, **options)
            inside = self._graph is None or getattr(output, "graph", None) is self._graph
            if inside and not any(known == name for known, _, _ in self._units) and output.shape[-1]:
                sample = tf.reshape(output[:ACTIVATION_ROWS], (-1, output.shape[-1]))
                positives = tf.math.count_nonzero(sample > 0, axis=0, dtype=tf.int32)
                self._units.append((name, positives, tf.shape(sample)[0]))
            return output

        return counted

    def _is_chosen(self, name: str) -> bool:
        collections = ("weights", "gradients", "updates")
        return any(self._selection.covers(c, name, emit) for c in collections for emit in ("stats", "raw"))

    def _keep_raw(self, chosen: list[tuple[Any, Any]], gradients: Sequence[Any], before: Sequence[Any]) -> None:
        for (variable, _), gradient, old in zip(chosen, gradients, before, strict=True):
            rows, weight = touched_rows(gradient), variable.value
            found: dict[str, Callable[[], Any]] = {
                "weights": functools.partial(tf.convert_to_tensor, weight),
                "gradients": functools.partial(summed, gradient),
                "updates": functools.partial(_difference, variable, rows, old),
            }
            for collection, tensor in found.items():
                if self._selection.covers(collection, variable.path, "raw"):
                    self._raw.append((collection, variable.path, tensor()))


def _difference(variable: Any, rows: Any, old: Any) -> Any:
    return part_of(variable, rows) - old


def _entries(model: Any) -> list[Entry]:
    """What of a model can be traced."""
    entries = [
        Entry(name=v.path, collection=collection, shape=tuple(v.shape), dtype=str(v.dtype), bytes=_bytes(v))
        for v in model.trainable_variables
        for collection in ("weights", "gradients", "updates")
    ]
    return entries + [Entry(name=name, collection="activations") for _, name in _relu_like(model)]


def _relu_like(model: Any) -> list[tuple[Any, str]]:
    """Layers that end in something like a ReLU, by their path."""
    found = []
    for layer in _layers(model):
        activation = getattr(layer, "activation", None)
        kind = type(layer).__name__.lower().replace("leakyrelu", "leaky_relu")
        if {getattr(activation, "__name__", ""), kind} & RELU_LIKE:
            found.append((layer, layer.path))
    return found


def _layers(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)


def _bytes(variable: Any) -> int:
    return int(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size)


def _unscaled(gradient: Any, model: Any) -> Any:
    scale = getattr(model.optimizer, "dynamic_scale", None)
    if scale is None:
        return gradient
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values / scale.value, gradient.indices, gradient.dense_shape)
    return gradient / scale.value
