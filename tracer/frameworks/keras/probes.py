"""What is recorded while Keras traces one train step: norms around the optimizer, positive activations, raw tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import tensorflow as tf

from streamgauge.tracer.frameworks.keras.norms import Summaries, change_of, part_of
from streamgauge.tracer.frameworks.keras.outcomes import accumulates, optimizers_of
from streamgauge.tracer.frameworks.keras.outside import inner_of, patched, relu_like
from streamgauge.tracer.selection import Collection, Emit

ACTIVATION_ROWS: Final = 64  # rows of a batch are alike: 64 of them tell as much at a fraction of the cost
_COLLECTIONS: Final[tuple[Collection, ...]] = ("weights", "gradients", "updates")
_EMITS: Final[tuple[Emit, ...]] = ("stats", "raw")


class Layout(NamedTuple):
    """What the measured train function returns beside the logs, in order."""

    summaries: Summaries
    units: list[tuple[str, int]]  # layer and its units
    raw: list[tuple[str, str]]  # (collection, name)


class Probes:
    """What is recorded while one train step is traced."""

    def __init__(self, model: Any, selection: Any) -> None:
        self._model = model
        self._selection = selection
        self._measured: list[tuple[list[Any], Any]] = []  # variables of one optimizer's update, their packed norms
        self._units: list[tuple[str, Any, Any]] = []  # layer, positives by unit, [rows, values that are not finite]
        self._raw: list[tuple[str, str, Any]] = []
        self._graph: Any = None

    @property
    def layout(self) -> Layout:
        """What `outputs` holds, known once the step is traced."""
        units = [(name, int(positives.shape[0])) for name, positives, _ in self._units]
        variables = [variable for chosen, _ in self._measured for variable in chosen]
        return Layout(Summaries(variables), units, [(collection, name) for collection, name, _ in self._raw])

    def outputs(self) -> Any:
        """Packed norms, units end to end, their rows and non-finite values, raw tensors."""
        units = tf.concat([positives for _, positives, _ in self._units] or [tf.zeros(0, tf.int32)], axis=0)
        rows = tf.stack([n for _, _, n in self._units]) if self._units else tf.zeros((0, 2), tf.int32)
        packed = tf.concat([norms for _, norms in self._measured] or [tf.zeros((0, 5))], axis=0)
        return packed, units, rows, [tensor for _, _, tensor in self._raw]

    @contextmanager
    def patched(self) -> Iterator[None]:
        """The optimizer and the layers of interest, wrapped as long as the step is traced."""
        self._graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        wrapped: list[Any] = [
            (optimizer, "apply", self._applying(optimizer, optimizer.apply)) for optimizer in optimizers_of(self._model)
        ]
        for layer, name in relu_like(self._model):
            if self._selection.covers("activations", name):
                wrapped.append((layer, "call", self._calling(layer.call, name)))
        with patched(wrapped):
            yield

    def _applying(self, optimizer: Any, apply: Callable[..., Any]) -> Callable[..., Any]:
        def measured(grads: Sequence[Any], trainable_variables: Any = None) -> Any:
            grads = list(grads)
            variables = list(self._model.trainable_variables if trainable_variables is None else trainable_variables)
            pairs = zip(variables, grads)
            chosen = [(v, g) for v, g in pairs if g is not None and self._is_chosen(v.path)]
            gradients = [_effective(gradient, variable, optimizer) for variable, gradient in chosen]
            summaries = Summaries([v for v, _ in chosen])
            before = summaries.before(gradients)
            whole = [
                (variable, change_of(variable, gradient, sampled=False))
                for (variable, _), gradient in zip(chosen, gradients)
                if any(self._selection.covers(c, variable.path, "raw") for c in _COLLECTIONS)
            ]
            result = apply(grads, variables)
            if chosen:
                self._measured.append(([v for v, _ in chosen], summaries.measure(before)))
                self._keep_raw(whole)
            return result

        return measured

    def _calling(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            output = call(*arguments, **options)
            inside = self._graph is None or getattr(output, "graph", None) is self._graph
            if inside and not any(known == name for known, _, _ in self._units) and output.shape[-1]:
                sample = tf.reshape(output[:ACTIVATION_ROWS], (-1, output.shape[-1]))
                positives = tf.math.count_nonzero(sample > 0, axis=0, dtype=tf.int32)
                bad = tf.size(sample) - tf.math.count_nonzero(tf.math.is_finite(sample), dtype=tf.int32)
                self._units.append((name, positives, tf.stack([tf.shape(sample)[0], bad])))
                if self._selection.covers("activations", name, "raw"):
                    self._raw.append(("activations", name, output[:ACTIVATION_ROWS]))
            return output

        return counted

    def _is_chosen(self, name: str) -> bool:
        return any(self._selection.covers(c, name, emit) for c in _COLLECTIONS for emit in _EMITS)

    def _keep_raw(self, changes: Sequence[tuple[Any, Any]]) -> None:
        """Raw tensors that are asked for; what is not asked for is never computed."""
        for variable, change in changes:
            found: dict[str, Callable[[], Any]] = {
                "weights": functools.partial(tf.convert_to_tensor, variable.value),
                "gradients": functools.partial(tf.identity, change.gradient),
                "updates": functools.partial(_difference, variable, change),
            }
            for collection, tensor in found.items():
                if self._selection.covers(collection, variable.path, "raw"):
                    self._raw.append((collection, variable.path, tensor()))


def _difference(variable: Any, change: Any) -> Any:
    return part_of(variable, change.rows) - change.old


def chosen_of(model: Any, selection: Any) -> frozenset[tuple[str, str, str]]:
    """What a measured train step holds of a model: collection, name and form."""
    found = {(c, v.path, e) for v in model.trainable_variables for c in _COLLECTIONS for e in _EMITS}
    found |= {("activations", name, e) for _, name in relu_like(model) for e in _EMITS}
    return frozenset(one for one in found if selection.covers(*one))


def _effective(gradient: Any, variable: Any, optimizer: Any) -> Any:
    """What the optimizer is about to apply, before clipping: unscaled; the mean of the batches that it accumulated."""
    scale = getattr(optimizer, "dynamic_scale", None)
    scale = optimizer.loss_scale_factor if scale is None else scale.value
    if scale is not None:
        gradient = _map(gradient, lambda values: values / tf.cast(scale, values.dtype))
    every, inner = accumulates(optimizer), inner_of(optimizer)
    if every and getattr(inner, "_accumulated_gradients", None):
        kept = inner._accumulated_gradients[inner._get_variable_index(variable)]
        gradient = (tf.convert_to_tensor(gradient) + kept.value) / every
    return gradient


def _map(gradient: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(function(gradient.values), gradient.indices, gradient.dense_shape)
    return function(gradient)
