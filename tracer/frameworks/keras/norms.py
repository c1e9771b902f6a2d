"""Norms of variables, gradients and updates inside a TensorFlow graph: a few operations a tensor, one small result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from streamgauge.tracer.events import Tensor

WHOLE: Final = 1 << 18  # larger tables: the norm is estimated from evenly spaced rows
SAMPLED_ROWS: Final = 4096
_SPREAD: Final = 2_654_435_761  # Knuth's multiplicative hash: 2^32 over the golden ratio
COLUMNS: Final = ("gradient", "update", "touched", "weight", "nonfinite")


class Change(NamedTuple):
    """One variable before its update."""

    rows: Any  # distinct rows that a sparse gradient touches (or a sample of them), None: all
    gradient: Any  # of these rows
    old: Any  # these rows
    values: Any  # every value of the gradient
    share: Any  # of the touched rows that are in `rows`


class Summaries:
    """In-graph norms of variables: one [variables, 5] tensor, of columns COLUMNS.

    Of a table whose gradient is sparse, gradient, update and `touched` are those of the rows that the step touched;
    above 4,096 of them they are estimated from rows that are chosen by hash, always the same ones.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        self._variables = list(variables)
        self.names = [variable.path for variable in self._variables]

    def before(self, gradients: Sequence[Any]) -> list[Change | None]:
        """What the update is about to change; call it before the optimizer."""
        return [
            None if gradient is None else change_of(variable, gradient)
            for variable, gradient in zip(self._variables, gradients)
        ]

    def measure(self, changes: Sequence[Change | None]) -> Any:
        """The packed norms; call it after the optimizer, in the same graph."""
        flat: list[Any] = []
        for variable, change in zip(self._variables, changes):
            flat += _group(variable, change)
        halves = tf.reshape(tf.stack([tf.nn.l2_loss(tf.cast(tensor, tf.float32)) for tensor in flat]), (-1, 4))
        quick = tf.concat([tf.sqrt(2.0 * halves), tf.zeros_like(halves[:, :1])], axis=1)
        total = tf.reduce_sum(halves)
        for change in changes:
            if change is not None and change.rows is not None:
                total += tf.nn.l2_loss(tf.cast(change.values, tf.float32))
        packed = tf.cond(tf.math.is_finite(total), lambda: quick, lambda: _exact(flat, changes))
        return packed * self._scale(changes)

    def tensors(self, packed: Any) -> dict[str, Tensor]:
        """What `Tracer.step` takes."""
        rows = np.asarray(packed, np.float64).tolist()
        return {
            name: Tensor(weight=weight, gradient=gradient, update=update, touched=touched, nonfinite=int(nonfinite))
            for name, (gradient, update, touched, weight, nonfinite) in zip(self.names, rows)
        }

    def _scale(self, changes: Sequence[Change | None]) -> Any:
        """[variables, 5]: 1 where a norm is exact, more where rows were sampled."""
        rows = []
        for variable, change in zip(self._variables, changes):
            touched = tf.constant(1.0) if change is None else tf.math.rsqrt(tf.cast(change.share, tf.float32))
            whole = math.sqrt(variable.shape[0] / len(_rows(variable))) if _is_large(variable) else 1.0
            rows.append(tf.stack([touched, touched, touched, tf.constant(whole, tf.float32), tf.constant(1.0)]))
        return tf.stack(rows)


def part_of(variable: Any, rows: Any) -> Any:
    """The given rows of a variable, or all of it as it is now: TensorFlow copies what is read before it writes."""
    return tf.convert_to_tensor(variable.value) if rows is None else tf.gather(variable.value, rows)


def change_of(variable: Any, gradient: Any, *, sampled: bool = True) -> Change:
    """Of a sparse gradient the distinct rows, and the parts of one row added up."""
    if not isinstance(gradient, tf.IndexedSlices):
        dense = tf.convert_to_tensor(gradient)
        return Change(None, dense, part_of(variable, None), dense, tf.constant(1.0))
    indices, values, share = gradient.indices, gradient.values, tf.constant(1.0)
    if sampled:
        indices, values, share = _by_hash(indices, values)
    rows, position = tf.unique(indices)
    summed = tf.math.unsorted_segment_sum(values, position, tf.size(rows))
    return Change(rows, summed, part_of(variable, rows), gradient.values, share)


def _by_hash(indices: Any, values: Any) -> tuple[Any, Any, Any]:
    """About 2,048 to 4,096 of the indices, chosen by row: one row in 1, 2, 4, ..."""
    most = tf.cast(tf.size(indices), tf.float32) / SAMPLED_ROWS
    one_in = tf.pow(2.0, tf.math.ceil(tf.math.log(tf.maximum(most, 1.0)) / math.log(2.0)))
    mixed = tf.bitwise.right_shift(tf.cast(indices, tf.int64) * _SPREAD, tf.constant(16, tf.int64))
    kept = tf.where(tf.equal(tf.math.floormod(mixed, tf.cast(one_in, tf.int64)), 0))[:, 0]
    return tf.gather(indices, kept), tf.gather(values, kept), 1.0 / one_in


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


def _exact(tensors: Sequence[Any], changes: Sequence[Change | None]) -> Any:
    """The slow way, when a square is not finite: norms in float64, and how many values are not finite."""
    wide = [tf.cast(tensor, tf.float64) for tensor in tensors]
    norms = tf.reshape(tf.stack([tf.sqrt(tf.reduce_sum(tf.square(tensor))) for tensor in wide]), (-1, 4))
    bad = [
        (_bad(change.values) if change is not None else 0.0) + _bad(update) + _bad(weight)
        for change, update, weight in zip(changes, tensors[1::4], tensors[3::4])
    ]
    return tf.cast(tf.concat([norms, tf.stack(bad)[:, None]], axis=1), tf.float32)


def _bad(tensor: Any) -> Any:
    return tf.cast(tf.size(tensor) - tf.math.count_nonzero(tf.math.is_finite(tensor), dtype=tf.int32), tf.float64)
