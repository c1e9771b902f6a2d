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
        rows, halves = [], []
        for part in parts:
            with beside(part.variable):
                rows.append(self._row(part))
                halves += [tf.cast(tf.nn.l2_loss(tensor), tf.float32) for tensor in rows[-1]]
        scale = tf.constant([[1.0, 1.0, 1.0, math.sqrt(_times(part.variable))] for part in parts])
        packed = tf.cond(
            tf.math.is_finite(tf.add_n(halves)),
            lambda: tf.pad(scale * tf.reshape(tf.sqrt(2.0 * tf.stack(halves)), (-1, 4)), [[0, 0], [0, 1]]),
            lambda: _exact(rows, scale),
        )
        return Group(frozenset(part.update for part in parts), tuple(parts), packed)

    def _row(self, part: Part) -> list[Any]:
        """Gradient, update, touched and weight, of which the norms are told."""
        variable, nothing = part.variable, tf.constant(0.0)
        with tf.control_dependencies([part.update]):
            weight, some = _read(variable, _SAMPLE), _read(variable, RAW_ROWS)
        self._list("weights", part.name, [(part.name, some)], variable)
        gradient = update = nothing
        if part.gradient is not None and part.indices is None:
            gradient = part.gradient
            self._list("gradients", part.name, [(part.name, gradient)], variable)
            if part.read is not None and _times(variable) == 1.0:
                update = weight - part.read
                self._list("updates", part.name, [(part.name, update)], variable)
        elif part.gradient is not None:
            touched, gradient = _by_row(part)
            self._list("gradients", part.name, [(part.name, gradient), (f"{part.name}/rows", touched)], variable)
        return [gradient, update, weight, weight]

    def _list(self, collection: Collection, name: str, raw: list[tuple[str, Any]], like: Any) -> None:
        self.raw[collection, name] = raw
        shape = tuple(-1 if size is None else size for size in like.shape.as_list())
        known = [size for size in raw[0][1].shape.as_list() if size is not None]
        self._sizes[collection, name] = (shape, like.dtype.base_dtype.name, math.prod(known) * like.dtype.size)


def tensors_of(group: Group, packed: Any) -> dict[str, Tensor]:
    """What `Tracer.step` takes, of a fetched matrix."""
    found = {}
    for part, row in zip(group.parts, np.asarray(packed, np.float64).tolist()):
        gradient, update, touched, weight, bad = row
        has_update = part.read is not None and _times(part.variable) == 1.0
        found[part.name] = Tensor(
            weight=weight, gradient=None if part.gradient is None else gradient, update=update if has_update else None,
            touched=touched, nonfinite=int(bad), apparent=part.is_shared,
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


def _times(variable: Any) -> float:
    """How many times more values a table has than the rows of it that are read; 1.0: it is no table."""
    shape = variable.shape.as_list()
    return max(1.0, shape[0] / _SAMPLE) if math.prod(shape) > WHOLE and len(shape) > 1 else 1.0


def _read(variable: Any, most: int) -> Any:
    """A variable's values, or those of evenly spaced rows of a table."""
    if _times(variable) == 1.0:
        return tf.identity(variable.read_value())
    count = int(variable.shape[0])
    return variable.sparse_read(tf.constant(np.linspace(0, count - 1, min(most, count)).astype(np.int64)))


def _exact(rows: Sequence[Sequence[Any]], scale: Any) -> Any:
    """The slow way, where a square is not finite: norms in float64, and how many values are not finite."""
    wide = [tf.cast(tensor, tf.float64) for row in rows for tensor in row]
    norms = tf.reshape(tf.stack([tf.sqrt(tf.reduce_sum(tf.square(tensor))) for tensor in wide]), (-1, 4))
    bad = [tf.add_n([_bad(tensor) for tensor in (row[0], row[1], row[3])]) for row in rows]
    return tf.concat([scale * tf.cast(norms, tf.float32), tf.stack(bad)[:, None]], axis=1)


def _bad(tensor: Any) -> Any:
    return tf.cast(tf.size(tensor) - tf.math.count_nonzero(tf.math.is_finite(tensor), dtype=tf.int32), tf.float32)


def _by_row(part: Part) -> tuple[Any, Any]:
    """The distinct rows of a sparse gradient, and the gradient of each."""
    rows, position = tf.unique(part.indices)
    return rows, tf.math.unsorted_segment_sum(part.gradient, position, tf.size(rows))


def _units(tensor: Any) -> tuple[Any, Any, Any]:
    """Positive activations by unit, of how many rows, and how many values are not finite."""
    sample = tf.reshape(tensor[:ACTIVATION_ROWS], (-1, int(tensor.shape[-1])))
    bad = tf.size(sample) - tf.math.count_nonzero(tf.math.is_finite(sample), dtype=tf.int32)
    return tf.math.count_nonzero(sample > 0, axis=0, dtype=tf.int32), tf.shape(sample)[0], bad
