"""Ranking within the job's groups, and what the model is worth in its slices; declared in `[jobs.evaluation]`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from streamgauge.pipelines import statistics
from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics import Estimate, grouped
from streamgauge.pipelines.statistics.grouped import Ranked
from streamgauge.pipelines.statistics.measures import MOST_INVALID, finite, is_trusted, values
from streamgauge.tracer.summaries import Groups, LabelBuckets

Column = tuple[float, float, float, float]  # value, rows, error, floor
SLICE: Final = "slice:"
T = TypeVar("T")


def gauc(view: View) -> Values:
    """GAUC by kind of group; the evidence is the groups with both classes, the floor the bound of the bucketing."""

    def column(groups: Groups) -> Column:
        found = grouped.gauc(groups, view.config.evaluation.weight)
        return found.value, float(found.groups), finite(found.error), finite(found.bound)

    return _each(_groups(view), column)


def gauc_share(view: View) -> Values:
    """Weight of the groups with both classes / of all, by kind of group."""

    def column(groups: Groups) -> Column:
        found = grouped.gauc(groups, view.config.evaluation.weight)
        return found.kept_share, float(found.groups + found.skipped), 0.0, 0.0

    return _each(_groups(view), column)


def at_k(name: str) -> Callable[[View], Values]:
    """One of NDCG@K, HR@K, recall@K and MRR: mean over the groups with a positive, which are the evidence."""

    def compute(view: View) -> Values:
        def column(groups: Groups) -> Column:
            found: Ranked = grouped.ranked(groups, view.config.evaluation.k)
            estimate: Estimate = getattr(found, name)
            return estimate.value, float(found.groups), finite(estimate.error), 0.0

        return _each(_groups(view), column)

    return compute


def slice_auc(view: View) -> Values:
    """AUC of each slice."""

    def column(labels: LabelBuckets) -> Column:
        found = statistics.auc(labels)
        return found.value, _rarer(labels), finite(found.error), finite(found.bound)

    return _each(_slices(view), column)


def slice_pcoc(view: View) -> Values:
    """PCOC of each slice; the evidence is the positives."""

    def column(labels: LabelBuckets) -> Column:
        found = statistics.pcoc(labels)
        return found.value, float(labels.positive_rows), finite(found.error), 0.0

    return _each(_slices(view), column)


def slice_label_rate(view: View) -> Values:
    """Share of positives among the labelled rows of each slice."""

    def column(labels: LabelBuckets) -> Column:
        rows, rate = labels.rows, statistics.base_rate(labels)
        smoothed = (labels.positive_rows + 1.0) / (rows + 2.0)
        return rate, float(rows), math.sqrt(smoothed * (1.0 - smoothed) / max(rows, 1)), 0.0

    return _each(_slices(view), column)


def _groups(view: View) -> Mapping[str, Groups]:
    return view.sketches(Groups, "train", "groups")


def _slices(view: View) -> Mapping[str, LabelBuckets]:
    found = view.sketches(LabelBuckets, "train", "labels")
    return {entity: labels for entity, labels in found.items() if entity.startswith(SLICE)}


def _each(found: Mapping[str, T], column: Callable[[T], Column]) -> Values:
    return values(list(found), [column(one) if _is_fair(one) else (math.nan, 0.0, 0.0, 0.0) for one in found.values()])


def _is_fair(found: object) -> bool:
    """Whether few predictions or labels are invalid."""
    if isinstance(found, Groups):
        return found.invalid <= MOST_INVALID * found.seen
    return not isinstance(found, LabelBuckets) or is_trusted(found)


def _rarer(labels: LabelBuckets) -> float:
    return float(min(labels.positive_rows, labels.rows - labels.positive_rows))
