"""BenchMask and permutation: what a model loses when it no longer sees a feature.

BenchMask puts one benchmark value in a feature's place: the mean of numbers, else the most frequent value. It gives
each mask its own share of the rows, so that one pass of predictions tries all masks, and compares each prediction with
that of the same row unmasked. Permutation takes the values of other rows, and a pass for each feature and repeat. The
two differ where a feature misleads: noise that the model leans on is as bad in another row's place, but gone under a
benchmark value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.feature_selection.effects import Columns, Effect, Floats, effect

Predict = Callable[[Columns], Floats]  # columns of n rows -> n probabilities
Mask = tuple[str, ...]


class Tried(NamedTuple):
    """Effects, one a mask, and what they cost."""

    effects: tuple[Effect, ...]
    predictions: int  # rows that were predicted


def bench_mask(
    predict: Predict, columns: Columns, labels: Floats, masks: Sequence[Mask], random: np.random.Generator, *,
    passes: int = 1, groups: NDArray[np.uint64] | None = None,
) -> Tried:  # fmt: skip
    """The effect of each mask, all of them tried in every pass on rows of their own.

    Args:
        predict: the model.
        columns: rows that it was not trained on, by feature.
        labels: 0 or 1, shape [n].
        masks: features that are masked together, one tuple a mask.
        random: who gets which rows.
        passes: times that all rows are predicted with masks; each row meets another mask in each.
        groups: hashes of the rows' groups, for the GAUC.

    Raises:
        ValueError: there is no mask, a mask names a feature that there is not, or columns and labels differ in length.
    """
    if passes < 1:
        raise ValueError(f"passes must be >= 1, got {passes}")
    _check(columns, labels, masks)
    base = _predicted(predict, columns, len(labels))
    seats = _seats(labels, len(masks), random)
    values = {name: benchmark(columns[name]) for mask in masks for name in mask}
    found: list[list[NDArray[np.int64]]] = [[] for _ in masks]
    scores: list[list[Floats]] = [[] for _ in masks]
    for turn in range(passes):
        places = (seats + turn) % len(masks)
        masked = _predicted(predict, _masked(columns, masks, places, values), len(labels))
        for i in range(len(masks)):
            rows = np.flatnonzero(places == i)
            found[i].append(rows)
            scores[i].append(masked[rows])
    effects = []
    for mask, rows_of, scores_of in zip(masks, found, scores, strict=True):
        rows, after = np.concatenate(rows_of), np.concatenate(scores_of)
        its = None if groups is None else groups[rows]
        effects.append(effect(mask, base[rows], after, labels[rows], random, its))
    return Tried(tuple(effects), len(labels) * (1 + passes))


def permutation(
    predict: Predict, columns: Columns, labels: Floats, masks: Sequence[Mask], random: np.random.Generator, *,
    repeats: int = 5, groups: NDArray[np.uint64] | None = None,
) -> Tried:  # fmt: skip
    """The effect of each mask by itself, `repeats` passes of all rows each (Breiman 2001); else as `bench_mask`."""
    if repeats < 1:
        raise ValueError(f"repeats must be >= 1, got {repeats}")
    _check(columns, labels, masks)
    n = len(labels)
    base = _predicted(predict, columns, n)
    effects = []
    for mask in masks:
        after = [_predicted(predict, _permuted(columns, mask, random), n) for _ in range(repeats)]
        rows = np.tile(np.arange(n), repeats)
        its = None if groups is None else groups[rows]
        effects.append(effect(mask, base[rows], np.concatenate(after), labels[rows], random, its))
    return Tried(tuple(effects), n * (1 + repeats * len(masks)))


def benchmark(column: NDArray[Any]) -> Any:
    """The value that stands for a masked one: the mean of finite numbers, else the most frequent value.

    >>> float(benchmark(np.array([1.0, 3.0, np.nan]))), benchmark(np.array(["a", "b", "b"], object))
    (2.0, 'b')
    """
    if column.dtype.kind == "f":
        known = np.where(np.isfinite(column), column, np.nan)
        counts = np.isfinite(column).sum(axis=0)
        return np.where(counts > 0, np.nansum(known, axis=0) / np.maximum(counts, 1), np.nan).astype(column.dtype)
    values, counts = np.unique(column.astype(str) if column.dtype.hasobject else column, axis=0, return_counts=True)
    found = values[int(counts.argmax())]
    return next(v for v in column if str(v) == found) if column.dtype.hasobject else found


def _masked(
    columns: Columns, masks: Sequence[Mask], places: NDArray[np.int64], values: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Columns in which the features of each row's mask have their benchmark values."""
    made = {name: np.array(column) for name, column in columns.items()}
    for i, mask in enumerate(masks):
        for name in mask:
            made[name][places == i] = values[name]
    return made


def _permuted(columns: Columns, mask: Mask, random: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Columns in which the features of a mask have the values of other rows, all of them of the same one."""
    made = dict(columns)
    donors = random.permutation(len(next(iter(columns.values()))))
    return made | {name: columns[name][donors] for name in mask}


def _seats(labels: Floats, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """A mask for each row, as many rows each, with the same share of positives."""
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    seats = np.empty(len(labels), np.int64)
    seats[order] = np.arange(len(labels)) % count
    return seats


def _predicted(predict: Predict, columns: Columns, rows: int) -> Floats:
    found = np.asarray(predict(columns), np.float64).ravel()
    if len(found) != rows:
        raise ValueError(f"the model gave {len(found)} predictions for {rows} rows; it must give one each")
    if not bool(((found >= 0.0) & (found <= 1.0)).all()):
        raise ValueError("the model gave a prediction outside 0..1, or NaN; give probabilities")
    return found


def _check(columns: Columns, labels: Floats, masks: Sequence[Mask]) -> None:
    if not masks:
        raise ValueError("there is nothing to mask; name at least one feature")
    for name, column in columns.items():
        if len(column) != len(labels):
            raise ValueError(f"feature {name!r} has {len(column)} rows, the labels have {len(labels)}")
    unknown = sorted({name for mask in masks for name in mask} - set(columns))
    if unknown:
        raise ValueError(f"there is no feature {unknown[0]!r}; known are {', '.join(sorted(columns)[:20])}")
