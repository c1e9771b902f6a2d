"""What a row of a benchmark says, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def waits(name: str, taken: Sequence[float], wanted: int, target: float) -> Iterable[dict[str, object]]:
    """Quantiles of what the alerts took, seconds, and how many of the wanted came."""
    for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        value = float(np.quantile(taken, share)) if len(taken) else float("inf")
        yield {
            "name": f"{name} {label}",
            "value": value,
            "unit": "s",
            "rival": f"{target:g} s",
            "ratio": value / target,
        }
    share = len(taken) / wanted
    yield {"name": f"{name} told", "value": float(len(taken)), "unit": "alerts", "rival": "lost", "ratio": share}
