"""What an anomaly at one place, or a planned change of it, touches: the risk of each place and the path it takes.

The risk of a path is the product of its edges' weights and of `FADE` for each of its steps; of several paths the
riskiest counts (Dijkstra on the logarithms).
"""

from __future__ import annotations

import heapq
import math
from typing import Final, NamedTuple

from streamgauge.anomaly.types import Topology

FADE: Final = 0.8
LEAST: Final = 0.05  # risks below this are left out


class Impact(NamedTuple):
    """One place that is touched."""

    node: str
    risk: float
    path: tuple[str, ...]


def impact(topology: Topology, node: str) -> list[Impact]:
    """Everything downstream of a node, the riskiest first.

    >>> from streamgauge.anomaly.types import Edge
    >>> graph = Topology(job="ctr", revision=1, edges=(Edge("feature:city", "model"), Edge("model", "prediction")))
    >>> [(one.node, round(one.risk, 2)) for one in impact(graph, "feature:city")]
    [('model', 0.8), ('prediction', 0.64)]
    """
    down: dict[str, dict[str, float]] = {}
    for edge in topology.edges:
        ends = down.setdefault(edge.cause, {})
        ends[edge.effect] = max(ends.get(edge.effect, 0.0), min(1.0, edge.weight))
    found: dict[str, Impact] = {}
    queue: list[tuple[float, tuple[str, ...]]] = [(0.0, (node,))]
    while queue:
        cost, path = heapq.heappop(queue)
        if path[-1] in found or (len(path) > 1 and path[-1] == node):
            continue
        if len(path) > 1:
            found[path[-1]] = Impact(path[-1], math.exp(-cost), path)
        for effect, weight in sorted(down.get(path[-1], {}).items()):
            further = cost - math.log(weight * FADE) if weight > 0 else math.inf
            if effect not in found and further <= -math.log(LEAST):
                heapq.heappush(queue, (further, (*path, effect)))
    return sorted(found.values(), key=lambda one: (-one.risk, one.node))
