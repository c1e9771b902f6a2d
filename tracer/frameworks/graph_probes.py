"""Dormant probes in a TensorFlow 1 graph: one packed matrix of norms an optimizer, positive activations, raw tensors.

They are added once, before the graph is finalised; a probe that is not fetched is pruned and costs nothing. What is
read after an update is read under control dependency on that update's own operation, what is read before it is what the
gradient was computed from, so neither is a race. Graph definitions that are exported do not hold the probes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np
import tensorflow as tf

from streamgauge.tracer.events import Tensor
from streamgauge.tracer.frameworks.graphs import SCOPE, Part, activations_of, groups_of, parts_of
from streamgauge.tracer.selection import Collection, Entry

ACTIVATION_ROWS: Final = 64
RAW_ROWS: Final = 64  # of a table, evenly spaced: never the whole
WHOLE: Final = 1 << 18  # values; larger ones are tables
_SAMPLE: Final = 4096


class Group(NamedTuple):
    """What one call of an optimizer updates, and the probes of it."""

    updates: frozenset[Any]  # operations
    parts: tuple[Part, ...]
    packed: Any  # [parts, 5]: gradient, update, touched, weight, nonfinite


class Probes:
    """All that a hook can fetch of one graph."""

    def __init__(self, graph: Any) -> None:
        self.parts = parts_of(graph)
        activations = activations_of(graph)
        self.raw: dict[tuple[Collection, str], list[tuple[str, Any]]] = {}  # names and tensors to fetch
        self._sizes: dict[tuple[Collection, str], tuple[tuple[int, ...], str, int]] = {}
        with graph.as_default(), tf.name_scope(f"{SCOPE}/"):
            scopes = sorted({part.scope for part in self.parts})
            self.groups = [self._group([p for p in self.parts if p.scope == scope]) for scope in scopes]
            self.units = [(name, *_units(tensor)) for name, tensor in activations.items()]
            for name, tensor in activations.items():
                self._list("activations", name, [(name, tensor[:ACTIVATION_ROWS])], tensor)
        hide(graph)
        groups = {name: groups_of(graph, name) for _, name in self._sizes}
        self.entries = [
            Entry(name=name, collection=collection, shape=shape, dtype=dtype, bytes=size, groups=groups[name])
            for (collection, name), (shape, dtype, size) in self._sizes.items()
        ]

    def _group(self, parts: Sequence[Part]) -> Group:
        rows: list[list[Any]] = []
        for part in parts:
            with beside(part.variable):
                rows.append(self._row(part))
        flat = [norm for row in rows for norm in row]
        norms = tf.reshape(tf.stack([tf.cast(tf.sqrt(2.0 * half), tf.float32) for half in flat]), (-1, 4))
        finite = tf.math.is_finite(tf.add_n([tf.cast(half, tf.float32) for half in flat]))
        bad = tf.cond(
            finite,
            lambda: tf.zeros((len(parts), 1)),
            lambda: tf.cast(tf.reduce_sum(tf.cast(~tf.math.is_finite(norms), tf.int32), 1, keepdims=True), tf.float32),
        )
        return Group(frozenset(part.update for part in parts), tuple(parts), tf.concat([norms, bad], axis=1))

    def _row(self, part: Part) -> list[Any]:
        """Half the squares of gradient, update, touched and weight."""
        variable, nothing = part.variable, tf.constant(0.0)
        with tf.control_dependencies([part.update]):
            weight, scale = _after(variable)
        half = tf.nn.l2_loss(tf.cast(weight, tf.float32))
        self._list("weights", part.name, [(part.name, _some_rows(variable, part.update))], variable)
        gradient = update = nothing
        touched = half
        if part.gradient is not None and part.indices is None:
            gradient = tf.nn.l2_loss(tf.cast(part.gradient, tf.float32))
            self._list("gradients", part.name, [(part.name, part.gradient)], variable)
            if part.read is not None:
                change = weight - part.read
                update = tf.nn.l2_loss(tf.cast(change, tf.float32))
                self._list("updates", part.name, [(part.name, change)], variable)
        elif part.gradient is not None:
            rows, summed = _by_row(part)
            gradient = tf.nn.l2_loss(tf.cast(summed, tf.float32))
            names = [(part.name, summed), (f"{part.name}/rows", rows)]
            self._list("gradients", part.name, names, variable)
        return [gradient, update, touched, half * scale]

    def _list(self, collection: Collection, name: str, raw: list[tuple[str, Any]], like: Any) -> None:
        self.raw[collection, name] = raw
        shape = tuple(-1 if size is None else int(size) for size in like.shape)
        known = [int(size) for size in raw[0][1].shape if size is not None]
        self._sizes[collection, name] = (shape, like.dtype.base_dtype.name, math.prod(known) * like.dtype.size)


def tensors_of(group: Group, packed: Any) -> dict[str, Tensor]:
    """What `Tracer.step` takes, of a fetched matrix."""
    found = {}
    for part, row in zip(group.parts, np.asarray(packed, np.float64).tolist(), strict=True):
        gradient, update, touched, weight, bad = row
        found[part.name] = Tensor(
            weight=weight, gradient=None if part.gradient is None else gradient,
            update=None if part.read is None else update, touched=touched, nonfinite=int(bad), apparent=part.is_shared,
        )  # fmt: skip
    return found


@contextmanager
def beside(variable: Any) -> Iterator[None]:
    """Operations on the device of a variable: what crosses the network is a norm, not the variable."""
    with tf.device(variable.device or None):
        yield


def hide(graph: Any) -> None:
    """Keep the probes out of every graph definition that is written: checkpoints' meta graphs, graph.pbtxt, exports."""
    whole = graph.as_graph_def

    def without(*arguments: Any, **options: Any) -> Any:
        definition = whole(*arguments, **options)
        kept = [node for node in definition.node if not node.name.startswith(f"{SCOPE}/")]
        functions = [f for f in definition.library.function if not f.signature.name.startswith(SCOPE)]
        del definition.node[:], definition.library.function[:]
        definition.node.extend(kept)
        definition.library.function.extend(functions)
        return definition

    graph.as_graph_def = without


def _after(variable: Any) -> tuple[Any, float]:
    """A variable's values, or those of evenly spaced rows, and how many times more there are."""
    if math.prod(variable.shape) <= WHOLE or len(variable.shape) < 2:
        return tf.identity(variable.read_value()), 1.0
    count = int(variable.shape[0])
    rows = np.linspace(0, count - 1, min(_SAMPLE, count)).astype(np.int64)
    return variable.sparse_read(tf.constant(rows)), count / len(rows)


def _some_rows(variable: Any, update: Any) -> Any:
    with tf.control_dependencies([update]):
        if math.prod(variable.shape) <= WHOLE or len(variable.shape) < 2:
            return tf.identity(variable.read_value())
        rows = np.linspace(0, int(variable.shape[0]) - 1, RAW_ROWS).astype(np.int64)
        return variable.sparse_read(tf.constant(rows))


def _by_row(part: Part) -> tuple[Any, Any]:
    """The distinct rows of a sparse gradient, and the gradient of each."""
    rows, position = tf.unique(part.indices)
    return rows, tf.math.unsorted_segment_sum(part.gradient, position, tf.size(rows))


def _units(tensor: Any) -> tuple[Any, Any]:
    """Positive activations by unit, and of how many rows."""
    sample = tf.reshape(tensor[:ACTIVATION_ROWS], (-1, int(tensor.shape[-1])))
    return tf.math.count_nonzero(sample > 0, axis=0, dtype=tf.int32), tf.shape(sample)[0]
