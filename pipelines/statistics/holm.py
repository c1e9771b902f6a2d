"""Which of several differences are real, all of them taken into account."""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(chances: Sequence[float], level: float = 0.05) -> list[bool]:
    """Those that may be believed, with a chance of `level` that one of them is not real (Holm 1979); NaN: unknown.

    >>> holm([0.001, 0.04, float("nan"), 0.03])
    [True, False, False, False]
    """
    order = sorted((p, i) for i, p in enumerate(chances) if not math.isnan(p))
    found = [False] * len(chances)
    for rank, (p, i) in enumerate(order):
        if p > level / (len(order) - rank):
            break
        found[i] = True
    return found
