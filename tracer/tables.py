"""What a job tells of an embedding table, such as one that grows with its ids: its size, and what came and went."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from streamgauge.tracer import arguments
from streamgauge.tracer.inputs import Refusal, TimeUnit, seconds_of
from streamgauge.tracer.panes import Pane

SIZES: Final = ("rows", "size")  # as they are now
COUNTS: Final = ("lookups", "unseen", "admitted", "evicted")  # since the last call
Told = Mapping[str, float]


def read(given: Mapping[str, Any], unit: TimeUnit = "s") -> dict[str, float]:
    """The numbers that are given; `unit` is that of times. Raises Refusal, with the name, for one that cannot be.

    >>> read({"rows": 5, "lookups": None})
    {'rows': 5.0}
    """
    told = {}
    for name, value in given.items():
        if value is None:
            continue
        found = float(seconds_of(value, unit).ravel()[0]) if name == "updated" else arguments.number(value)
        if not math.isfinite(found) or found < 0.0:
            raise Refusal(f"{name} is {found:g}; give a number that is not negative")
        told[name] = found
    if told.get("unseen", 0.0) > told.get("lookups", math.inf):
        raise Refusal(f"{told['unseen']:g} of {told['lookups']:g} lookups are unseen; count both since the last call")
    return told


def fold(panes: Pane, name: str, told: Told) -> None:
    """Points of the open pane: sizes are means over the calls, so one that shrinks shows; counts are added."""
    entity = f"table:{name}"
    for one in SIZES:
        if one in told:
            panes.point("train", f"table_{one}", entity, told[one])
    if told.get("limit", 0.0) > 0.0 and "size" in told:
        panes.point("train", "table_full", entity, told["size"] / told["limit"])
    if "updated" in told:
        panes.point("train", "table_age", entity, max(0.0, panes.now - told["updated"]))
    for one in COUNTS:
        if one in told:
            panes.add("train", f"table_{one}", entity, told[one])
