"""How the weights move: norms, ratios, tensors whose gradients vanish or explode, units that are dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.metrics import Floats, Stat, Values, View
from streamgauge.pipelines.statistics.measures import NOTHING, highs, means, proportions, single
from streamgauge.pipelines.stream.memory import Trail
from streamgauge.tracer.summaries import Units

Bools = NDArray[np.bool_]
LEAST_HISTORY: Final = 4  # windows of a tensor before it is compared with its own median
VANISHED: Final = 1e-3  # times its own median
EXPLODED: Final = 10.0
COLD_VANISHED: Final = 1e-10  # norms, while there is no median
COLD_EXPLODED: Final = 1e3


def step_mean(name: str) -> Callable[[View], Values]:
    """A metric function for the mean over steps of a quantity of each tensor."""
    return lambda view: _by_tensor(view, name, means)


def step_high(name: str) -> Callable[[View], Values]:
    """A metric function for the largest step of a quantity of each tensor."""
    return lambda view: _by_tensor(view, name, highs)


def vanishing(view: View) -> Values:
    """Share of the tensors whose gradient norm is below a thousandth of its own median."""
    return _share_of_tensors(view, lambda norm, usual: norm < np.where(usual > 0.0, VANISHED * usual, COLD_VANISHED))


def exploding(view: View) -> Values:
    """Share of the tensors whose gradient norm is above ten times its own median."""
    return _share_of_tensors(view, lambda norm, usual: norm > np.where(usual > 0.0, EXPLODED * usual, COLD_EXPLODED))


def dead_units(view: View) -> Values:
    """Units that were active on none of the sampled rows / units, by tensor."""
    found = view.sketches(Units, "train", "units")
    if not found:
        return NOTHING
    dead = np.array([units.dead() for units in found.values()], np.float64)
    whole = np.array([len(units.positives) for units in found.values()], np.float64)
    rows = np.array([units.rows for units in found.values()], np.float64)
    # the units are a census, not a sample: the share has no sampling error
    return proportions(tuple(found), dead, whole)._replace(rows=rows, error=np.zeros(len(dead)))


def _by_tensor(view: View, name: str, of: Callable[[Stat], Values]) -> Values:
    stat = view.stat("train", name)
    return of(stat) if stat.entities else NOTHING


def _share_of_tensors(view: View, judge: Callable[[Floats, Floats], Bools]) -> Values:
    stat = view.stat("train", "gradient_norm")
    if not stat.entities:
        return NOTHING
    norm = means(stat).value
    known = np.isfinite(norm)
    trail = cast("Trail | None", view.memory("gradient_norm", ""))
    judged = judge(norm[known], _usual(trail, stat.entities)[known])
    value = float(np.count_nonzero(judged)) / len(judged) if len(judged) else np.nan
    return single(value, float(stat.count[known].min()) if len(judged) else 0.0)


def _usual(trail: Trail | None, entities: tuple[str, ...]) -> Floats:
    """Each tensor's median over its last windows, 0 while it has too few."""
    if trail is None or not len(trail.values):
        return np.zeros(len(entities))
    history = np.sort(trail.of(entities), axis=0)  # NaN last
    known = np.isfinite(history).sum(axis=0)
    columns = np.arange(len(entities))
    median = 0.5 * (history[np.maximum(known - 1, 0) // 2, columns] + history[known // 2 % len(history), columns])
    return np.where(known >= LEAST_HISTORY, median, 0.0)
