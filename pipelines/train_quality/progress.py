"""Whether training goes on soundly: loss, non-finite values, steps that were not applied."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics.measures import NOTHING, highs, means, proportion
from streamgauge.pipelines.stream.layout import SCALARS
from streamgauge.tracer.records import Clock


def loss(view: View) -> Values:
    """Row-weighted mean of the steps' losses, by entity."""
    stat = view.stat("train", "loss")
    return means(stat) if stat.entities else NOTHING


def loss_max(view: View) -> Values:
    """Largest mean loss of a step."""
    stat = view.stat("train", "loss")
    return highs(stat) if stat.entities else NOTHING


def scalars(*clocks: Clock) -> Callable[[View], Values]:
    """A metric function for the mean over steps of each scalar of the job's own."""

    def compute(view: View) -> Values:
        found = [means(stat) for clock in clocks if (stat := view.stat(clock, SCALARS)).entities]
        if len(found) < 2:
            return found[0] if found else NOTHING
        entities = tuple(entity for values in found for entity in values.entities)
        return Values(entities, *(np.concatenate(columns) for columns in zip(*(f[1:] for f in found), strict=True)))

    return compute


def nonfinite(view: View) -> Values:
    """Non-finite values found, by where they were found; `loss` is there whenever there were steps."""
    stat = view.stat("train", "nonfinite")
    found = dict(zip(stat.entities, stat.total.tolist(), strict=True))
    steps = view.total("train", "steps")
    if steps:
        found.setdefault("loss", 0.0)
    if not found:
        return NOTHING
    entities = tuple(sorted(found))
    value = np.array([found[entity] for entity in entities])
    zeros = np.zeros(len(value))
    return Values(entities, value, np.maximum(value, steps), zeros, zeros)


def skipped_updates(view: View) -> Values:
    """Steps whose update was not applied / steps."""
    if not view.stat("train", "steps").entities:
        return NOTHING
    return proportion(view.total("train", "skipped_updates"), view.total("train", "steps"))
