"""Diagnoses of what a layer's units do: dead, dormant, saturated, constant, collapsed, and how well they tell labels.

Each reads sampled activations, rows by units; a unit is the last axis. None speaks of fewer than `LEAST` rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from streamgauge.pipelines.train_quality.diagnoses.traces import Finding, Floats, Traces, percent

LEAST: Final = 128  # rows, over all steps
DEAD: Final = 0.2  # share of a layer's units
DORMANT_SCORE: Final = 0.025  # Sokar et al. 2023, their tau
DORMANT: Final = 0.3
SATURATED_AT: Final = 0.99  # of a tanh; of a sigmoid within 0.01 of 0 or 1
SATURATED: Final = 0.5
CONSTANT_AT: Final = 1e-3  # spread of a unit over its layer's root mean square
CONSTANT: Final = 0.2
COLLAPSED: Final = 0.1  # effective rank over units
OTHERWISE: Final = 2.0  # times its spread on training's rows, or a half of it; or its mean is a spread away
FLUCTUATES: Final = 0.2  # share of a layer's live units
FELL: Final = 0.1  # AUC: a layer that has just begun to learn lags by less


def dead_units(traces: Traces) -> Iterator[Finding]:
    """Units of a layer without negative outputs (ReLU-like) that no sampled row made positive / units."""
    for name, found in _sampled(traces, "activations"):
        positive, absolute, mean, _ = _joined(found)
        if not np.allclose(absolute, mean, rtol=1e-4, atol=1e-12):
            continue  # its outputs may be negative: not dead by that
        share = float(np.mean(positive == 0.0))
        if share >= DEAD:
            yield traces.finding(
                "dead_units", name, max(found), share,
                f"{percent(share)} of the units of {name} are dead (never positive up to step {max(found)}): nothing "
                "flows back through them; look at the learning rate and the initialisation of the biases",
            )  # fmt: skip


def dormant_units(traces: Traces) -> Iterator[Finding]:
    """Units with mean |a| <= 0.025 of the layer's mean of it, that are not plainly dead / units."""
    for name, found in _sampled(traces, "activations"):
        absolute = _joined(found)[1]
        usual = float(absolute.mean())
        share = float(np.mean((absolute <= DORMANT_SCORE * usual) & (absolute > 0.0))) if usual > 0.0 else 0.0
        if share >= DORMANT:
            yield traces.finding(
                "dormant_units", name, max(found), share,
                f"{percent(share)} of the units of {name} are dormant (below {DORMANT_SCORE:g} of the layer's mean "
                "output): the model loses capacity; reset them, or lower the learning rate",
            )  # fmt: skip


def saturated_units(traces: Traces) -> Iterator[Finding]:
    """Outputs of a bounded activation within 1 % of its bounds / outputs."""
    for name in traces.names("activations"):
        table = _rows(traces, name)
        if table is None:
            continue
        share = _saturation(table)
        if share >= SATURATED:
            yield traces.finding(
                "saturated_units", name, max(traces.raw("activations", name)), share,
                f"{percent(share)} of the outputs of {name} are saturated: its gradient is nearly 0; look at the scale "
                "of its weights and inputs",
            )  # fmt: skip


def constant_units(traces: Traces) -> Iterator[Finding]:
    """Live units whose std over rows is below 0.001 of the layer's root mean square / units."""
    for name, found in _sampled(traces, "activations"):
        _, absolute, mean, spread = _joined(found)
        size = math.sqrt(float(np.mean(mean**2 + spread**2)))
        share = float(np.mean((spread <= CONSTANT_AT * size) & (absolute > 0.0))) if size > 0.0 else 0.0
        if share >= CONSTANT:
            yield traces.finding(
                "constant_units", name, max(found), share,
                f"{percent(share)} of the units of {name} say the same of every row: they carry nothing; look at the "
                "inputs' scale and at what feeds this layer",
            )  # fmt: skip


def held_out_units(traces: Traces) -> Iterator[Finding]:
    """Live units that fluctuate on held-out rows otherwise than on those that are learnt from / live units."""
    for name, held in _sampled(traces, "held_out"):
        learnt = _units(traces, name, "activations")
        if not learnt:
            continue
        share, ratio = _otherwise(_joined(learnt), _joined(held))
        if share >= FLUCTUATES:
            yield traces.finding(
                "held_out_units", name, max(held), share,
                f"{percent(share)} of the units of {name} act otherwise on held-out rows (median spread {ratio:.2g} of "
                "that on training's): other data come there, or the layer has learnt its rows by heart",
            )  # fmt: skip


def collapsed_representation(traces: Traces) -> Iterator[Finding]:
    """Effective rank of the centred activations / min(rows, units)."""
    for name in traces.names("activations"):
        table = _rows(traces, name)
        if table is None or table.shape[1] < 8:
            continue
        share = effective_rank(table - table.mean(axis=0)) / min(table.shape)
        if share <= COLLAPSED:
            yield traces.finding(
                "collapsed_representation", name, max(traces.raw("activations", name)), share,
                f"the outputs of {name} span {share * min(table.shape):.1f} of {min(table.shape)} dimensions: the "
                "representation collapsed; look at the learning rate, at its inputs and at regularisation",
            )  # fmt: skip


def layer_probes(traces: Traces) -> Iterator[Finding]:
    """AUC of an online logistic regression on each layer's activations; it should not fall with depth."""
    found = probes(traces)
    best: tuple[str, float] | None = None
    for name, auc in found.items():
        if best is not None and auc < best[1] - FELL:
            yield traces.finding(
                "layer_probes", name, max(traces.raw("activations", name)), auc,
                f"{name} tells the labels apart worse than {best[0]} before it (AUC {auc:.3f} after {best[1]:.3f}): "
                "what the model has learnt is lost there",
            )  # fmt: skip
        best = (name, auc) if best is None or auc > best[1] else best


def probes(traces: Traces) -> dict[str, float]:
    """The prequential AUC of each layer, in the order of the model; of the steps that also have labels."""
    labels = traces.raw("outputs", "labels")
    found: dict[str, float] = {}
    for name in traces.names("activations"):
        raw = sorted(traces.raw("activations", name).items())
        parts = [(a, labels[step]) for step, a in raw if step in labels and a.ndim > 1]
        pairs = [(a.reshape(len(a), -1), y.ravel()[: len(a)]) for a, y in parts if len(a) and len(a) <= y.size]
        if sum(len(y) for _, y in pairs) >= 4 * LEAST and len({a.shape[1] for a, _ in pairs}) == 1:
            auc = _prequential(np.concatenate([a for a, _ in pairs]), np.concatenate([y for _, y in pairs]))
            if math.isfinite(auc):
                found[name] = auc
    return found


def effective_rank(matrix: Floats) -> float:
    """Exponential of the entropy of the normalised singular values (Roy and Vetterli 2007); 0 for zeros.

    >>> round(effective_rank(np.eye(4)), 3), round(effective_rank(np.ones((4, 4))), 3)
    (4.0, 1.0)
    """
    sizes = np.linalg.svd(np.nan_to_num(matrix, posinf=0.0, neginf=0.0), compute_uv=False)
    if not sizes.sum() > 0.0:
        return 0.0
    share = sizes[sizes > 1e-12 * sizes.max()] / sizes.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def _rows(traces: Traces, name: str) -> Floats | None:
    """All sampled rows of a layer, None where there are too few."""
    found = [array.reshape(-1, array.shape[-1]) for array in traces.raw("activations", name).values() if array.ndim > 1]
    found = [rows for rows in found if rows.shape[1] == found[-1].shape[1]]
    if sum(map(len, found)) < LEAST:
        return None
    table = np.concatenate(found)
    return table[np.isfinite(table).all(axis=1)] if len(table) else None


def _otherwise(learnt: Floats, held: Floats) -> tuple[float, float]:
    """Share of the live units that act otherwise on held-out rows, and the median ratio of the spreads."""
    (_, _, mean, spread), (_, _, other_mean, other) = learnt, held
    if len(spread) != len(other):
        return 0.0, math.nan
    live = spread > CONSTANT_AT * math.sqrt(float(np.mean(mean**2 + spread**2)))
    if not live.any():
        return 0.0, math.nan
    is_other = (other > OTHERWISE * spread) | (OTHERWISE * other < spread) | (np.abs(other_mean - mean) > spread)
    return float(np.mean(is_other[live])), float(np.median(other[live] / spread[live]))


def _sampled(traces: Traces, collection: str) -> Iterator[tuple[str, dict[int, Floats]]]:
    """The layers with enough rows in a collection, and their statistics by unit and step."""
    for name in traces.names(collection):
        found = _units(traces, name, collection)
        if found:
            yield name, found


def _units(traces: Traces, name: str, collection: str) -> dict[int, Floats]:
    """Statistics of a layer by unit and step, none of too few rows; they do not say of how many: a step has 64."""
    found, raw = traces.units(name, collection), traces.raw(collection, name)
    rows = sum(len(array) for array in raw.values() if array.ndim) + 64 * max(0, len(found) - len(raw))
    return found if rows >= LEAST else {}


def _joined(found: dict[int, Floats]) -> Floats:
    """Statistics by unit over all steps: [4, units]; the spread is that within a step."""
    width = found[max(found)].shape[1]
    whole = np.stack([one for one in found.values() if one.shape[1] == width])
    mean: Floats = np.asarray(whole.mean(axis=0))
    mean[3] = np.sqrt(np.mean(whole[:, 3] ** 2, axis=0))
    return mean


def _saturation(table: Floats) -> float:
    """Share of outputs at a bound; 0 for what has no bounds, or is exactly 0 as a ReLU is."""
    low, high = float(table.min(initial=0.0)), float(table.max(initial=0.0))
    if low < -1e-6 and low >= -1.0 and high <= 1.0:
        return float(np.mean(np.abs(table) > SATURATED_AT))
    if low >= 0.0 and 0.5 < high <= 1.0 and not np.any((table == 0.0).mean(axis=0) > 0.05):
        return float(np.mean((table < 1.0 - SATURATED_AT) | (table > SATURATED_AT)))
    return 0.0


def _prequential(x: Floats, y: Floats) -> float:
    """AUC of the second half's predictions, each made before its batch was learnt from; NaN without both labels."""
    usable = np.isfinite(x).all(axis=1) & np.isfinite(y)
    x, y = x[usable], (y[usable] > 0.5).astype(np.float64)
    half = len(x) // 2
    mean, spread = x[:half].mean(axis=0), x[:half].std(axis=0)
    x = np.c_[(x - mean) / np.where(spread > 1e-9, spread, 1.0), np.ones(len(x))]
    weight, size, scores = np.zeros(x.shape[1]), np.full(x.shape[1], 1e-8), np.zeros(len(x))
    for turn in range(4):  # the first half three times, then the second once, as it comes
        for start in range(0 if turn < 3 else half, half if turn < 3 else len(x), 32):
            part = slice(start, min(start + 32, half if turn < 3 else len(x)))
            scores[part] = x[part] @ weight
            gradient = x[part].T @ (1.0 / (1.0 + np.exp(-np.clip(scores[part], -30, 30))) - y[part]) / 32
            size += gradient**2
            weight -= 0.1 * gradient / np.sqrt(size)  # AdaGrad
    return _auc(scores[half:], y[half:])


def _auc(scores: Floats, known: Floats) -> float:
    labels = known > 0.5
    positives = int(labels.sum())
    if not 0 < positives < len(labels):
        return math.nan
    order = np.argsort(np.argsort(scores)) + 1.0
    ties = {value: order[scores == value].mean() for value in np.unique(scores)} if len(np.unique(scores)) < 9 else {}
    ranks = np.array([ties[value] for value in scores]) if ties else order
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * (len(labels) - positives)))
