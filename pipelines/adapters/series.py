"""What a series is to a reader, and how much one changed between two ranges; the same for every store."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

LABELS: Final = ("worker", "domain", "entity", "metric")
MOST_POINTS: Final = 100_000  # of one answer
LONG: Final = 48 * 3600.0  # ranges from here on are compared by hourly means where a series has them
# A spread is taken as at least this share of the level, so that a series that never moved does not rank by its last bit
_LEAST_SPREAD: Final = 1e-3


class Labels(NamedTuple):
    """The identity of a series."""

    job: str
    worker: str
    domain: str
    entity: str
    metric: str


class Moments(NamedTuple):
    """Of the known values of a series in a range."""

    n: int
    mean: float
    squares: float  # sum of squared deviations from the mean


def check_match(match: Mapping[str, str]) -> None:
    """Raises ValueError for a label that series do not have."""
    unknown = sorted(set(match) - set(LABELS))
    if unknown:
        raise ValueError(f"series are matched by {', '.join(LABELS)}, got {', '.join(unknown)} (pipelines.adapters)")


def difference(before: Moments, after: Moments) -> dict[str, Any]:
    """How far the mean moved, in units of the pooled spread; `before` has two values at least.

    >>> difference(Moments(2, 1.0, 1.0), Moments(2, 3.0, 1.0))["effect"]
    2.0
    """
    pooled = math.sqrt((before.squares + after.squares) / (before.n + after.n - 2))
    spread = max(pooled, _LEAST_SPREAD * max(abs(before.mean), abs(after.mean)))
    effect = (after.mean - before.mean) / spread if spread > 0 else 0.0
    return {"before": before.mean, "after": after.mean, "spread": spread, "effect": effect}


def rank(found: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """The `limit` that changed most."""
    return sorted(found, key=lambda item: (-abs(item["effect"]), item["id"]))[:limit]
