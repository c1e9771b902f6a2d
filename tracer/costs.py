"""What a list of selects would trace, the bytes a second that it would take, and what of it cannot be traced; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from streamgauge.tracer.selection import Entry, Select, matches

HISTOGRAM_BYTES: Final = 3200
STATS_BYTES: Final = 64  # a traced tensor costs about three points and their share of the names


class Cost(NamedTuple):
    """What a list of selects would trace."""

    matched: int
    bytes_s: float


def cost_of(selects: Iterable[Select], catalogue: Iterable[Entry], steps_s: float) -> Cost:
    """How many things the selects match, and the bytes a second that sending them would take."""
    entries = sorted((e for e in catalogue if not e.unsupported), key=lambda entry: (entry.collection, entry.name))
    matched: set[tuple[str, str]] = set()
    bytes_s = 0.0
    for select in selects:
        for entry in entries:
            if entry.collection == select.collection and matches(select, entry.name):
                matched.add((entry.collection, entry.name))
                bytes_s += bytes_of(select, entry) * steps_s / select.every
    return Cost(len(matched), bytes_s)


def bytes_of(select: Select, entry: Entry) -> float:
    """What one step's worth of an entry takes; nothing where it waits for a step that goes wrong.

    >>> bytes_of(Select(collection="weights", emit="raw", rows=10), Entry(name="w", collection="weights",
    ...     shape=(100, 4), bytes=1600))
    160.0
    """
    if select.when:
        return 0.0
    if select.emit == "raw":
        rows = entry.shape[0] if len(entry.shape) > 1 else 0
        return entry.bytes * min(1.0, select.rows / rows if select.rows and rows > 0 else 1.0)
    if select.emit == "units":
        return 16.0 * max(1, entry.shape[-1] if entry.shape else 64)
    return float(HISTOGRAM_BYTES if select.emit == "histogram" else STATS_BYTES)


def unsupported(selects: Iterable[Select], catalogue: Iterable[Entry]) -> str:
    """Why something that the selects ask for cannot be traced, or ""."""
    entries = sorted((e for e in catalogue if e.unsupported), key=lambda entry: entry.name)
    found = (e for s in selects for e in entries if e.collection == s.collection and matches(s, e.name))
    return next((f"{entry.name} is unsupported: {entry.unsupported}" for entry in found), "")
