"""What a pager's pages are worth, given the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.storms.generator import Storm


class Quality(NamedTuple):
    """Shares, and how long the told roots were held in seconds: the median and the 95th percentile."""

    recall: float
    justified: float
    reduction: float
    hold: float
    hold_p95: float
    pages: float


def judge(storm: Storm, told: Mapping[int, float]) -> Quality:
    """`told` says when each alert was paged first."""
    heard: dict[int, float] = {}
    for event in storm.events:
        heard.setdefault(event.alert, event.time)
    roots = {i for i, item in enumerate(storm.truth) if item.is_root}
    fine = {i for i, item in enumerate(storm.truth) if item.is_root or item.is_outliving or item.is_top}
    holds = sorted(told[i] - heard[i] for i in roots & told.keys())
    return Quality(
        recall=len(roots & told.keys()) / len(roots),
        justified=len(fine & told.keys()) / max(1, len(told)),
        reduction=1 - len(told) / len(storm.truth),
        hold=holds[len(holds) // 2], hold_p95=holds[int(0.95 * len(holds))], pages=len(told),
    )  # fmt: skip


def at_best(storm: Storm, edges: Sequence[tuple[str, str]], hops: int) -> float:
    """The share of justified pages that no pager by this graph can exceed, if it is to hide nothing that it may not.

    An alert that follows from another and has no alert of its own incident left upstream within `hops` must be told:
    nothing says of what it is an effect.

    >>> from benchmarks.storms.generator import Truth
    >>> root, lost = Truth("a", 1, True, False, False), Truth("c", 1, False, False, False)
    >>> storm = Storm((), (), (root, lost._replace(node="b"), lost), 1, 0.0)
    >>> at_best(storm, [("a", "b")], 2)
    0.5
    """
    up: dict[str, set[str]] = {}
    for cause, effect in edges:
        up.setdefault(effect, set()).add(cause)
    alerting: dict[int, set[str]] = {}
    for item in storm.truth:
        alerting.setdefault(item.incident, set()).add(item.node)
    fine = [item for item in storm.truth if item.is_root or item.is_outliving or item.is_top]
    rest = [item for item in storm.truth if not (item.is_root or item.is_outliving or item.is_top)]
    orphans = sum(not _upstream(up, item.node, hops) & alerting[item.incident] for item in rest)
    return len(fine) / max(1, len(fine) + orphans)


def _upstream(up: Mapping[str, set[str]], node: str, hops: int) -> set[str]:
    seen, front = {node}, {node}
    for _ in range(hops):
        front = {cause for effect in front for cause in up.get(effect, ())} - seen
        seen |= front
    return seen - {node}
