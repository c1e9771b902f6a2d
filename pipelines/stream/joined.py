"""What a join over all workers found, as one more share of a window: points and summaries such as workers send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from streamgauge.pipelines.metrics import Floats, Partial
from streamgauge.pipelines.stream.view import read_sketches
from streamgauge.tracer.domains import POSITIVE
from streamgauge.tracer.inputs import is_na
from streamgauge.tracer.joins import Join
from streamgauge.tracer.outcomes import COUNTS, Deadlines, Known
from streamgauge.tracer.records import Sketch
from streamgauge.tracer.summaries import Histogram, LabelBuckets, encode, merge_sketches

LARGEST: Final = frozenset({"join_modulus", "last_label"})  # all others add up


class Found(NamedTuple):
    """Points of the label clock by name, and summaries."""

    points: Mapping[str, float]
    sketches: tuple[Sketch, ...] = ()


def of_labels(
    known: Known, times: Floats, predictions: Floats, weights: Floats | None = None, keep_rate: float = 1.0
) -> Found:
    """What labels that became known say: delays, changes, and the pairs with the predictions of their samples.

    Args:
        known: what the join made of them, [n].
        times: when, [n].
        predictions: of their samples, [n]; NaN where one has none, or is not known.
        weights: of their samples, [n]; NaN where one has none: it weighs 1.
        keep_rate: of the negatives: each stands for those that the job was not given.
    """
    arrived = known.is_new & ~np.isnan(known.delay)
    points = {
        "settled": float(known.settled), "flips": float(known.flips),
        "flip_labels": float(np.count_nonzero(arrived)), "last_label": float(times.max(initial=0.0)),
    }  # fmt: skip
    labels, delay = known.labels[arrived], known.delay[arrived]
    sketches = []
    positive = labels > POSITIVE
    for entity, rows in (("", labels == labels), ("label:positive", positive), ("label:negative", ~positive)):
        if rows.any():
            sketches.append(encode(Histogram.of(delay[rows]), "label", "label_delay", entity))
    weighed = _weights(labels, None if weights is None else weights[arrived], keep_rate)
    sketches += _pairs("train", "labels", predictions[arrived], labels, weighed)
    return Found(points, tuple(sketches))


def of_time(passed: Sequence[Deadlines], join: Join, keep_rate: float) -> Found:
    """What time did to the samples that wait, and the cohorts that became old."""
    points = {name: float(sum(getattr(one, name) for one in passed)) for name in COUNTS}
    points["settled"] = points["expired"]
    cohorts = [cohort for one in passed if (cohort := join.cohort(one.pane)) is not None]
    if not cohorts:
        return Found(points)
    predictions = np.concatenate([cohort.predictions for cohort in cohorts])
    labels = np.concatenate([cohort.labels for cohort in cohorts])
    given = [np.full(len(c.labels), np.nan) if c.weights is None else c.weights for c in cohorts]
    weights = np.concatenate(given)
    order = np.lexsort((weights, predictions, labels))  # by what they are: how the join keeps them does not show
    predictions, labels, weights = predictions[order], labels[order], weights[order]
    if keep_rate < 1.0:
        points["cohort_weight"] = float(_stands_for(labels, keep_rate).sum())
    return Found(points, tuple(_pairs("label", "cohort", predictions, labels, _weights(labels, weights, keep_rate))))


def _stands_for(labels: Floats, keep_rate: float) -> Floats:
    """For how many rows each labelled one stands."""
    return np.where(labels > POSITIVE, 1.0, 1.0 / keep_rate)


def _weights(labels: Floats, given: Floats | None, keep_rate: float) -> Floats | None:
    """What labelled rows weigh by their samples and by the share of the negatives that was kept; None: 1 each."""
    weights = None if given is None or np.isnan(given).all() else np.where(np.isnan(given), 1.0, given)
    if keep_rate == 1.0:
        return weights
    return _stands_for(labels, keep_rate) * (1.0 if weights is None else weights)


def share_of(found: Iterable[Found]) -> Partial:
    """All of it as a share of nobody in particular."""
    points: dict[str, float] = {}
    sketches: list[Sketch] = []
    for one in found:
        for name, value in one.points.items():
            points[name] = max(points.get(name, value), value) if name in LARGEST else points.get(name, 0.0) + value
        sketches += one.sketches
    names = sorted(name for name, value in points.items() if value)
    values = np.array([points[name] for name in names])
    ones, zeros = np.ones(len(names)), np.zeros(len(names))
    columns = np.array([ones, ones, values, values, values, zeros, zeros])  # count, weight, total, low, high, ...
    return Partial(
        worker="", names=tuple(("label", name, "") for name in names), columns=columns.astype("<f8").tobytes(),
        sketches=merge_sketches(sketches),
    )  # fmt: skip


def found_in(share: Partial) -> Found:
    """What a share was made of."""
    names, columns = share.table()
    points = {name.name: float(columns[2, i]) for i, name in enumerate(names)}
    return Found(points, tuple(read_sketches(share.sketches)))


def _pairs(clock: str, name: str, predictions: Floats, labels: Floats, weights: Floats | None) -> list[Sketch]:
    usable = ~is_na(predictions)
    if not usable.any():
        return []
    weighed = None if weights is None else weights[usable]
    return [encode(LabelBuckets.of(predictions[usable], labels[usable], weighed), clock, name, "")]  # type: ignore[arg-type]
