"""How many Python objects one argument may hold: reading one takes the step 50 ns to 1 us, an array next to nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import numpy as np

from streamgauge.tracer.inputs.columns import Refusal

_LISTS: Final = frozenset({list, tuple, set, frozenset, range})
MOST: Final = 200_000  # 10 to 200 ms


def check_size(values: Any) -> None:
    """Raises Refusal for a list of more objects than a step can wait for; arrays of any library may be of any size.

    >>> check_size(range(10))
    >>> check_size([0] * 300_000)
    Traceback (most recent call last):
    ...
    streamgauge.tracer.inputs.columns.Refusal: 300,000 Python objects in one call; give an array, or at most 200,000
    """
    kind = type(values)
    if kind is np.ndarray or (kind not in _LISTS and not _is_plain(values)):
        return
    count = len(values)
    first = values[0] if count and isinstance(values, (list, tuple)) else None
    count *= len(first) if isinstance(first, (list, tuple)) else 1
    if count > MOST:
        raise Refusal(f"{count:,} Python objects in one call; give an array, or at most {MOST:,}")


def _is_plain(values: Any) -> bool:
    """A collection of objects that is no array, table or text."""
    is_other = hasattr(values, "dtype") or isinstance(values, (str, bytes, dict))
    return isinstance(values, Collection) and not is_other
