"""Waiting for what another thread, process or server will do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 120.0  # a shared machine may be many times slower than a free one


def until(holds: Callable[[], Any], what: str = "it did not happen", *, patience: float = PATIENCE_S) -> None:
    """Wait for a condition; `what` is told when patience (seconds) ends."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
