"""What a pager's pages are worth, given the truth."""

from __future__ import annotations

from collections.abc import Mapping
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
