"""What a row of a benchmark says, the same everywhere: one of five kinds, each with what its `ratio` means.

    reading   a figure without a rival: what the machine did, what the rival did
    faster    a rate: ratio = ours / the rival's
    cheaper   a cost, in time or bytes: ratio = the rival's / ours
    waited    a time that a person waits for, or a count that ought to be small: ratio = target / value
    reached   a quality: ratio = value / target

So above 1 is always better than the rival, or within the target. `better` says which way `value` itself is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

Row = dict[str, object]
Better = Literal["higher", "lower", ""]
FIELDS = ("name", "value", "unit", "rival", "ratio", "better")


def reading(name: str, value: float, unit: str) -> Row:
    """A figure that is compared with nothing.

    >>> reading("detect river", 80_000.0, "points/CPU s")["ratio"] is None
    True
    """
    return _row(name, value, unit, "", None, "")


def faster(name: str, value: float, unit: str, theirs: float, rival: str) -> Row:
    """A rate beside the rival's rate.

    >>> faster("detect", 200.0, "points/CPU s", 100.0, "river")["ratio"]
    2.0
    """
    return _row(name, value, unit, rival, value / theirs, "higher")


def cheaper(name: str, value: float, unit: str, theirs: float, rival: str) -> Row:
    """A cost beside the rival's cost.

    >>> cheaper("aggregate", 50.0, "us/record", 25.0, "numpy")["ratio"]
    0.5
    """
    return _row(name, value, unit, rival, theirs / value if value else float("inf"), "lower")


def waited(name: str, value: float, unit: str, target: float) -> Row:
    """A wait, or a count that ought to be small, beside the most that it may be.

    >>> waited("latency p99", 0.5, "s", 2.0)["ratio"]
    4.0
    """
    ratio = target / value if value else float("inf")
    return _row(name, value, unit, f"target: at most {target:g} {unit}", ratio, "lower")


def reached(name: str, value: float, unit: str, target: float) -> Row:
    """A quality beside the least that it should be.

    >>> reached("nab standard", 36.0, "score", 72.0)["ratio"]
    0.5
    """
    return _row(name, value, unit, f"target: at least {target:g} {unit}", value / target, "higher")


def waits(name: str, taken: Sequence[float], wanted: int, target: float) -> Iterable[Row]:
    """Quantiles of what the alerts took, seconds, and how many of the wanted came."""
    for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        value = float(np.quantile(taken, share)) if len(taken) else float("inf")
        yield waited(f"{name} {label}", value, "s", target)
    yield reached(f"{name} told", float(len(taken)), "alerts", float(wanted))


def _row(name: str, value: float, unit: str, rival: str, ratio: float | None, better: Better) -> Row:
    return {"name": name, "value": float(value), "unit": unit, "rival": rival, "ratio": ratio, "better": better}
