"""Ranks where an incident began, by a graph and the metrics of its nodes; never decides what is suppressed.

Traversal roots first: anomalous causes of the target, reached over anomalous ones, that have no anomalous cause of
their own (on a cycle of anomalous nodes: none but each other); then the other anomalous causes within reach, then the
target. Each group is ordered by the largest absolute correlation of a node's metric with the target's, then by its
anomaly score.

A score is the largest deviation after `at` from the values before it, in units of their spread (1.4826 MAD, the
standard deviation where that is 0). Of a constant series any change is `CERTAIN`.

Cost: linear in edges and points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.anomaly.suppression.components import components

ANOMALOUS: Final = 5.0  # spreads
CERTAIN: Final = 1e6
_MAD: Final = 1.4826  # makes the MAD estimate sigma for a normal law

Points = Sequence[tuple[float, float]]  # (time, value)


class Ranked(NamedTuple):
    """One candidate with its evidence."""

    node: str
    score: float  # anomaly score
    correlation: float  # largest absolute one with a metric of the target
    onset: float | None  # time of the first anomalous point
    path: tuple[str, ...]  # from here to the target
    is_root: bool  # nothing anomalous lies upstream, but on a cycle with it


def rank(
    edges: Iterable[tuple[str, str]], metrics: Mapping[tuple[str, str], Points], target: str, at: float
) -> list[Ranked]:
    """Candidates for the root of what `target` shows since `at`, the likeliest first.

    Args:
        edges: pairs (cause, effect).
        metrics: points by (node, metric), in order of time.
        target: the node that was paged.
        at: when the incident began, as far as known.
    """
    up: dict[str, list[str]] = {}
    for cause, effect in edges:
        up.setdefault(effect, []).append(cause)
    found = {key: score(points, at) for key, points in metrics.items()}
    worst: dict[str, tuple[float, float | None]] = {}
    for (node, _), one in found.items():
        worst[node] = max(worst.get(node, (0.0, None)), one, key=lambda item: item[0])
    paths = _reached(up, worst, target)
    firing = {node for node in worst if _is_anomalous(worst, node)}
    cycle = components(firing, [(cause, node) for node in firing for cause in up.get(node, ()) if cause in firing])
    aims = [points for (node, _), points in metrics.items() if node == target]
    ranked = [
        Ranked(
            node, *_evidence(node, metrics, aims, worst), path,
            node != target and not any(cycle[cause] != cycle[node] for cause in up.get(node, ()) if cause in firing),
        )
        for node, path in paths.items()
    ]  # fmt: skip
    return sorted(ranked, key=lambda one: (one.node == target, not one.is_root, -one.correlation, -one.score, one.node))


def score(points: Points, at: float) -> tuple[float, float | None]:
    """The largest deviation from `at` on, in spreads of what was before, and when it was first above `ANOMALOUS`.

    >>> score([(float(t), 1.0 if t < 5 else 9.0) for t in range(8)], 5.0)
    (1000000.0, 5.0)
    """
    table = np.array(points, dtype=np.float64).reshape(-1, 2)
    times, values = table[:, 0], table[:, 1]
    before = values[(times < at) & np.isfinite(values)]
    after = times >= at
    if before.size < 3 or not after.any():
        return 0.0, None
    centre = float(np.median(before))
    spread = _MAD * float(np.median(np.abs(before - centre))) or float(np.std(before))
    away = np.abs(values[after] - centre)
    away = np.where(np.isfinite(away), away, np.inf)
    scores = np.where(away > 0.0, CERTAIN, 0.0) if spread == 0.0 else np.minimum(away / spread, CERTAIN)
    over = scores >= ANOMALOUS
    return float(scores.max()), float(times[after][over.argmax()]) if over.any() else None


def correlation(one: Points, other: Points) -> float:
    """The absolute correlation at the times that both have; 0 where it says nothing.

    >>> correlation([(0.0, 1.0), (1.0, 2.0), (2.0, 5.0)], [(0.0, -1.0), (1.0, -2.0), (2.0, -5.0)])
    1.0
    """
    left, right = dict(one), dict(other)
    times = sorted(left.keys() & right.keys())
    a: NDArray[np.float64] = np.array([left[time] for time in times], dtype=np.float64)
    b: NDArray[np.float64] = np.array([right[time] for time in times], dtype=np.float64)
    sound = np.isfinite(a) & np.isfinite(b)
    a, b = a[sound], b[sound]
    if a.size < 3 or np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return 0.0
    return round(abs(float(np.corrcoef(a, b)[0, 1])), 12)


def _is_anomalous(worst: Mapping[str, tuple[float, float | None]], node: str) -> bool:
    return worst.get(node, (0.0, None))[0] >= ANOMALOUS


def _reached(
    up: Mapping[str, Sequence[str]], worst: Mapping[str, tuple[float, float | None]], target: str
) -> dict[str, tuple[str, ...]]:
    """Anomalous nodes upstream over anomalous nodes, each with its shortest path to the target."""
    paths: dict[str, tuple[str, ...]] = {target: (target,)}
    front = [target]
    while front:
        following = []
        for node in front:
            for cause in sorted(up.get(node, ())):
                if cause not in paths and _is_anomalous(worst, cause):
                    paths[cause] = (cause, *paths[node])
                    following.append(cause)
        front = following
    return paths


def _evidence(
    node: str, metrics: Mapping[tuple[str, str], Points], aims: Sequence[Points],
    worst: Mapping[str, tuple[float, float | None]],
) -> tuple[float, float, float | None]:  # fmt: skip
    own = [points for (name, _), points in metrics.items() if name == node]
    found = max((correlation(one, aim) for one in own for aim in aims), default=0.0)
    return worst.get(node, (0.0, None))[0], found, worst.get(node, (0.0, None))[1]
