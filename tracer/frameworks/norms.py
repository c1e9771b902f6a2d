"""Norms of variables, gradients and updates inside a TensorFlow graph: a few operations a tensor, one small result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tracer.events import Tensor

WHOLE: Final = 1 << 18  # larger tables: the norm is estimated from evenly spaced rows
SAMPLED_ROWS: Final = 4096
COLUMNS: Final = ("gradient", "update", "touched", "weight", "nonfinite")


class Change(NamedTuple):
    """One variable before its update."""

    rows: Any  # distinct rows that a sparse gradient touches, None: all
    gradient: Any  # of these rows
    old: Any  # these rows


class Summaries:
    """In-graph norms of variables: one [variables, 5] tensor, of columns COLUMNS.

    Of a table whose gradient is sparse, gradient, update and `touched` are those of the rows that the step touched.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        self._variables = list(variables)
        self.names = [variable.path for variable in self._variables]

    def before(self, gradients: Sequence[Any]) -> list[Change | None]:
        """What the update is about to change; call it before the optimizer."""
        return [
            None if gradient is None else _change(variable, gradient)
            for variable, gradient in zip(self._variables, gradients, strict=True)
        ]

    def measure(self, changes: Sequence[Change | None]) -> Any:
        """The packed norms; call it after the optimizer, in the same graph."""
        flat: list[Any] = []
        for variable, change in zip(self._variables, changes, strict=True):
            flat += _group(variable, change)
        halves = tf.reshape(tf.stack([tf.nn.l2_loss(tf.cast(tensor, tf.float32)) for tensor in flat]), (-1, 4))
        quick = tf.concat([tf.sqrt(2.0 * halves), tf.zeros_like(halves[:, :1])], axis=1)
        finite = tf.math.is_finite(tf.reduce_sum(halves))
        packed = tf.cond(finite, lambda: quick, lambda: _exact(flat))
        return packed * tf.constant(self._scale(), tf.float32)

    def tensors(self, packed: Any) -> dict[str, Tensor]:
        """What `Tracer.step` takes."""
        rows = np.asarray(packed, np.float64).tolist()
        return {
            name: Tensor(weight=weight, gradient=gradient, update=update, touched=touched, nonfinite=int(nonfinite))
            for name, (gradient, update, touched, weight, nonfinite) in zip(self.names, rows, strict=True)
        }

    def _scale(self) -> NDArray[np.float32]:
        """[variables, 5]: 1, but for the weights of sampled tables."""
        scale = np.ones((len(self._variables), 5), np.float32)
        for i, variable in enumerate(self._variables):
            scale[i, 3] = np.sqrt(variable.shape[0] / len(_rows(variable))) if _is_large(variable) else 1.0
        return scale


def part_of(variable: Any, rows: Any) -> Any:
    """The given rows of a variable, or all of it as it is now: TensorFlow copies what is read before it writes."""
    return tf.convert_to_tensor(variable.value) if rows is None else tf.gather(variable.value, rows)


def _change(variable: Any, gradient: Any) -> Change:
    """Of a sparse gradient the distinct rows, and the parts of one row added up."""
    if not isinstance(gradient, tf.IndexedSlices):
        return Change(None, tf.convert_to_tensor(gradient), part_of(variable, None))
    rows, position = tf.unique(gradient.indices)
    summed = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))
    return Change(rows, summed, part_of(variable, rows))


def _group(variable: Any, change: Change | None) -> tuple[Any, Any, Any, Any]:
    """The four tensors whose norms are taken, in the order of COLUMNS."""
    if change is None:
        nothing = tf.constant(0.0)
        return nothing, nothing, nothing, _sample(variable)
    new = part_of(variable, change.rows)
    is_whole = change.rows is None and not _is_large(variable)
    return change.gradient, new - change.old, new, new if is_whole else _sample(variable)


def _sample(variable: Any) -> Any:
    value = variable.value
    return tf.gather(value, _rows(variable)) if _is_large(variable) else tf.convert_to_tensor(value)


def _rows(variable: Any) -> NDArray[np.int64]:
    rows = int(variable.shape[0])
    return np.linspace(0, rows - 1, min(SAMPLED_ROWS, rows)).astype(np.int64)


def _is_large(variable: Any) -> bool:
    return math.prod(variable.shape) > WHOLE and len(variable.shape) > 1


def _exact(tensors: Sequence[Any]) -> Any:
    """The slow way, when a square is not finite: norms in float64, and how many values are not finite."""
    wide = [tf.cast(tensor, tf.float64) for tensor in tensors]
    norms = tf.reshape(tf.stack([tf.sqrt(tf.reduce_sum(tf.square(tensor))) for tensor in wide]), (-1, 4))
    bad = [tf.size(t) - tf.math.count_nonzero(tf.math.is_finite(t), dtype=tf.int32) for t in wide]
    counts = tf.reshape(tf.stack(bad), (-1, 4))
    kept = tf.cast(counts[:, 0] + counts[:, 1] + counts[:, 3], tf.float64)  # `touched` is part of the weight
    return tf.cast(tf.concat([norms, kept[:, None]], axis=1), tf.float32)
