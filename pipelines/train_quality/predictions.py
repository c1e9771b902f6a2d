"""What the predictions say before any label is known: those that are none, their mean, their drift."""

from __future__ import annotations

import math
from typing import Final

from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics import drift_of, prediction_counts
from streamgauge.pipelines.statistics.measures import NOTHING, UNKNOWN, finite, is_trusted, proportion, single
from streamgauge.tracer.summaries import Buckets, Moments

LEAST_REFERENCE: Final = 2000.0  # rows of a reference before drift from it is known


def invalid_predictions(view: View) -> Values:
    """Predictions that are no probability / predictions."""
    buckets = view.sketches(Buckets, "sample", "prediction").get("")
    return NOTHING if buckets is None else proportion(buckets.invalid, buckets.rows + buckets.invalid)


def prediction_mean(view: View) -> Values:
    """Mean prediction of all rows, labelled or not; with a keep rate of those that were left out, too."""
    buckets = view.sketches(Buckets, "sample", "prediction").get("")
    if buckets is None:
        return NOTHING
    if not is_trusted(buckets):
        return UNKNOWN
    rows, weight = float(buckets.rows), view.total("sample", "prediction_weight")
    mean = view.total("sample", "prediction_total") / weight if weight else buckets.mean()
    moments = view.sketches(Moments, "sample", "prediction").get("")
    std = moments.std() if moments is not None else _bernoulli(buckets.mean())
    return single(mean, rows, finite(std) / math.sqrt(max(rows, 1.0)))


def prediction_psi(view: View) -> Values:
    """PSI of all rows' predictions against the reference; the floor is what no drift gives."""
    buckets = view.sketches(Buckets, "sample", "prediction").get("")
    past = view.reference(Buckets, "sample", "prediction", "")
    if buckets is None or past is None or past.rows < LEAST_REFERENCE or not buckets.rows:
        return NOTHING
    if not is_trusted(buckets):
        return UNKNOWN
    found = drift_of(*prediction_counts(buckets, past))
    return single(found.value, float(buckets.rows), 0.0, found.floor)


def _bernoulli(p: float) -> float:
    return math.sqrt(p * (1.0 - p)) if p == p else 0.0
