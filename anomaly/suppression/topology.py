"""What depends on what: a job's graph of causes and effects, and who may explain whom.

A node is `entity@worker`, or `entity` for the job as a whole; the part before the first `@` is its *base*. An edge
goes from a cause to an effect. Three rules bound a path, so that one spurious edge cannot hide everything:

- it has at most `max_hops` edges;
- trouble at one worker shows at the job, never at another worker: a path that has been at a worker does not go down
  from the job to a worker again (an edge straight from worker to worker is followed);
- inside a cycle of more than `LARGEST_CYCLE` nodes (a broken topology) only direct neighbours explain each other.

A weak edge (weight below `FIRM`) explains its direct effect only: it is no part of a longer path and of no order.

An edge may say which metrics of its cause move which metrics of its effect (`Edge.cause_metrics`, `effect_metrics`): a
null feature moves a loss but stops no worker. `can_move` follows that along a path.

Cost: a search visits what is within `max_hops`, once a node and topology; 1,000 nodes with 1,740 edges take about 10 ms
to build.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streamgauge.anomaly.suppression.components import components, longest, sizes
from streamgauge.anomaly.suppression.patterns import admits, overlap
from streamgauge.anomaly.types import Edge, Topology

LARGEST_CYCLE: Final = 20
FIRM: Final = 0.5
_Move = tuple[tuple[str, ...], tuple[str, ...]]  # metrics of the cause, metrics of the effect
_Edge = tuple[str, float, bool]  # the other end, the delay, whether it is firm


class Way(NamedTuple):
    """How an effect hangs on a cause: the nodes from cause to effect, and how long it may take."""

    path: tuple[str, ...]
    delay: float

    @property
    def hops(self) -> int:
        """Edges on the path."""
        return len(self.path) - 1


@functools.lru_cache(maxsize=65_536)
def base_of(node: str) -> str:
    """The place without the worker.

    >>> base_of("feature:tailnum@LGA"), base_of("labels")
    ('feature:tailnum', 'labels')
    """
    return node.partition("@")[0]


def worker_of(node: str) -> str:
    """The worker, `""` for the job as a whole.

    >>> worker_of("feature:tailnum@LGA"), worker_of("labels")
    ('LGA', '')
    """
    return node.partition("@")[2]


class Graph:
    """A job's topology, ready to be asked. `hop_delay` is the delay of edges that state none.

    >>> from streamgauge.anomaly.types import Edge
    >>> edges = (Edge("source", "feature"), Edge("feature", "train"))
    >>> graph = Graph(Topology(job="ctr", revision=1, edges=edges), max_hops=2, hop_delay=40.0)
    >>> graph.causes("train")["source"]
    Way(path=('source', 'feature', 'train'), delay=80.0)
    >>> graph.depth("source") < graph.depth("train")
    True
    """

    def __init__(self, topology: Topology, *, max_hops: int, hop_delay: float) -> None:
        self.topology, self.revision = topology, topology.revision
        self._max_hops = max_hops
        edges = sorted(set(topology.edges), key=_longest_first)
        self.nodes = frozenset(topology.nodes) | {edge.cause for edge in edges} | {edge.effect for edge in edges}
        self.workers = tuple(sorted({worker_of(node) for node in self.nodes} - {""}))
        self._moves: dict[tuple[str, str], list[_Move]] = {}
        for edge in edges:
            self._moves.setdefault((edge.cause, edge.effect), []).append((edge.cause_metrics, edge.effect_metrics))
        self._moves = {pair: moves for pair, moves in self._moves.items() if ((), ()) not in moves}
        self._down: dict[str, list[_Edge]] = {}
        self._up: dict[str, list[_Edge]] = {}
        for edge in edges:
            delay, is_firm = edge.delay or hop_delay, edge.weight >= FIRM
            self._down.setdefault(edge.cause, []).append((edge.effect, delay, is_firm))
            self._up.setdefault(edge.effect, []).append((edge.cause, delay, is_firm))
        firm = [(edge.cause, edge.effect) for edge in edges if edge.weight >= FIRM]
        self._cycle = components(self.nodes, firm)
        self._sizes = sizes(self._cycle)
        self._depth = self._depths(firm)
        self._watched = frozenset(topology.watched)
        self._origins: dict[str, tuple[str, ...]] = {}
        self._causes: dict[str, Mapping[str, Way]] = {}
        self._elsewhere: dict[str, tuple[tuple[str, Way], ...]] = {}
        self._tops: dict[str, bool] = {}
        self._effects: dict[str, Mapping[str, Way]] = {}
        self._effects_elsewhere: dict[str, tuple[tuple[str, Way], ...]] = {}
        self._bases: dict[str, tuple[str, ...]] = {}
        self._free: dict[tuple[str, ...], bool] = {}

    def knows(self, node: str) -> bool:
        """Whether the topology says anything of this node."""
        return node in self.nodes

    def causes(self, node: str) -> Mapping[str, Way]:
        """Everything upstream within `max_hops`, nearest first, with the way from there to here."""
        if node not in self._causes:
            self._causes[node] = self._search(node, self._up, upwards=True)
        return self._causes[node]

    def causes_elsewhere(self, node: str) -> tuple[tuple[str, Way], ...]:
        """Those of them that are not the same place seen at the job or at another worker."""
        if node not in self._elsewhere:
            base = base_of(node)
            self._elsewhere[node] = tuple(item for item in self.causes(node).items() if base_of(item[0]) != base)
        return self._elsewhere[node]

    def bases_around(self, node: str) -> tuple[str, ...]:
        """The entities at which everything upstream of it lies, and its own, each once."""
        if node not in self._bases:
            self._bases[node] = tuple({base_of(other): None for other in (node, *self.causes(node))})
        return self._bases[node]

    def effects(self, node: str) -> Mapping[str, Way]:
        """Everything downstream within `max_hops`, nearest first, with the way from here to there."""
        if node not in self._effects:
            self._effects[node] = self._search(node, self._down, upwards=False)
        return self._effects[node]

    def effects_elsewhere(self, node: str) -> tuple[tuple[str, Way], ...]:
        """Those of them that are not the same place seen at the job or at another worker."""
        if node not in self._effects_elsewhere:
            base = base_of(node)
            self._effects_elsewhere[node] = tuple(
                item for item in self.effects(node).items() if base_of(item[0]) != base
            )
        return self._effects_elsewhere[node]

    def can_move(self, way: Way, cause: str, effect: str) -> bool:
        """Whether a metric of a way's first node can move a metric of its last one."""
        if self._is_free(way.path):
            return True
        reached: list[tuple[str, ...]] = [(cause,)]
        is_first = True
        for pair in itertools.pairwise(way.path):
            moves = self._moves.get(pair)
            if moves is None:
                reached, is_first = [()], False
                continue
            meets = _admits_first if is_first else overlap
            reached = [after for before, after in moves if any(meets(before, names) for names in reached)]
            is_first = False
        return any(admits(names, effect) for names in reached)

    def _is_free(self, path: tuple[str, ...]) -> bool:
        """Whether it has edges, and none says which metrics it is about."""
        if path not in self._free:
            self._free[path] = len(path) > 1 and not any(pair in self._moves for pair in itertools.pairwise(path))
        return self._free[path]

    def is_top(self, node: str) -> bool:
        """Whether nothing firm but the same place seen elsewhere lies upstream: no use to wait for a cause."""
        if node not in self._tops:
            weak = {cause for cause, _, is_firm in self._up.get(node, ()) if not is_firm}
            self._tops[node] = all(way.hops == 1 and cause in weak for cause, way in self.causes_elsewhere(node))
        return self._tops[node]

    def depth(self, node: str) -> tuple[int, int]:
        """A place in an order in which causes stand before effects; all workers' nodes of one base stand together.

        The second number tells bases apart that lie on one cycle of bases. Unknown nodes stand first.
        """
        return self._depth.get(node, (-1, -1))

    def is_cyclic(self, one: str, other: str) -> bool:
        """Whether each of two nodes is upstream of the other."""
        return one != other and one in self._cycle and self._cycle[one] == self._cycle.get(other)

    def origins(self, base: str) -> tuple[str, ...]:
        """Direct causes that nothing watches, such as a source: what they break begins together and names no root."""
        if base not in self._origins:
            causes = [cause for cause, _, is_firm in self._up.get(base, ()) if is_firm and cause not in self._watched]
            self._origins[base] = tuple(dict.fromkeys(causes))
        return self._origins[base]

    def _search(self, start: str, edges: Mapping[str, Sequence[_Edge]], *, upwards: bool) -> dict[str, Way]:
        found: dict[str, Way] = {}
        seen = {(start, self._flag(start, upwards))}
        rim = [(start, self._flag(start, upwards), Way((start,), 0.0))]
        for hops in range(1, self._max_hops + 1):
            outer = []
            for node, flag, way in rim:
                for other, delay, is_firm in edges.get(node, ()):
                    step = _step(node, other, flag) if not upwards else _step_up(node, other, flag)
                    if step is None or (other, step) in seen or not (is_firm or hops == 1):
                        continue
                    path = (other, *way.path) if upwards else (*way.path, other)
                    further = Way(path, way.delay + delay)
                    if other != start and other not in found and (hops == 1 or not self._is_tangled(start, other)):
                        found[other] = further
                    if is_firm:
                        seen.add((other, step))
                        outer.append((other, step, further))
            rim = outer
        return found

    @staticmethod
    def _flag(start: str, upwards: bool) -> bool:
        return bool(worker_of(start)) and not upwards

    def _is_tangled(self, one: str, other: str) -> bool:
        return self.is_cyclic(one, other) and self._sizes[self._cycle[one]] > LARGEST_CYCLE

    def _depths(self, firm: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
        bases = {base_of(node) for node in self.nodes}
        group = components(bases, [(base_of(a), base_of(b)) for a, b in firm])
        counts = sizes(group)
        outer = longest(group, [(base_of(a), base_of(b)) for a, b in firm])
        inner = longest(self._cycle, firm)
        return {
            node: (outer[group[base_of(node)]], inner[self._cycle[node]] if counts[group[base_of(node)]] > 1 else 0)
            for node in self.nodes
        }


def _longest_first(edge: Edge) -> tuple[object, ...]:
    """Of two edges between the same places that with the longer delay counts."""
    return (edge.cause, edge.effect, -edge.delay, *msgspec.structs.astuple(edge))


def _step(node: str, other: str, was_at_worker: bool) -> bool | None:
    """Following an edge from `node` down to `other`: the new flag, None where the path may not go."""
    if was_at_worker and worker_of(other) and not worker_of(node):
        return None
    return was_at_worker or bool(worker_of(other))


def _step_up(node: str, other: str, has_descended: bool) -> bool | None:
    """Following an edge from `node` up to its cause `other`; above a step from job to worker only the job may stand."""
    if has_descended and worker_of(other):
        return None
    return has_descended or bool(worker_of(node) and not worker_of(other))


def _admits_first(patterns: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the metric of a way's first node is among them; `names` holds it alone."""
    return admits(patterns, names[0])
