"""What masking does to a model's predictions, row by row: losses, ranks and scores against those without the mask."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.statistics import auc
from streamgauge.pipelines.statistics.grouped import gauc
from streamgauge.tracer.summaries import Groups, LabelBuckets

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]  # rows along the first axis
CLIP: Final = 1e-7
PAIRINGS: Final = 4  # partners of a row in the strict agreement rate


class Effect(NamedTuple):
    """What a mask changed, of the rows that it was tried on; NaN where it cannot be known."""

    features: tuple[str, ...]
    rows: int
    loss_gap: float  # mean log loss with the mask - without: what the features save, nats a row
    error: float  # standard error of the loss gap, from the pairs of predictions of the same rows
    auc_gap: float  # AUC without the mask - with it
    gauc_gap: float  # the same of the GAUC; NaN without groups
    agreement: float  # strict agreement rate: share of pairs of rows that both order in the same strict way
    score_mean: float  # mean change of the score, probability
    score_std: float  # standard deviation of that change
    misleading: float  # mean of what the mask takes off the loss of the rows where the loss falls, nats a row
    misled: float  # share of the rows where the loss falls


def effect(
    features: tuple[str, ...], base: Floats, masked: Floats, labels: Floats, random: np.random.Generator,
    groups: NDArray[np.uint64] | None = None,
) -> Effect:  # fmt: skip
    """The effect of one mask.

    Args:
        features: what was masked.
        base: predictions of the rows as they are, shape [n].
        masked: predictions of the same rows with the mask.
        labels: 0 or 1.
        random: picks the pairs of the strict agreement rate.
        groups: hashes of the rows' groups, for the GAUC.
    """
    n = len(labels)
    if not n:
        nan = math.nan
        return Effect(features, 0, nan, nan, nan, nan, nan, nan, nan, nan, nan)
    gap = losses(masked, labels) - losses(base, labels)
    change = masked - base
    falls = gap < 0.0
    return Effect(
        features, n, float(gap.mean()), float(gap.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan,
        _auc(base, labels) - _auc(masked, labels),
        math.nan if groups is None else _gauc(groups, base, labels) - _gauc(groups, masked, labels),
        agreement(base, masked, random), float(change.mean()), float(change.std()),
        float(np.maximum(0.0, -gap).mean()), float(falls.mean()),
    )  # fmt: skip


def losses(predicted: Floats, labels: Floats) -> Floats:
    """Log loss of each row, nats."""
    p = np.clip(predicted, CLIP, 1.0 - CLIP)
    result: Floats = -np.where(labels > 0.5, np.log(p), np.log1p(-p))
    return result


def agreement(base: Floats, masked: Floats, random: np.random.Generator) -> float:
    """Share of drawn pairs that `masked` orders as strictly as `base` does; NaN where `base` orders none.

    >>> p = np.array([0.1, 0.2, 0.3])
    >>> agreement(p, p**2, np.random.default_rng(0)), agreement(p, -p, np.random.default_rng(0))
    (1.0, 0.0)
    """
    order = random.permutation(len(base))
    same = strict = 0
    for step in range(1, min(PAIRINGS, len(base) - 1) + 1):
        other = np.roll(order, step)
        before = np.sign(base[order] - base[other])
        after = np.sign(masked[order] - masked[other])
        strict += int(np.count_nonzero(before))
        same += int(np.count_nonzero((before == after) & (before != 0)))
    return same / strict if strict else math.nan


def _auc(predicted: Floats, labels: Floats) -> float:
    return auc(LabelBuckets.of(np.clip(predicted, 0.0, 1.0), labels)).value


def _gauc(groups: NDArray[np.uint64], predicted: Floats, labels: Floats) -> float:
    return gauc(Groups.of(groups, np.clip(predicted, 0.0, 1.0), labels)).value
