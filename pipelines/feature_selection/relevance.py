"""Feature AUC and feature GAUC: how well a feature's own value ranks, whatever the model makes of it."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.feature_selection.effects import Floats
from streamgauge.pipelines.statistics import auc
from streamgauge.pipelines.statistics.grouped import gauc
from streamgauge.tracer.summaries import Groups, LabelBuckets

BINS: Final = 20  # of numbers, of equal mass
PRIOR: Final = 20.0  # rows of the base rate that smooth a bin's rate


def feature_gauc(
    column: NDArray[Any], labels: Floats, random: np.random.Generator, groups: NDArray[np.uint64] | None = None
) -> float:
    """GAUC (AUC without groups) of the label rates of the value's bin, each row scored by rates of the other half.

    0.5 says nothing of the order within a group: a user's age cannot rank that user's impressions. Rates come from the
    other half of the rows, so an id that was seen once scores nothing by its own label; groups are halved whole, else
    a row's own label would count against it among its group's. NaN without both classes.
    """
    codes = _codes(column)
    units = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1].ravel()
    half = (random.permutation(int(units.max(initial=-1)) + 1) % 2)[units]
    scores = np.empty(len(labels))
    for side in (0, 1):
        scores[half == side] = _rates(codes, labels, half != side)[codes[half == side]]
    if groups is None:
        return auc(LabelBuckets.of(scores, labels)).value
    return gauc(Groups.of(groups, scores, labels)).value


def _rates(codes: NDArray[np.int64], labels: Floats, rows: NDArray[np.bool_]) -> Floats:
    size = int(codes.max(initial=0)) + 1
    counts = np.bincount(codes[rows], minlength=size)
    hits = np.bincount(codes[rows], labels[rows], minlength=size)
    base = float(labels[rows].mean()) if rows.any() else math.nan
    rates: Floats = (hits + PRIOR * base) / (counts + PRIOR)
    return rates


def _codes(column: NDArray[Any]) -> NDArray[np.int64]:
    """A bin for each row: equal-mass ones of numbers, else one a value; missing numbers have their own."""
    if column.dtype.kind == "f":
        known = column[np.isfinite(column)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.zeros(0)
        placed = np.searchsorted(edges, column, side="right") + 1
        return np.where(np.isfinite(column), placed, 0).astype(np.int64)
    values = column.astype(str) if column.dtype.hasobject else column
    codes: NDArray[np.int64] = np.unique(values, return_inverse=True)[1].astype(np.int64).ravel()
    return codes
