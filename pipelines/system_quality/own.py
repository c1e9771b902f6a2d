"""What the pipeline tells of itself in its own job: flow by watched job, waiting and failing consumers, sizes.

`pipelines.service.self_monitoring` sends it, one look a pane. Nothing of it pages but a consumer that fails: a page
about notifications that were not delivered would itself not be delivered, and be one more of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamgauge.pipelines.metrics import Stat, Values, View
from streamgauge.pipelines.statistics.measures import NOTHING, highs, means


def mean(name: str) -> Callable[[View], Values]:
    """A metric function for the mean of the looks of the window, by entity."""
    return _of(name, means)


def share(name: str) -> Callable[[View], Values]:
    """A metric function for parts / wholes by entity: points are shares weighted with their wholes, the evidence."""
    return _of(name, lambda stat: means(stat)._replace(rows=stat.weight))


def most(name: str) -> Callable[[View], Values]:
    """A metric function for the largest look of the window, by entity."""
    return _of(name, highs)


def total(name: str) -> Callable[[View], Values]:
    """A metric function for the sum of what was counted in the window, by entity."""
    return _of(name, lambda stat: highs(stat)._replace(value=np.where(stat.count > 0.0, stat.total, np.nan)))


def close_time(view: View) -> Values:
    """The longest time from a window's end to its score; the floor is how long a slow worker may hold a window."""
    found, hold = most("pipeline_close_time")(view), view.stat("wall", "pipeline_hold")
    holds = dict(zip(hold.entities, hold.high.tolist(), strict=True))
    return found._replace(floor=np.array([holds.get(entity, np.nan) for entity in found.entities]))


def _of(name: str, read: Callable[[Stat], Values]) -> Callable[[View], Values]:
    def compute(view: View) -> Values:
        stat = view.stat("wall", name)
        return read(stat) if stat.entities else NOTHING

    return compute
