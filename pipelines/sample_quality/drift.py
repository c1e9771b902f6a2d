"""How far the features have moved from their reference distributions, and what they say about the label."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median
from typing import Final

import numpy as np

from streamgauge.pipelines.metrics import Floats, Values, View
from streamgauge.pipelines.statistics import (
    drift_of,
    fine_counts,
    id_counts,
    id_doubt,
    information_value,
    js_distance,
    numeric_counts,
)
from streamgauge.pipelines.statistics.measures import values
from streamgauge.tracer.summaries import Bins, Heavy, Histogram, Moments, ValueCounts

LEAST_REFERENCE: Final = 2000.0  # rows of a reference before drift from it is known
COVERED: Final = 0.9  # of the rows, from which on finer counts stand for all of them
LEAST_DAYS: Final = 4  # reference windows before a change rate is known
BELIEVED_DAYS: Final = 20  # with fewer, the spread is shrunk towards what the whole series shows
MAD_SIGMA: Final = 1.4826  # makes the MAD estimate sigma for a normal law
_Columns = tuple[float, float, float, float]


def psi(view: View) -> Values:
    """Population stability index against the reference, nats; the floor is what no drift gives."""
    return _against_reference(view, _psi)


def js(view: View) -> Values:
    """Jensen-Shannon distance from the reference, 0..1."""
    return _against_reference(view, lambda p, q, doubt: (js_distance(p, q), float(p.sum()), 0.0, 0.0))


def change_rate(view: View) -> Values:
    """(Mean - median of the daily means) / s, in sigmas; s holds their spread and the mean's sampling error."""
    found = {e: m for e, m in view.sketches(Moments, "sample", "profile").items() if m.count}
    trail = view.memory("mean", "")
    history = np.zeros((0, len(found))) if trail is None else trail.of(tuple(found))
    sigma = changes_in_sigmas(
        np.array([m.mean() for m in found.values()]),
        np.array([m.std() / math.sqrt(m.count) for m in found.values()]),
        history,
    )
    rows = [float(m.count) for m in found.values()]
    return values(list(found), [(x, n, 1.0, 0.0) for x, n in zip(sigma.tolist(), rows, strict=True)])


def changes_in_sigmas(current: Floats, error: Floats, history: Floats) -> Floats:
    """How many sigmas each of n values is from its history of shape [days, n]; NaN with too little history.

    s^2 = (1.4826 MAD)^2 + error^2 + eps^2; below 20 days the MAD's square is shrunk, (n MAD^2 + 20 P^2) / (n + 20),
    with P^2 the mean squared difference of successive days / 2 (von Neumann 1941), which a slow trend does not move.
    """
    sigma = np.full(len(current), np.nan)
    for i, (value, se, column) in enumerate(zip(current.tolist(), error.tolist(), history.T.tolist(), strict=True)):
        days = [day for day in column if math.isfinite(day)]
        if len(days) >= LEAST_DAYS and math.isfinite(value):
            center, spread = _center_and_spread(days)
            epsilon = 1e-9 * max(abs(center), 1e-9)
            noise = se if math.isfinite(se) else 0.0
            sigma[i] = (value - center) / math.sqrt(spread + noise**2 + epsilon**2)
    return sigma


def _center_and_spread(days: list[float]) -> tuple[float, float]:
    """Median, and the variance that goes with it."""
    center = median(days)
    spread = (MAD_SIGMA * median(abs(day - center) for day in days)) ** 2
    if len(days) >= BELIEVED_DAYS:
        return center, spread
    own = math.fsum((after - before) ** 2 for before, after in pairwise(days)) / (2.0 * (len(days) - 1))
    return center, (len(days) * spread + BELIEVED_DAYS * own) / (len(days) + BELIEVED_DAYS)


def iv(view: View) -> Values:
    """Information value of the feature for the label, nats; the floor is what shuffled labels give."""
    found = view.sketches(Bins, "train", "bins")
    columns = []
    for bins in found.values():
        value = information_value(bins)
        columns.append((value.value, _minority(bins), value.error, value.floor))
    return values(list(found), columns)


def iv_seed(view: View) -> Values:
    """The terms of IV x the bin's share of rows (the DeepInsight formula)."""
    found = view.sketches(Bins, "train", "bins")
    return values(list(found), [(information_value(b).seed, _minority(b), 0.0, 0.0) for b in found.values()])


def _minority(bins: Bins) -> float:
    positives = int(bins.positives.sum()) + bins.other[0] + bins.missing[0]
    return float(min(positives, bins.rows - positives))


def _psi(current: Floats, reference: Floats, doubt: float) -> _Columns:
    found = drift_of(current, reference, doubt)
    return found.value, float(current.sum()), 0.0, found.floor


def _against_reference(view: View, measure: Callable[[Floats, Floats, float], _Columns]) -> Values:
    found = {entity: measure(p, q, doubt) for entity, p, q, doubt in _binned(view)}
    return values(list(found), list(found.values()))


def _binned(view: View) -> Iterator[tuple[str, Floats, Floats, float]]:
    """Counts of window and reference in the reference's bins, and what they leave open; numeric features first."""
    numeric = view.sketches(Histogram, "sample", "profile")
    for entity, histogram in numeric.items():
        past = view.reference(Histogram, "sample", "profile", entity)
        if past is not None and past.total >= LEAST_REFERENCE and histogram.total:
            yield entity, *(_finely(view, entity, histogram, past) or numeric_counts(histogram, past)), 0.0
    for entity, heavy in view.sketches(Heavy, "sample", "profile").items():
        known = view.reference(Heavy, "sample", "profile", entity)
        if entity not in numeric and known is not None and known.total >= LEAST_REFERENCE and heavy.total:
            yield entity, *id_counts(heavy, known), id_doubt(heavy, known)


def _finely(view: View, entity: str, histogram: Histogram, past: Histogram) -> tuple[Floats, Floats] | None:
    """The counts on finer bins, where nearly all rows of both sides have been counted in some."""
    current = view.sketches(ValueCounts, "sample", "profile").get(entity)
    if current is None or current.total < COVERED * histogram.total:
        return None
    before = view.reference(ValueCounts, "sample", "profile", entity)
    if before is None or before.total < COVERED * past.total:
        return None
    return fine_counts(current, before)
