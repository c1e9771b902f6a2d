"""Edges that a job's own anomalies suggest: places that fall ill together again and again, one before the other; pure.

What is learnt here is shown, with its evidence, and ranks the causes of an incident as a weak edge does. It never
folds anything: the pager does not know of it until a person confirms it, on the page or by `streamgauge topology
confirm`. Only pairs of which the topology says nothing, and that nobody has settled, are proposed. Onsets of one place
within `APART` are one; a pair counts where both begin within `WITHIN` of each other.

Cost: a sort of the onsets, then arrays of what is within `WITHIN` of each other: 20,000 anomalies of 300 features at 50
workers take 0.1 s. The topology is asked last, about what would be proposed.
"""

from __future__ import annotations

import bisect
import itertools
import statistics
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
PLACES: Final = 1000  # that are compared, those that fell ill most often
_DOUBT: Final = 2
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


def learn(
    rows: Iterable[Mapping[str, Any]], topology: Topology, settled: Container[tuple[str, str]] = ()
) -> list[Learnt]:
    """The pairs that a job's anomalies suggest, the best known first.

    Args:
        rows: anomalies, as `Query.anomalies` answers them.
        topology: of the job; what it connects already, in whatever direction, is not proposed.
        settled: edges, as cause and effect, that people have confirmed or rejected.
    """
    onsets = _often(_onsets(rows))
    likely = [pair for pair in _likely(onsets) if pair not in settled]
    if not likely:
        return []
    graph = Graph(lineage.within(topology, ()), max_hops=lineage.REACH, hop_delay=0.0)
    unknown = (pair for pair in likely if not _is_known(graph, *pair))
    return [_pair(onsets, *pair) for pair in itertools.islice(unknown, MOST)]


def evidence(found: Iterable[Learnt], edge: tuple[str, str], hop_delay: float) -> tuple[str, float]:
    """What speaks for an edge in words, and its delay: 0 where it is not above the usual one of `hop_delay` seconds."""
    pair = next((one for one in found if (one.cause, one.effect) == edge), None)
    return ("", 0.0) if pair is None else (pair.text, pair.lag if pair.lag > hop_delay else 0.0)


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
    last = -np.inf
    for time in times:
        if time - last >= APART:
            yield time
        last = time


def _often(onsets: Onsets) -> Onsets:
    """The places that began often enough to be one of a pair, by name."""
    often = sorted((place for place, times in onsets.items() if len(times) >= LEAST), key=lambda at: -len(onsets[at]))
    return {place: onsets[place] for place in sorted(often[:PLACES])}


def _likely(onsets: Onsets) -> list[tuple[str, str]]:
    """The pairs that the onsets bear out, the best first."""
    together, first = _counted(onsets)
    causes = np.array([len(times) for times in onsets.values()])
    share = first / (causes[:, None] + _DOUBT)
    is_likely = (together >= LEAST) & (first >= ORDER * together) & (share >= SHARE)
    cause, effect = np.nonzero(is_likely)
    order = np.lexsort((effect, cause, -together[is_likely], -share[is_likely]))
    places = tuple(onsets)
    return [(places[cause[i]], places[effect[i]]) for i in order]


def _counted(onsets: Onsets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """By cause and effect: how often both began within `WITHIN`, and how often the cause before the effect.

    Onsets of a place lie further apart than two of `WITHIN`, so each is near to one of another's at most.
    """
    together = np.zeros((len(onsets), len(onsets)), np.int64)
    first = np.zeros_like(together)
    times = np.array([time for own in onsets.values() for time in own])
    place = np.repeat(np.arange(len(onsets)), [len(own) for own in onsets.values()])
    order = np.argsort(times, kind="stable")
    times, place = times[order], place[order]
    for ahead in range(1, len(times)):
        lag = times[ahead:] - times[:-ahead]
        (near,) = np.nonzero(lag <= WITHIN)
        if not near.size:
            break
        before, after, is_first = place[near], place[near + ahead], lag[near] > 0
        np.add.at(together, (before, after), 1)
        np.add.at(together, (after, before), 1)
        np.add.at(first, (before, after), is_first)
    return together, first


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


def _is_known(graph: Graph, cause: str, effect: str) -> bool:
    return cause in graph.causes(effect) or effect in graph.causes(cause)
