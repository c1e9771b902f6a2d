"""Edges that a job's own anomalies suggest: places that fall ill together again and again, one before the other; pure.

What is learnt here is shown, with its evidence, and ranks the causes of an incident as a weak edge does. It never
folds anything: the pager does not know of it until a person confirms it (`streamgauge topology confirm`). Only pairs of
which the topology says nothing are proposed. Onsets of one place within `APART` are one; a pair counts where both begin
within `WITHIN` of each other.

Cost: a sort of the onsets, and the pairs within `WITHIN` of each other.
"""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from streamgauge.anomaly.suppression.topology import Graph
from streamgauge.anomaly.types import Edge, Topology, node_of
from streamgauge.pipelines.paging import lineage

APART: Final = 600.0  # seconds; the onsets of one incident at one place are one
WITHIN: Final = 180.0  # seconds
LEAST: Final = 4  # times that both began together
SHARE: Final = 0.5  # of the cause's onsets that the effect followed, shrunken by two onsets that it did not
ORDER: Final = 0.8  # of the times together, the cause began first
SPAN: Final = 28 * 86400.0  # seconds of anomalies that are read
MOST: Final = 50  # that are proposed
ROWS: Final = 20_000
_DOUBT: Final = 2
_REACH: Final = 6
Onsets = Mapping[str, Sequence[float]]  # by place without worker, in order


class Learnt(NamedTuple):
    """A pair that the topology does not know, and why it may be one."""

    cause: str
    effect: str
    together: int  # times that the effect began within `WITHIN` of the cause, on either side
    first: int  # of them, the cause began before the effect
    causes: int  # onsets of the cause
    effects: int  # onsets of the effect
    lag: float  # seconds from the cause's onset to the effect's where it began first, the median

    @property
    def share(self) -> float:
        """Of the cause's onsets, how many the effect followed; few onsets prove little."""
        return self.first / (self.causes + _DOUBT)

    @property
    def text(self) -> str:
        """The evidence in words."""
        return (
            f"began within {WITHIN / 60:g} min of each other {self.together} times, {self.cause} first in "
            f"{self.first}, by {self.lag:.0f} s; {self.cause} began {self.causes} times, {self.effect} {self.effects}"
        )


def learn(rows: Iterable[Mapping[str, Any]], topology: Topology) -> list[Learnt]:
    """The pairs that a job's anomalies suggest, the best known first.

    Args:
        rows: anomalies, as `Query.anomalies` answers them.
        topology: of the job; what it connects already, in whatever direction, is not proposed.
    """
    onsets = _onsets(rows)
    graph = Graph(topology, max_hops=_REACH, hop_delay=0.0)
    found = [
        pair for cause, effect in sorted(_near(onsets))
        if _is_likely(pair := _pair(onsets, cause, effect)) and not _is_known(graph, cause, effect)
    ]  # fmt: skip
    return sorted(found, key=lambda pair: (-pair.share, -pair.together, pair.cause, pair.effect))[:MOST]


def weak(found: Iterable[Learnt], worker: str = "") -> list[Edge]:
    """The same as edges that rank, at the job and at a worker: too weak to be part of a path or of an order."""
    return [
        Edge(node_of(pair.cause, at), node_of(pair.effect, at), weight=lineage.WEAK)
        for pair in found for at in dict.fromkeys(("", worker))
    ]  # fmt: skip


def _onsets(rows: Iterable[Mapping[str, Any]]) -> Onsets:
    starts: dict[str, set[float]] = {}
    for row in rows:
        if row["severity"] != "info":
            place = lineage.place(row["domain"], row["entity"], row["metric"])
            starts.setdefault(place, set()).add(row["start"])
    return {place: list(_apart(sorted(times))) for place, times in starts.items()}


def _apart(times: Sequence[float]) -> Iterator[float]:
    """Each that begins something: no other within `APART` before it."""
    last = -APART
    for time in times:
        if time - last >= APART or last < 0:
            yield time
        last = time


def _near(onsets: Onsets) -> Collection[tuple[str, str]]:
    """Pairs of places that began within `WITHIN` of each other at least once, the earlier first."""
    ordered = sorted((time, place) for place, times in onsets.items() for time in times)
    found: set[tuple[str, str]] = set()
    begin = 0
    for at, (time, place) in enumerate(ordered):
        while time - ordered[begin][0] > WITHIN:
            begin += 1
        found |= {(other, place) for _, other in ordered[begin:at] if other != place}
    return found


def _pair(onsets: Onsets, cause: str, effect: str) -> Learnt:
    lags = [lag for time in onsets[cause] if (lag := _nearest(onsets[effect], time)) is not None]
    after = [lag for lag in lags if lag > 0]
    lag = statistics.median(after) if after else 0.0
    return Learnt(cause, effect, len(lags), len(after), len(onsets[cause]), len(onsets[effect]), lag)


def _nearest(times: Sequence[float], time: float) -> float | None:
    """Seconds from `time` to the nearest of `times`, if it is near; onsets lie further apart than two of `WITHIN`."""
    place = bisect.bisect_left(times, time)
    beside = (other - time for other in times[max(0, place - 1) : place + 1])
    return min((lag for lag in beside if abs(lag) <= WITHIN), key=abs, default=None)


def _is_likely(pair: Learnt) -> bool:
    return pair.together >= LEAST and pair.first >= ORDER * pair.together and pair.share >= SHARE


def _is_known(graph: Graph, cause: str, effect: str) -> bool:
    return cause in graph.causes(effect) or effect in graph.causes(cause)
