"""How far a distribution has moved from its reference: population stability index and Jensen-Shannon distance."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv

from streamgauge.pipelines.statistics.binning import (
    NUMERIC_BINS,
    Integers,
    count_ids,
    count_keys,
    count_numeric,
    count_predictions,
    cuts_of,
    id_slack,
    id_vocabulary,
    numeric_cuts,
    prediction_cuts,
)
from streamgauge.pipelines.statistics.estimate import Estimate, Floats
from streamgauge.tracer.summaries import Buckets, Heavy, Histogram, ValueCounts

FLOOR_LEVEL: Final = 0.999  # share of windows without drift whose PSI stays below the floor
REFERENCES: Final = 1_024  # references whose bins are kept: they stay the same for a day
_ADDED: Final = 0.5  # to each bin count, so that an empty bin is no infinite drift


def psi(current: ArrayLike, reference: ArrayLike) -> float:
    """Population stability index in nats: sum over bins of (p - q) ln(p / q), 0.5 added to each bin count.

    Bins that are empty on both sides are left out. It is the symmetrised Kullback-Leibler divergence (Jeffreys 1946).
    The usual 0.1 and 0.25 bands hold above the floor only: without drift its mean is (B - 1) (1/n + 1/m) (Yurdakul
    2018).

    >>> psi([50, 50], [50, 50]), round(psi([90, 10], [50, 50]), 2)
    (0.0, 0.85)
    """
    p, q = np.asarray(current, np.float64), np.asarray(reference, np.float64)
    held = p + q > 0
    p, q = _shares(p[held], _ADDED), _shares(q[held], _ADDED)
    return math.fsum(((p - q) * np.log(p / q)).tolist())


def psi_floor(rows: float, reference_rows: float, bins: int) -> float:
    """What PSI reaches without drift once in 1,000 windows, nats: chi2 quantile 0.999, B - 1 degrees, x (1/n + 1/m).

    >>> round(psi_floor(16384, 16384, 20), 4)
    0.0053
    """
    return chi2_quantile(bins - 1, FLOOR_LEVEL) * (1.0 / rows + 1.0 / reference_rows)


def js_distance(current: ArrayLike, reference: ArrayLike) -> float:
    """Jensen-Shannon distance, 0..1: square root of the divergence in base 2 (Endres and Schindelin 2003).

    >>> js_distance([1, 0], [0, 1]), js_distance([2, 2], [1, 1])
    (1.0, 0.0)
    """
    p, q = _shares(current, 0.0), _shares(reference, 0.0)
    middle = 0.5 * (p + q)
    divergence = 0.5 * (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / math.log(2.0)
    return math.sqrt(min(max(divergence, 0.0), 1.0))


def drift_of(current: ArrayLike, reference: ArrayLike, doubt: float = 0.0) -> Estimate:
    """PSI of counts in the same bins, with its floor; NaN where either side is empty.

    `doubt` is the PSI between the counts and what they may be (`id_doubt`); as roots of PSI near 0 are distances, the
    floor with it is (sqrt(floor) + sqrt(doubt))^2.
    """
    p, q = np.asarray(current, np.float64), np.asarray(reference, np.float64)
    rows, reference_rows = float(p.sum()), float(q.sum())
    if rows <= 0 or reference_rows <= 0:
        return Estimate(math.nan, math.nan, math.nan)
    bins = int(np.count_nonzero(p + q))
    floor = psi_floor(rows, reference_rows, max(bins, 2))
    return Estimate(psi(p, q), floor=(math.sqrt(floor) + math.sqrt(doubt)) ** 2 if doubt else floor)


def numeric_counts(current: Histogram, reference: Histogram) -> tuple[Floats, Floats]:
    """Counts of both in at most 20 bins that the reference fixes."""
    cuts, counts = _numeric(reference)
    return count_numeric(cuts, current).astype(np.float64), counts


def fine_counts(current: ValueCounts, reference: ValueCounts) -> tuple[Floats, Floats]:
    """The same on the coarser grid of both, where a histogram's buckets are too wide."""
    level = min(current.level, reference.level)
    past, now = reference.at(level), current.at(level)
    cuts = cuts_of(past.keys.astype(np.int64), past.counts, NUMERIC_BINS)
    counts = [count_keys(cuts, one.keys, one.counts).astype(np.float64) for one in (now, past)]
    return counts[0], counts[1]


def id_counts(current: Heavy, reference: Heavy) -> tuple[Floats, Floats]:
    """Counts of both in the reference's top 50 values and one bin for all others."""
    vocabulary, counts = _ids(reference)
    return count_ids(vocabulary, current), counts


def id_doubt(current: Heavy, reference: Heavy) -> float:
    """PSI that the errors of both sketches alone can make: sum of (slack / rows)^2 / share, of either side.

    0 while there are at most 256 values.
    """
    vocabulary, counts = _ids(reference)
    if not (current.bound or reference.bound) or not len(vocabulary):
        return 0.0
    share = np.maximum(counts, 1.0) / max(reference.total, 1)
    sides = [id_slack(vocabulary, side) / max(side.total, 1) for side in (current, reference)]
    return math.fsum(((sides[0] + sides[1]) ** 2 / share).tolist())


def prediction_counts(current: Buckets, reference: Buckets) -> tuple[Floats, Floats]:
    """Counts of both in at most 20 bins of predictions that the reference fixes."""
    cuts, counts = _predictions(reference)
    return count_predictions(cuts, current).astype(np.float64), counts


@lru_cache(REFERENCES)
def _numeric(reference: Histogram) -> tuple[Integers, Floats]:
    cuts = numeric_cuts(reference)
    return cuts, count_numeric(cuts, reference).astype(np.float64)


@lru_cache(REFERENCES)
def _ids(reference: Heavy) -> tuple[NDArray[np.uint64], Floats]:
    vocabulary = id_vocabulary(reference)
    return vocabulary, count_ids(vocabulary, reference)


@lru_cache(REFERENCES)
def _predictions(reference: Buckets) -> tuple[Integers, Floats]:
    cuts = prediction_cuts(reference)
    return cuts, count_predictions(cuts, reference).astype(np.float64)


@lru_cache(REFERENCES)
def chi2_quantile(degrees: float, level: float) -> float:
    """Quantile of the chi-squared law, 0 for no degrees.

    >>> round(chi2_quantile(1, 0.95), 3)
    3.841
    """
    return 2.0 * float(gammaincinv(degrees / 2.0, level)) if degrees > 0 else 0.0


def _shares(counts: ArrayLike, added: float) -> Floats:
    smoothed = np.asarray(counts, np.float64) + added
    total = math.fsum(smoothed.tolist())
    return smoothed / total if total else smoothed


def _relative_entropy(p: Floats, q: Floats) -> float:
    held = p > 0
    return math.fsum((p[held] * np.log(p[held] / q[held])).tolist())


CACHED: Final = (_numeric, _ids, _predictions, chi2_quantile)
