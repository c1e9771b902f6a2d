"""Strongly connected components of a graph, their sizes, and how deep each lies below the first causes; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence


def components(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The strongly connected component of each node, numbered so that causes have smaller numbers than effects.

    Kosaraju and Sharir (1981): in the reverse of the order in which a search from causes to effects leaves the nodes,
    each search back reaches just the rest of its own component.

    >>> parts = components("abcd", [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")])
    >>> parts["b"] == parts["c"], parts["a"] < parts["b"] < parts["d"]
    (True, True)
    """
    down: dict[str, list[str]] = {node: [] for node in sorted(nodes)}
    up: dict[str, list[str]] = {node: [] for node in down}
    for cause, effect in edges:
        down[cause].append(effect)
        up[effect].append(cause)
    seen: set[str] = set()
    left = [node for root in down for node in _left(down, root, seen)]
    part: dict[str, int] = {}
    seen.clear()
    for number, root in enumerate(reversed(left)):
        part |= dict.fromkeys(_left(up, root, seen), number)
    return part


def _left(following: Mapping[str, Sequence[str]], root: str, seen: set[str]) -> Iterator[str]:
    """The nodes not seen yet that a depth-first search from `root` finds, in the order in which it leaves them."""
    work = [] if root in seen else [(root, iter(following[root]))]
    seen.update(node for node, _ in work)
    while work:
        rest = work[-1][1]
        found = next((other for other in rest if other not in seen), None)
        if found is None:
            yield work.pop()[0]
        else:
            seen.add(found)
            work.append((found, iter(following[found])))


def sizes(part: Mapping[str, int]) -> dict[int, int]:
    """By component how many nodes it has."""
    counts: dict[int, int] = {}
    for number in part.values():
        counts[number] = counts.get(number, 0) + 1
    return counts


def longest(part: Mapping[str, int], edges: Iterable[tuple[str, str]]) -> dict[int, int]:
    """By component the longest chain of components above it."""
    above: dict[int, set[int]] = {number: set() for number in part.values()}
    for cause, effect in edges:
        if part[cause] != part[effect]:
            above[part[effect]].add(part[cause])
    depth: dict[int, int] = {}
    for number in sorted(above):
        depth[number] = 1 + max((depth[cause] for cause in above[number]), default=-1)
    return depth
