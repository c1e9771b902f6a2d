"""Six hours of incidents that spread through a graph, with their truth; imports nothing of what is measured.

A layered graph of 1,000 nodes and about 1,740 edges, its longest path 11. An incident begins at a random node and
spreads along edges, each taken with a probability and after 1-30 s, up to six hops. 5 % of the nodes are watched by
nobody (roots among them, and links in the middle), 5 % of the alerts flap, 5 % of the effects outlive their root by 10
minutes to an hour, and some alerts belong to nothing. Clocks are off by 2 s (sigma), detectors take 0-30 s, and what
they say comes 4 s later on the mean.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Final, NamedTuple

HOPS: Final = 6
SPREAD: Final = 0.87
UNMONITORED: Final = 0.05
FLAPPING: Final = 0.05
OUTLIVING: Final = 0.05
LEAST: Final = 120.0  # seconds that an incident lasts at least
MEAN: Final = 120.0  # and beyond that on the mean
ALONE: Final = 0.03  # alerts that belong to no incident, of the incidents' number
_LAYERS: Final = 12


class Event(NamedTuple):
    """What a detector says: at `time` (log time) an alert fires, or (`end` set) is over."""

    time: float
    alert: int
    node: str
    start: float  # by the detector's own clock
    found: float
    end: float | None
    score: float


class Truth(NamedTuple):
    """What an alert really is."""

    node: str
    incident: int
    is_root: bool
    is_outliving: bool
    is_top: bool  # nearest to an unmonitored root


class Storm(NamedTuple):
    """Edges as they are, events in the order of the log, and the truth by alert."""

    edges: tuple[tuple[str, str], ...]
    events: tuple[Event, ...]
    truth: tuple[Truth, ...]
    incidents: int
    until: float


def storm(seed: int, *, alerts: int = 10_000, hours: float = 6.0, nodes: int = 1000) -> Storm:
    """The storm of a seed: the same on every machine."""
    source = random.Random(seed)
    edges = _graph(source, nodes)
    down: dict[str, list[str]] = {}
    for cause, effect in edges:
        down.setdefault(cause, []).append(effect)
    names = sorted({end for edge in edges for end in edge})
    unseen = {name for name in names if source.random() < UNMONITORED}
    events: list[Event] = []
    truth: list[Truth] = []
    incidents = 0
    while len(truth) < alerts:
        begin, length = source.uniform(0, 3600 * hours), LEAST + source.expovariate(1 / MEAN)
        is_alone = source.random() < ALONE
        tops: set[str] = set()
        for node, time, hop, cause in _reached(source, down, source.choice(names), begin, 1 if is_alone else HOPS):
            if node in unseen:
                tops |= {node} if not hop or cause in tops else set()
                continue
            outlives = hop > 0 and source.random() < OUTLIVING
            end = begin + length + hop * 10 + (source.uniform(600, 3600) if outlives else 0.0)
            events += _said(source, len(truth), node, time, max(end, time + 60))
            truth.append(Truth(node, incidents, hop == 0, outlives, cause in tops))
        incidents += 1
    events.sort(key=lambda event: (event.time, event.alert))
    return Storm(edges, tuple(events), tuple(truth), incidents, 3600 * hours + 3 * 3600)


def without(edges: tuple[tuple[str, str], ...], share: float, seed: int) -> tuple[tuple[str, str], ...]:
    """The edges with a share of them missing."""
    source = random.Random(f"missing {seed}")
    return tuple(edge for edge in edges if source.random() >= share)


def with_spurious(edges: tuple[tuple[str, str], ...], share: float, seed: int) -> tuple[tuple[str, str], ...]:
    """The edges and a share of random ones beside them, in any direction, so that cycles come with them."""
    source = random.Random(f"spurious {seed}")
    names = sorted({end for edge in edges for end in edge})
    added = {(source.choice(names), source.choice(names)) for _ in range(round(share * len(edges)))}
    return tuple(sorted({*edges, *(edge for edge in added if edge[0] != edge[1])}))


def _graph(source: random.Random, nodes: int) -> tuple[tuple[str, str], ...]:
    layers: list[list[str]] = [[] for _ in range(_LAYERS)]
    for i in range(nodes):
        layers[source.randrange(_LAYERS)].append(f"n{i}")
    pairs = set()
    for above, below in itertools.pairwise(layers):
        for node in below:
            causes = source.choice((1, 2, 2, 2, 2, 2, 2, 2, 2, 2))
            pairs |= {(cause, node) for cause in source.sample(above, min(len(above), causes))}
    return tuple(sorted(pairs))


def _reached(
    source: random.Random, down: dict[str, list[str]], root: str, begin: float, hops: int
) -> list[tuple[str, float, int, str]]:
    """Where an incident comes to, when, over how many hops and from where; each node once, the root first."""
    found, front, seen = [], [(root, begin, "")], set[str]()
    for hop in range(hops):
        following = []
        for node, time, cause in front:
            if node not in seen:
                seen.add(node)
                found.append((node, time, hop, cause))
                spread = [child for child in down.get(node, ()) if source.random() < SPREAD]
                following += [(child, time + source.uniform(1, 30), node) for child in spread]
        front = following
    return found


def _said(source: random.Random, alert: int, node: str, time: float, end: float) -> Iterator[Event]:
    """What the detector of one alert says: it fires and is over, with flaps between if it is of that kind."""
    score, flaps = source.uniform(8, 30), 3 if source.random() < FLAPPING else 0
    start = time
    for i in range(flaps + 1):
        over = end if i == flaps else min(end - 1, start + source.uniform(20, 60))
        shown = start + source.gauss(0, 2)
        found = max(shown, start) + source.uniform(0, 30)
        late = max(over, found) + source.uniform(1, 30)
        yield Event(found + source.expovariate(1 / 4), alert, node, shown, found, None, score)
        yield Event(late + source.expovariate(1 / 4), alert, node, shown, late, max(over, shown), score)
        start = max(over, late) + source.uniform(5, 40)
        if start + 60 > end:
            return
