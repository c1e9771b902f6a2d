"""Alertmanager's rules on the same storm: one inhibition rule an edge, `group_wait` 30 s, `group_interval` 300 s.

Each alert is a group of its own. At a flush it is held back while any alert fires at a direct cause's node, told or
not; there is no path, no onset and no waiting. What was resolved before its flush is never told.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.storms.generator import Event

WAIT: Final = 30.0
INTERVAL: Final = 300.0


def told(edges: Iterable[tuple[str, str]], events: Sequence[Event]) -> dict[int, float]:
    """When each alert was told first, by alert."""
    causes: dict[str, list[str]] = {}
    for cause, effect in edges:
        causes.setdefault(effect, []).append(cause)
    firing: dict[str, set[int]] = {}
    nodes: dict[int, str] = {}
    flushes: list[tuple[float, int]] = []
    said: dict[int, float] = {}
    for event in events:
        _flush(flushes, event.time, firing, nodes, causes, said)
        active = firing.setdefault(event.node, set())
        if event.end is not None:
            active.discard(event.alert)
        elif event.alert not in active:
            active.add(event.alert)
            if event.alert not in nodes:
                nodes[event.alert] = event.node
                heapq.heappush(flushes, (event.time + WAIT, event.alert))
    _flush(flushes, float("inf"), firing, nodes, causes, said)
    return said


def _flush(
    flushes: list[tuple[float, int]], now: float, firing: dict[str, set[int]], nodes: dict[int, str],
    causes: dict[str, list[str]], said: dict[int, float],
) -> None:  # fmt: skip
    while flushes and flushes[0][0] <= now:
        time, alert = heapq.heappop(flushes)
        node = nodes[alert]
        if alert not in firing.get(node, ()):
            continue
        if any(firing.get(cause) for cause in causes.get(node, ())):
            if time < 1e9:
                heapq.heappush(flushes, (time + INTERVAL, alert))
        else:
            said[alert] = time
