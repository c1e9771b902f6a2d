"""Diagnoses of the weights themselves: inputs never learnt from, one input that holds all, rank, embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from streamgauge.pipelines.train_quality.diagnoses.activations import effective_rank
from streamgauge.pipelines.train_quality.diagnoses.traces import Finding, Floats, Traces, is_matrix, is_table, percent

STILL: Final = 1e-7  # change of a weight over the matrix' root mean square
BLIND: Final = 0.05  # share of the inputs
CONCENTRATED: Final = 0.5  # share of the squared weight
LEAST_INPUTS: Final = 8
LOW_RANK: Final = 0.15
GREW: Final = 3.0
COLLAPSED: Final = 0.25
LEAST_SPAN: Final = 20  # steps between two looks at the same weights


def blind_spots(traces: Traces) -> Iterator[Finding]:
    """Inputs of a layer none of whose weights changed between the first and the last look / inputs."""
    for name, first, last, step in _spans(traces):
        if is_table(first):
            continue
        still = by_input(name, np.abs(last - first)).max(axis=1) <= STILL * _size(last)
        share = float(still.mean())
        if BLIND <= share < 1.0:  # of a layer that does not move at all, the update ratio tells
            places = ", ".join(map(str, np.flatnonzero(still)[:8]))
            yield traces.finding(
                "blind_spots", name, step, share,
                f"{percent(share)} of the inputs of {name} ({places}{', ...' if still.sum() > 8 else ''}) were never "
                "learnt from: their features are constant or missing, or what feeds them is dead",
            )  # fmt: skip


def blind_spot_map(traces: Traces, name: str, rows: int = 32, columns: int = 16) -> Floats | None:
    """Mean |change| of the weights over their root mean square, in blocks; inputs down, units across."""
    found = next(((first, last) for one, first, last, _ in _spans(traces) if one == name), None)
    if found is None:
        return None
    change = by_input(name, np.abs(found[1] - found[0])) / max(_size(found[1]), 1e-300)
    sides = zip(change.shape, (rows, columns), strict=True)
    down, across = (np.array_split(np.arange(n), min(n, most)) for n, most in sides)
    return np.array([[change[np.ix_(i, j)].mean() for j in across] for i in down])


def weight_concentration(traces: Traces) -> Iterator[Finding]:
    """Squared weight of one input / that of all inputs of a layer."""
    for name, step, array in traces.last("weights"):
        if not is_matrix(array) or is_table(array) or not np.isfinite(array).all():
            continue
        size = (by_input(name, array) ** 2).sum(axis=1)
        if len(size) < LEAST_INPUTS or not size.sum() > 0.0:
            continue
        share, place = float(size.max() / size.sum()), int(size.argmax())
        if share >= CONCENTRATED:
            yield traces.finding(
                "weight_concentration", name, step, share,
                f"input {place} holds {percent(share)} of the weight of {name}: the model leans on one feature; look "
                "whether it leaks the label, or is not scaled as the others are",
            )  # fmt: skip


def low_rank(traces: Traces) -> Iterator[Finding]:
    """Effective rank of a layer's weights / its smaller side."""
    for name, step, array in traces.last("weights"):
        if not is_matrix(array) or is_table(array) or not np.isfinite(array).all():
            continue
        matrix = array.reshape(-1, array.shape[-1])
        if min(matrix.shape) < 8 or matrix.size > 1 << 21:
            continue
        share = effective_rank(matrix) / min(matrix.shape)
        if share <= LOW_RANK:
            yield traces.finding(
                "low_rank", name, step, share,
                f"the weights of {name} use {share * min(matrix.shape):.1f} of {min(matrix.shape)} dimensions: the "
                "layer has lost its capacity; look at its learning rate and decay, and whether its inputs are alike",
            )  # fmt: skip


def embedding_growth(traces: Traces) -> Iterator[Finding]:
    """Median norm of an embedding's rows, last look over first."""
    for name, first, last, step in _spans(traces):
        if not is_table(first):
            continue
        before, after = (float(np.median(np.linalg.norm(table, axis=1))) for table in (first, last))
        if before > 0.0 and after / before >= GREW:
            yield traces.finding(
                "embedding_growth", name, step, after / before,
                f"the rows of {name} grew {after / before:.1f} times: they will swamp what they are joined with; lower "
                "their learning rate, or bound their norms",
            )  # fmt: skip


def embedding_collapse(traces: Traces) -> Iterator[Finding]:
    """Effective rank of an embedding's sampled rows, centred / its width."""
    for name, step, array in traces.last("weights"):
        if not is_table(array) or array.shape[1] < 4 or not np.isfinite(array).all():
            continue
        share = effective_rank(array - array.mean(axis=0)) / array.shape[1]
        if share <= COLLAPSED:
            yield traces.finding(
                "embedding_collapse", name, step, share,
                f"the rows of {name} span {share * array.shape[1]:.1f} of {array.shape[1]} dimensions: the embedding "
                "has collapsed; more width will not help, look at what it is crossed with and at its regularisation",
            )  # fmt: skip


def influence(traces: Traces, name: str) -> Floats:
    """Share of each input of a layer in what moves the loss: root mean square over steps of sum_j W_ij dL/dW_ij.

    By the chain rule that sum is the batch's sum of x_i dL/dx_i, gradient times input (Simonyan et al. 2013), and its
    square the importance of the input's weights together (Molchanov et al. 2019). Empty without both arrays of a step.
    """
    weights, gradients = traces.raw("weights", name), traces.raw("gradients", name)
    both = [step for step in gradients if step in weights and gradients[step].shape == weights[step].shape]
    both = [step for step in both if is_matrix(weights[step]) and np.isfinite(gradients[step]).all()]
    if not both:
        return np.zeros(0)
    moved = np.stack([(by_input(name, weights[step]) * by_input(name, gradients[step])).sum(axis=1) for step in both])
    size = np.sqrt(np.mean(moved**2, axis=0))
    return np.asarray(size / size.sum() if size.sum() > 0.0 else size)


def first_layer(traces: Traces) -> str:
    """The first layer that reads the inputs, "" where none is known."""
    names = (name for name, _, array in traces.last("gradients") if is_matrix(array) and not is_table(array))
    return next(names, "")


def by_input(name: str, matrix: Floats) -> Floats:
    """A layer's weights with an input a row. PyTorch keeps an output a row and calls it `weight`, the others do not.

    >>> by_input("tower.0.weight", np.zeros((4, 9))).shape, by_input("dense/kernel", np.zeros((9, 4))).shape
    ((9, 4), (9, 4))
    """
    is_output_first = name.split("/")[0].endswith(("weight", "weight.original"))
    return matrix.reshape(len(matrix), -1).T if is_output_first else matrix.reshape(-1, matrix.shape[-1])


def _spans(traces: Traces) -> Iterator[tuple[str, Floats, Floats, int]]:
    """Weights that were looked at twice, far enough apart: name, first, last, step of the last."""
    for name in traces.names("weights"):
        found: dict[int, Any] = traces.raw("weights", name)
        if not found:
            continue
        low, high = min(found), max(found)
        first, last = found[low], found[high]
        is_same = first.shape == last.shape and bool(np.isfinite(first).all() and np.isfinite(last).all())
        if high - low >= LEAST_SPAN and is_same and is_matrix(first):
            yield name, first, last, high


def _size(array: Floats) -> float:
    return float(np.sqrt(np.mean(array**2)))
