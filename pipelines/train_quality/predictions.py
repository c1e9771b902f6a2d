"""How good the predictions are: ranking, calibration, information, drift; each prediction made before its update."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, cast

from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics import Estimate, drift_of, pcoc_bound, prediction_counts
from streamgauge.pipelines.statistics import auc as auc_of
from streamgauge.pipelines.statistics import auc_volatility as volatility_of
from streamgauge.pipelines.statistics import ece as ece_of
from streamgauge.pipelines.statistics import normalized_entropy as entropy_of
from streamgauge.pipelines.statistics import pcoc as pcoc_of
from streamgauge.pipelines.statistics.measures import NOTHING, proportion, single
from streamgauge.pipelines.stream.memory import Trail
from streamgauge.tracer.summaries import Buckets, Histogram, LabelBuckets, Moments

UNKNOWN: Final = single(math.nan, 0.0)
MOST_INVALID: Final = 0.01  # beyond this share of invalid predictions or labels, what depends on them is unknown
FEW: Final = 20.0  # positives below which only a bound of PCOC is known
LATE: Final = 60.0  # seconds of the median label delay from which on windows hold the labels of other times
LEAST_REFERENCE: Final = 2000.0  # rows of a reference before drift from it is known


def normalized_entropy(view: View) -> Values:
    """Log loss / entropy of the base rate; the evidence is the rarer label."""
    return _of_labels(view, entropy_of, _minority)


def auc(view: View) -> Values:
    """Area under the ROC curve with its Hanley-McNeil error; the floor is the bound of the bucketing."""
    labels = _labels(view)
    if labels is None:
        return NOTHING
    if not _is_trusted(labels):
        return UNKNOWN
    found = auc_of(labels)
    return single(found.value, _minority(labels), _finite(found.error), _finite(found.bound))


def pcoc(view: View) -> Values:
    """Predicted over observed positives; the evidence is the positives.

    With too few of them it is unknown, unless far more were predicted: then its lower bound is, at three sigmas. The
    floor is what is right: 1 where labels come at once; where they are late (0) only its own past can tell.
    """
    labels = _labels(view)
    if labels is None:
        return NOTHING
    if not _is_trusted(labels):
        return UNKNOWN
    found, positives, predicted = pcoc_of(labels), _positives(labels), math.fsum(labels.sum_p.tolist())
    right = 0.0 if _labels_are_late(view) else 1.0
    if positives < view.config.minimum.get("pcoc", FEW) <= predicted and (bound := pcoc_bound(labels)) > 1.0:
        return single(bound, predicted, floor=right)
    return single(found.value, positives, _finite(found.error), right)


def ece(view: View) -> Values:
    """Expected calibration error relative to the base rate; the floor is what a perfect model shows."""
    return _of_labels(view, ece_of, _positives)


def auc_volatility(view: View) -> Values:
    """Spread of the AUC over the trailing windows beyond its sampling noise / (mean - 0.5)."""
    trail = cast("Trail | None", view.memory("auc", ""))
    if trail is None or not len(trail.values):
        return NOTHING
    history = trail.of(("error", "value"))
    found = volatility_of(history[:, 1], history[:, 0])
    return single(found.value, float(len(history)))


def invalid_predictions(view: View) -> Values:
    """Predictions that are no probability / predictions."""
    buckets = view.sketches(Buckets, "sample", "prediction").get("")
    return NOTHING if buckets is None else proportion(buckets.invalid, buckets.rows + buckets.invalid)


def prediction_mean(view: View) -> Values:
    """Mean prediction of all rows, labelled or not."""
    buckets = view.sketches(Buckets, "sample", "prediction").get("")
    if buckets is None:
        return NOTHING
    if not _is_trusted(buckets):
        return UNKNOWN
    rows = float(buckets.rows)
    moments = view.sketches(Moments, "sample", "prediction").get("")
    std = moments.std() if moments is not None else _bernoulli(buckets.mean())
    return single(buckets.mean(), rows, _finite(std) / math.sqrt(max(rows, 1.0)))


def prediction_psi(view: View) -> Values:
    """PSI of all rows' predictions against the reference; the floor is what no drift gives."""
    buckets = view.sketches(Buckets, "sample", "prediction").get("")
    past = view.reference(Buckets, "sample", "prediction", "")
    if buckets is None or past is None or past.rows < LEAST_REFERENCE or not buckets.rows:
        return NOTHING
    if not _is_trusted(buckets):
        return UNKNOWN
    found = drift_of(*prediction_counts(buckets, past))
    return single(found.value, float(buckets.rows), 0.0, found.floor)


def _labels_are_late(view: View) -> bool:
    delays = view.sketches(Histogram, "label", "label_delay").get("")
    return delays is not None and delays.quantile(0.5) >= LATE


def _labels(view: View) -> LabelBuckets | None:
    return view.sketches(LabelBuckets, "train", "labels").get("")


def _is_trusted(found: Buckets | LabelBuckets) -> bool:
    """Whether few are invalid: where many are, what is left of them is no fair sample."""
    return found.invalid <= MOST_INVALID * (found.rows + found.invalid)


def _of_labels(
    view: View, estimate: Callable[[LabelBuckets], Estimate], evidence: Callable[[LabelBuckets], float]
) -> Values:
    labels = _labels(view)
    if labels is None:
        return NOTHING
    if not _is_trusted(labels):
        return UNKNOWN
    found = estimate(labels)
    return single(found.value, evidence(labels), _finite(found.error), _finite(found.floor))


def _positives(labels: LabelBuckets) -> float:
    return float(labels.positive_rows)


def _minority(labels: LabelBuckets) -> float:
    return float(min(labels.positive_rows, labels.rows - labels.positive_rows))


def _bernoulli(p: float) -> float:
    return math.sqrt(p * (1.0 - p)) if p == p else 0.0


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
