"""How good the predictions are by their labels: ranking, entropy, calibration; each prediction made before its update.

Twice, and never compared with each other: of the rows as they were trained on, at once but in the order in which their
labels came; and by cohort (`@H`), of the rows that became H old, whatever time their labels took.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, cast

from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.sample_quality.labels import is_covered
from streamgauge.pipelines.statistics import Estimate, pcoc_bound
from streamgauge.pipelines.statistics import auc as auc_of
from streamgauge.pipelines.statistics import auc_volatility as volatility_of
from streamgauge.pipelines.statistics import ece as ece_of
from streamgauge.pipelines.statistics import normalized_entropy as entropy_of
from streamgauge.pipelines.statistics import pcoc as pcoc_of
from streamgauge.pipelines.statistics.measures import NOTHING, UNKNOWN, finite, is_trusted, single
from streamgauge.pipelines.stream.memory import Trail
from streamgauge.tracer.summaries import Histogram, LabelBuckets

Compute = Callable[[View], Values]
Source = Callable[[View], LabelBuckets | None]
FEW: Final = 20.0  # positives below which only a bound of PCOC is known
LATE: Final = 60.0  # seconds of the median label delay from which on windows hold the labels of other times


def trained(view: View) -> LabelBuckets | None:
    """The rows that were trained on in the window."""
    return view.sketches(LabelBuckets, "train", "labels").get("")


def cohort(view: View) -> LabelBuckets | None:
    """The labelled rows that became H old in the window."""
    return view.sketches(LabelBuckets, "label", "cohort").get("")


def normalized_entropy(source: Source) -> Compute:
    """Log loss / entropy of the base rate; the evidence is the rarer label."""
    return _judged(source, lambda view, labels: _estimated(entropy_of(labels), _minority(labels)))


def auc(source: Source) -> Compute:
    """Area under the ROC curve with its Hanley-McNeil error; the floor is the bound of the bucketing."""

    def compute(view: View, labels: LabelBuckets) -> Values:
        found = auc_of(labels)
        return single(found.value, _minority(labels), finite(found.error), finite(found.bound))

    return _judged(source, compute)


def pcoc(source: Source) -> Compute:
    """Predicted over observed positives; the evidence is the positives.

    With too few of them it is unknown, unless far more were predicted: then its lower bound is, at three sigmas. The
    floor is what is right: 1 where labels come at once, and of a cohort; where they are late (0) only its own past can
    tell.
    """

    def compute(view: View, labels: LabelBuckets) -> Values:
        found, positives, predicted = pcoc_of(labels), _positives(labels), math.fsum(labels.sum_p.tolist())
        right = 0.0 if source is trained and _labels_are_late(view) else 1.0
        if positives < view.config.minimum.get("pcoc", FEW) <= predicted and (bound := pcoc_bound(labels)) > 1.0:
            return single(bound, predicted, floor=right)
        return single(found.value, positives, finite(found.error), right)

    return _judged(source, compute)


def ece(source: Source) -> Compute:
    """Expected calibration error relative to the base rate; the floor is what a perfect model shows."""
    return _judged(source, lambda view, labels: _estimated(ece_of(labels), _positives(labels)))


def auc_volatility(view: View) -> Values:
    """Spread of the AUC over the trailing windows beyond its sampling noise / (mean - 0.5)."""
    trail = cast("Trail | None", view.memory("auc", ""))
    if trail is None or not len(trail.values):
        return NOTHING
    history = trail.of(("error", "value"))
    found = volatility_of(history[:, 1], history[:, 0])
    return single(found.value, float(len(history)))


def _judged(source: Source, compute: Callable[[View, LabelBuckets], Values]) -> Compute:
    """Unknown where many rows are invalid, or fewer of the cohort are labelled than usual."""

    def judged(view: View) -> Values:
        labels = source(view)
        if labels is None:
            return NOTHING
        if not is_trusted(labels) or (source is cohort and not is_covered(view)):
            return UNKNOWN
        return compute(view, labels)

    return judged


def _estimated(found: Estimate, evidence: float) -> Values:
    return single(found.value, evidence, finite(found.error), finite(found.floor))


def _labels_are_late(view: View) -> bool:
    delays = view.sketches(Histogram, "label", "label_delay").get("")
    return delays is not None and delays.quantile(0.5) >= LATE


def _positives(labels: LabelBuckets) -> float:
    return labels.effective_positives


def _minority(labels: LabelBuckets) -> float:
    return min(labels.effective_positives, labels.effective_negatives)
