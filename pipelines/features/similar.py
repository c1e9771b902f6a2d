"""Features that look alike: by name, source, utility, and whether they go missing together; maybe one would do.

No rows are compared: it is a suggestion where to look, with its grounds, and no measure of redundancy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

LEAST: Final = 0.6  # of a likeness that is told
MOST: Final = 3  # told of one feature
TOGETHER: Final = 0.9  # correlation of two histories of missing values
LARGEST: Final = 2_000  # features that are compared, pair by pair


def similar(rows: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    """For each row the features most like it, best first: `name`, `likeness` in 0..1, `why`.

    >>> similar([{"name": "item_price"}, {"name": "price_item"}, {"name": "hour"}])[0]
    [{'name': 'price_item', 'likeness': 0.6, 'why': 'name'}]
    """
    if len(rows) > LARGEST:
        return [[] for _ in rows]
    words = [frozenset(filter(None, re.split(r"[\W_]+", str(row["name"]).lower()))) for row in rows]
    found: list[list[dict[str, Any]]] = []
    for i, row in enumerate(rows):
        others = []
        for j, other in enumerate(rows):
            likeness, why = _likeness(row, other, words[i], words[j])
            if i != j and likeness >= LEAST:
                others.append({"name": other["name"], "likeness": round(likeness, 3), "why": ", ".join(why)})
        found.append(sorted(others, key=lambda one: (-one["likeness"], one["name"]))[:MOST])
    return found


def _likeness(
    a: Mapping[str, Any], b: Mapping[str, Any], first: frozenset[str], second: frozenset[str]
) -> tuple[float, list[str]]:
    shared = len(first & second) / max(1, len(first | second))
    grounds = [("name", 0.6 * shared, shared >= 0.5)]
    source = a.get("source")
    grounds.append(("source", 0.2, bool(source) and source == b.get("source")))
    grounds.append(("missing together", 0.6, _correlation(_missing(a), _missing(b)) >= TOGETHER))
    is_close = _close(a.get("utility"), b.get("utility")) and _close(a.get("dispersion"), b.get("dispersion"))
    grounds.append(("utility and dispersion", 0.3, is_close))
    held = [(name, weight) for name, weight, holds in grounds if holds]
    return min(1.0, math.fsum(weight for _, weight in held)), [name for name, _ in held]


def _missing(row: Mapping[str, Any]) -> Sequence[float | None]:
    found: Sequence[float | None] = row.get("history", {}).get("missing", ())
    return found


def _correlation(a: Sequence[float | None], b: Sequence[float | None]) -> float:
    """Pearson's, over the spans in which both are known; 0 where one does not move."""
    pairs = [(x, y) for x, y in zip(a, b, strict=False) if x is not None and y is not None]
    if len(pairs) < 5:
        return 0.0
    mean_x, mean_y = (math.fsum(column) / len(pairs) for column in zip(*pairs, strict=True))
    xx, yy = math.fsum((x - mean_x) ** 2 for x, _ in pairs), math.fsum((y - mean_y) ** 2 for _, y in pairs)
    if min(xx, yy) < 1e-6 * len(pairs):  # a spread below 0.1 % is sampling
        return 0.0
    return math.fsum((x - mean_x) * (y - mean_y) for x, y in pairs) / math.sqrt(xx * yy)


def _close(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and a > 0.0 and b > 0.0 and abs(math.log(a / b)) < 0.05
