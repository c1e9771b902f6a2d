"""Embedding tables as the job tells of them: size, what came and went, ids that they do not know, how stale they are.

A table that is cut into shards is told by each of them: of the job, sizes are the sums over its workers, what is full
and what is stale is of the worst one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics.measures import NOTHING, highs, means, proportions, values


def size(name: str) -> Callable[[View], Values]:
    """A metric function for a size: the mean over the window, summed over workers."""

    def compute(view: View) -> Values:
        found = [means(stat) for one in _shares(view) if (stat := one.stat("train", name)).entities]
        sums: dict[str, list[float]] = {}
        for each in found:
            for entity, value, rows in zip(each.entities, each.value.tolist(), each.rows.tolist(), strict=True):
                kept = sums.setdefault(entity, [0.0, 0.0])
                kept[0], kept[1] = kept[0] + value, kept[1] + rows
        return values(sorted(sums), [(sums[entity][0], sums[entity][1], 0.0, 0.0) for entity in sorted(sums)])

    return compute


def worst(name: str) -> Callable[[View], Values]:
    """A metric function for the largest of a quantity."""

    def compute(view: View) -> Values:
        stat = view.stat("train", name)
        return highs(stat) if stat.entities else NOTHING

    return compute


def rate(name: str) -> Callable[[View], Values]:
    """A metric function for a count a second."""

    def compute(view: View) -> Values:
        stat = view.stat("train", name)
        counts = zip(stat.entities, stat.total.tolist(), strict=True)
        found = {entity: (total / view.length, total, 0.0, 0.0) for entity, total in counts}
        return values(list(found), list(found.values()))

    return compute


def unseen_rate(view: View) -> Values:
    """Lookups that found no row of their own / lookups."""
    lookups, unseen = view.stat("train", "table_lookups"), view.stat("train", "table_unseen")
    if not lookups.entities:
        return NOTHING
    counts = dict(zip(unseen.entities, unseen.total.tolist(), strict=True))
    part = np.array([counts.get(entity, np.nan) for entity in lookups.entities])  # not told: unknown
    known = ~np.isnan(part)
    entities = tuple(entity for entity, is_known in zip(lookups.entities, known.tolist(), strict=True) if is_known)
    return proportions(entities, part[known], lookups.total[known])


def _shares(view: View) -> list[View]:
    return [view] if view.worker else [view.workers[name] for name in sorted(view.workers)]
