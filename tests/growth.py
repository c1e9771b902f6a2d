"""How work grows with its size, counted in lines of Python that run: the same on any machine under any load."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines(work: Callable[[], object]) -> int:
    """How many lines of Python `work` runs in this thread.

    >>> small, large = lines(lambda: [n for n in range(10)]), lines(lambda: sorted(range(1000), key=lambda n: -n))
    >>> small < 100 < 1000 <= large
    True
    """
    count = 0

    def local(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return local

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: local)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
