"""A simulated night on a large graph: incidents that spread downstream, with skew and lag, and known roots."""

from __future__ import annotations

import itertools
import random
from typing import NamedTuple

import msgspec

from streamgauge.anomaly.suppression.arrivals import Arrival
from tests.anomaly.suppression.night import alert

LAYERS = 12


class Storm(NamedTuple):
    """The graph, the alerts in order of time, and by alert (node, metric) whether it is a true root."""

    edges: list[tuple[str, str]]
    arrivals: list[Arrival]
    roots: dict[tuple[str, str], bool]
    until: float


def storm(alerts: int, hours: float, nodes: int = 1000, seed: int = 1) -> Storm:
    """About `alerts` alerts over `hours` on a layered graph of `nodes` nodes; 5 % of the effects outlive their root."""
    source = random.Random(seed)
    edges = _edges(source, nodes)
    down: dict[str, list[str]] = {}
    for cause, effect in edges:
        down.setdefault(cause, []).append(effect)
    names = sorted({end for edge in edges for end in edge})
    arrivals: list[Arrival] = []
    roots: dict[tuple[str, str], bool] = {}
    while len(roots) < alerts:
        begin, length = source.uniform(0, 3600 * hours), source.uniform(300, 3600)
        front, seen = [(source.choice(names), begin)], set[str]()
        for hop in range(6):
            following = []
            for node, time in front:
                if node in seen:
                    continue
                seen.add(node)
                metric = f"m{len(roots)}"
                roots[node, metric] = hop == 0
                end = begin + length + (source.uniform(600, 3600) if hop and source.random() < 0.05 else 10)
                arrivals += _alert(source, node, metric, time, max(end, time + 60))
                spread = [child for child in down.get(node, ()) if source.random() < 0.7]
                following += [(child, time + source.uniform(1, 30)) for child in spread]
            front = following
    return Storm(edges, sorted(arrivals, key=lambda arrival: arrival.time), roots, 3600 * (hours + 3))


def _edges(source: random.Random, nodes: int) -> list[tuple[str, str]]:
    layers: list[list[str]] = [[] for _ in range(LAYERS)]
    for i in range(nodes):
        layers[source.randrange(LAYERS)].append(f"n{i}")
    pairs = set()
    for above, below in itertools.pairwise(layers):
        for node in below:
            pairs |= {(cause, node) for cause in source.sample(above, min(len(above), source.choice((1, 2, 2))))}
    return sorted(pairs)


def _alert(source: random.Random, node: str, metric: str, time: float, end: float) -> list[Arrival]:
    start = time + source.gauss(0, 2)
    found = max(start, time) + source.uniform(0, 30)
    first = alert(found, node, start=start, metric=metric, score=source.uniform(8, 30))
    over = max(end, found) + source.uniform(1, 30)
    last = msgspec.structs.replace(first.anomaly, end=max(end, start), time=over)
    return [first, Arrival(over, node, first.text, last)]
