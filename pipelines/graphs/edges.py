"""Edges from another system's graph, tidied: names that a configuration can hold, no loops, no edge twice; pure.

What cannot be read at all is raised:

    GraphError    a file that is no such graph, or too large; the message names the place and the remedy
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from streamgauge.anomaly.suppression.components import components
from streamgauge.anomaly.suppression.topology import LARGEST_CYCLE
from streamgauge.anomaly.types import Edge

MOST_READ: Final = 2_000_000  # edges of one import
MOST: Final = 20_000  # edges of a job: more would be built anew with every worker
_NODE: Final = re.compile(r"[a-z_]+(:[^@\s]+)?(@[^@\s]+)?")
_UNFIT: Final = re.compile(r"[\s@%]")
_NAMED: Final = 5  # things that a line names


class GraphError(ValueError):
    """A graph that cannot be read."""


class Found(NamedTuple):
    """What a file holds."""

    edges: Sequence[Edge]
    notes: Sequence[str] = ()  # what was left out, and what to look at


def named(kind: str, name: str) -> str:
    """A node of a kind, whatever its name is made of.

    >>> named("service", "shop backend"), named("service", "db@eu")
    ('service:shop%20backend', 'service:db%40eu')
    """
    return f"{kind}:{_UNFIT.sub(lambda found: urllib.parse.quote(found[0], safe=''), name)}"


def is_node(text: str) -> bool:
    """Whether a configuration takes this for a node."""
    return bool(_NODE.fullmatch(text))


def tidied(found: Found, renamed: Mapping[str, str]) -> Found:
    """Without loops and repetitions, nodes renamed, in order; what was done is noted.

    >>> tidied(Found([Edge("a", "a"), Edge("a", "b"), Edge("a", "b")]), {}).notes
    ('edges from a place to itself are left out: 1 (a)', 'edges that are there before are left out: 1')
    """
    moved = [
        Edge(renamed.get(edge.cause, edge.cause), renamed.get(edge.effect, edge.effect), edge.delay, edge.weight)
        for edge in found.edges
    ]
    loops = sorted({edge.cause for edge in moved if edge.cause == edge.effect})
    straight = [edge for edge in moved if edge.cause != edge.effect]
    kept = {(edge.cause, edge.effect): edge for edge in straight}
    ends = {end for edge in found.edges for end in (edge.cause, edge.effect)}
    notes = [
        *found.notes,
        *_note(len(moved) - len(straight), "edges from a place to itself", loops),
        *_note(len(straight) - len(kept), "edges that are there before", ()),
        *(f"no place {name!r} is there to be renamed" for name in sorted(set(renamed) - ends)),
        *_cycles(kept),
    ]
    return Found([kept[pair] for pair in sorted(kept)], tuple(notes))


def near(edges: Sequence[Edge], places: Iterable[str], hops: int) -> list[Edge]:
    """The edges by which something reaches one of these places within so many hops.

    Raises:
        GraphError: a place is not in the graph.
    """
    up: dict[str, list[Edge]] = {}
    for edge in edges:
        up.setdefault(edge.effect, []).append(edge)
    front = set(places)
    for place in sorted(front - {end for edge in edges for end in (edge.cause, edge.effect)}):
        raise GraphError(f"no place {place[:100]!r} is in this graph; name it as its edges do")
    kept: dict[tuple[str, str], Edge] = {}
    seen = set(front)
    for _ in range(hops):
        found = [edge for node in front for edge in up.get(node, ())]
        kept |= {(edge.cause, edge.effect): edge for edge in found}
        front = {edge.cause for edge in found} - seen
        seen |= front
    return [kept[pair] for pair in sorted(kept)]


def bounded(edges: Iterable[Edge], source: str) -> list[Edge]:
    """All of them. Raises GraphError where there are too many to be read."""
    found = []
    for edge in edges:
        found.append(edge)
        if len(found) > MOST_READ:
            raise GraphError(f"{source} has more than {MOST_READ:,} edges; import the part that your job depends on")
    return found


def _note(count: int, what: str, names: Sequence[str]) -> Iterator[str]:
    if count:
        yield f"{what} are left out: {count:,}" + (f" ({_list(names)})" if names else "")


def _cycles(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    edges = list(pairs)
    parts: dict[int, list[str]] = {}
    for node, part in components({end for pair in edges for end in pair}, edges).items():
        parts.setdefault(part, []).append(node)
    for nodes in sorted(
        (sorted(nodes) for nodes in parts.values() if len(nodes) > 1), key=lambda one: (-len(one), one)
    ):
        large = " (too large to say which began: only direct neighbours explain each other)"
        yield f"a cycle of {len(nodes)} places{large if len(nodes) > LARGEST_CYCLE else ''}: {_list(nodes)}"


def _list(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
