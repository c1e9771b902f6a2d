"""How good predictions are beyond rank and size: log loss, Brier score, PR-AUC, best F1; of the job as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable

from streamgauge.pipelines import statistics
from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics import Estimate
from streamgauge.pipelines.statistics.measures import NOTHING, UNKNOWN, is_trusted, single
from streamgauge.tracer.summaries import LabelBuckets


def log_loss(view: View) -> Values:
    """Mean log loss in nats; the evidence is the rarer label, as for all here."""
    return _judged(view, lambda labels: Estimate(statistics.log_loss(labels)))


def brier(view: View) -> Values:
    """Mean squared distance of prediction and label."""
    return _judged(view, statistics.brier)


def pr_auc(view: View) -> Values:
    """Average precision."""
    return _judged(view, statistics.pr_auc)


def max_f1(view: View) -> Values:
    """The best F1 that a threshold gives."""
    return _judged(view, statistics.max_f1)


def _judged(view: View, estimate: Callable[[LabelBuckets], Estimate]) -> Values:
    labels = view.sketches(LabelBuckets, "train", "labels").get("")
    if labels is None:
        return NOTHING
    if not is_trusted(labels):
        return UNKNOWN
    found = estimate(labels)
    rarer = min(labels.effective_positives, labels.effective_negatives)
    return single(found.value, rarer, *(x if math.isfinite(x) else 0.0 for x in (found.error, found.floor)))
