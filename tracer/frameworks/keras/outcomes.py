"""What each step of a Keras model on TensorFlow says of itself: its own loss, its rows, whether it updated the weights.

Keras tells a running float32 mean of the epoch: one NaN makes all later ones NaN, from 2^24 rows on it stands still.
So the step's own values are returned beside the logs, under KEY; with several steps an execution, those of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from streamgauge.tracer.frameworks.keras.outside import KEY, inner_of, patched

APPLIED, ACCUMULATED, SKIPPED = 1.0, 0.0, -1.0
Patch = tuple[Any, str, Callable[..., Any]]


class Outcome(NamedTuple):
    """One batch that was trained on."""

    loss: float | None  # mean of the batch; None: the model has none that could be found
    rows: int
    state: float = APPLIED

    @property
    def is_skipped(self) -> bool:
        """Whether the optimizer refused the update: an infinite gradient under dynamic loss scaling."""
        return self.state == SKIPPED

    @property
    def is_accumulated(self) -> bool:
        """Whether the gradient was only kept for a later update."""
        return self.state == ACCUMULATED


class Watch:
    """A model's train step that says what it did."""

    def __init__(self, model: Any, replicas: int = 1) -> None:
        self._model = model
        self._step = model.train_step
        self._replicas = replicas
        self._size = max(1, int(model.steps_per_execution))
        self._told = 0  # outcomes read so far
        if self._size > 1:  # a loop in the graph returns its last outputs only
            self._ring = tf.Variable(tf.zeros((self._size, 3), tf.float64), trainable=False, name="streamgauge")
            self._count = tf.Variable(0.0, dtype=tf.float64, trainable=False, name="streamgauge_count")

    def build(self) -> Any:
        """The train function that Keras makes of the watched step; the model keeps its own."""
        model = self._model
        own = model.train_function
        with patched([(model, "train_step", self.step)]):
            model.make_train_function(force=True)
        made, model.train_function = model.train_function, own
        return made

    def step(self, data: Any) -> Any:
        """The model's train step; a fault of ours leaves its logs as they are."""
        seen = _Seen(self._model)
        with patched(seen.patches()):
            logs = self._step(data)
        try:
            return {**logs, KEY: self._history(seen.row(data, logs))}
        except Exception:  # while TensorFlow traces: nothing has run yet
            return logs

    def read(self, logs: Any) -> tuple[Any, list[Outcome]]:
        """The model's own logs, and the outcomes of the batches that the last execution trained on."""
        if not isinstance(logs, dict) or KEY not in logs:
            return logs, [Outcome(None, 0)]
        history = logs[KEY].numpy()
        own = {name: value for name, value in logs.items() if name != KEY}
        if self._size == 1:
            return own, [self._outcome(history[0])]
        count = int(history[0, 3])
        rows = [self._outcome(history[i % self._size]) for i in range(self._told, count)]
        self._told = count
        return own, rows

    def _history(self, row: Any) -> Any:
        if self._size == 1:
            return row[None]
        at = tf.cast(tf.math.floormod(self._count, self._size), tf.int32)
        self._ring.scatter_nd_update([[at]], row[None])
        self._count.assign_add(1.0)
        return tf.concat([self._ring, tf.fill((self._size, 1), self._count.read_value())], axis=1)

    def _outcome(self, row: Any) -> Outcome:
        loss, rows, state = (float(value) for value in row[:3])
        return Outcome(None if rows < 0 else loss, round(abs(rows)) * self._replicas, state)


class _Seen:
    """What was seen while one train step ran or was traced."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        self._means = [m for m in model.metrics if type(m) is keras.metrics.Mean and "loss" in m.name]
        self._tracked: dict[str, list[Any]] = {m.name: [] for m in self._means}
        self._computed: list[Any] = []
        self._states: list[Any] = []

    def patches(self) -> list[Patch]:
        """The loss, its mean, and the optimizers that may leave an update out."""
        found: list[Patch] = [(self._model, "compute_loss", self._computing(self._model.compute_loss))]
        found += [(mean, "update_state", self._tracking(mean.name, mean.update_state)) for mean in self._means]
        return found + [
            (optimizer, "apply", self._applying(optimizer, optimizer.apply))
            for optimizer in optimizers_of(self._model)
            if inner_of(optimizer) is not optimizer or accumulates(optimizer)
        ]

    def row(self, data: Any, logs: Any) -> Any:
        """[loss, rows, state] as float64; rows below 0 say that there is no loss."""
        found = [*self._tracked.get("loss", [])[-1:], *self._computed[-1:]]
        found += [kept[-1] for kept in self._tracked.values() if kept]
        if not found and "loss" in logs:  # no mean was updated, so it is the step's own
            found = [logs["loss"]]
        rows = tf.cast(_rows_of(data), tf.float64)
        state = tf.reduce_max(tf.stack(self._states)) if self._states else tf.constant(APPLIED, tf.float64)
        loss = tf.cast(tf.reduce_mean(found[0]), tf.float64) if found else tf.constant(0.0, tf.float64)
        return tf.stack([loss, rows if found else -rows, state])

    def _computing(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            loss = compute(*arguments, **options)
            self._keep(self._computed, lambda: tf.convert_to_tensor(loss))
            return loss

        return watched

    def _tracking(self, name: str, update: Callable[..., Any]) -> Callable[..., Any]:
        def watched(values: Any, sample_weight: Any = None) -> Any:
            self._keep(self._tracked[name], lambda: _mean(values, sample_weight))
            return update(values, sample_weight=sample_weight)

        return watched

    def _applying(self, optimizer: Any, apply: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            counts: list[Any] = []
            self._keep(counts, lambda: _batches_of(optimizer))
            result = apply(*arguments, **options)
            if counts:
                self._keep(self._states, lambda: _state(optimizer, counts[0]))
            return result

        return watched

    def _keep(self, kept: list[Any], make: Callable[[], Any]) -> None:
        try:
            value = make()
        except Exception:  # a loss of a kind that we do not know is not told
            return
        if self._graph is None or getattr(value, "graph", None) is self._graph:  # not from inside a branch or a loop
            kept.append(value)


def optimizers_of(model: Any) -> list[Any]:
    """The optimizer that `compile` was given and those that a model of several keeps as attributes, once each."""
    kind = keras.optimizers.Optimizer
    found = [model.optimizer, *(value for value in vars(model).values() if isinstance(value, kind))]
    return list({id(optimizer): optimizer for optimizer in found if isinstance(optimizer, kind)}.values())


def accumulates(optimizer: Any) -> int:
    """Batches whose gradients make one update; 0: each batch updates."""
    return int(getattr(inner_of(optimizer), "gradient_accumulation_steps", None) or 0)


def _state(optimizer: Any, before: Any) -> Any:
    """Whether an optimizer updated the weights, from how far its iterations went."""
    after = _batches_of(optimizer)
    every = accumulates(optimizer) or 1
    is_update = tf.equal(tf.math.floormod(after, every), 0)
    state = tf.where(is_update, tf.constant(APPLIED, tf.float64), tf.constant(ACCUMULATED, tf.float64))
    return tf.where(tf.equal(after, before), tf.constant(SKIPPED, tf.float64), state)


def _batches_of(optimizer: Any) -> Any:
    """Batches whose gradient an optimizer took so far; its public `iterations` counts updates."""
    return tf.identity(inner_of(optimizer)._iterations.value)


def _mean(values: Any, weights: Any) -> Any:
    values = tf.cast(tf.convert_to_tensor(values), tf.float64)
    if weights is None or not values.shape.rank:
        return tf.reduce_mean(values)
    weights = tf.broadcast_to(tf.cast(weights, tf.float64), tf.shape(values))
    return tf.reduce_sum(values * weights) / tf.reduce_sum(weights)


def _rows_of(data: Any) -> Any:
    """Rows of a batch: the length of the first part of its input."""
    x = keras.utils.unpack_x_y_sample_weight(data)[0]
    first = next(part for part in tf.nest.flatten(x) if part is not None)
    if isinstance(first, tf.RaggedTensor):
        return first.nrows()
    if isinstance(first, tf.SparseTensor):
        return first.dense_shape[0]
    first = tf.convert_to_tensor(first) if isinstance(first, np.ndarray) else first
    return tf.shape(first)[0] if first.shape.rank != 0 else tf.constant(1)
