"""How much of its processor and memory limit this process uses, from /proc and the control group; nothing elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

CGROUP: Final = Path("/sys/fs/cgroup")


class Usage:
    """Shares since the last call; about 50 us a call.

    >>> usage = Usage()
    >>> all(value >= 0.0 for _, value in usage.points())
    True
    """

    def __init__(self) -> None:
        self._cpus = _cpu_limit()
        self._memory = _memory_limit()
        self._page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
        self._last = (time.monotonic(), time.process_time())

    def points(self) -> Iterator[tuple[str, float]]:
        """`cpu` and `memory` as shares of the limit, `memory_bytes`; what the machine does not tell is left out."""
        now = (time.monotonic(), time.process_time())
        passed, used = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        if passed > 1e-3:
            yield "cpu", used / passed / self._cpus
        with suppress(OSError, ValueError, IndexError):
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * self._page
            yield "memory_bytes", float(resident)
            if self._memory:
                yield "memory", resident / self._memory


def _cpu_limit() -> float:
    """Processors that this process may use."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (CGROUP / "cpu.max").read_text().split()
        if quota != "max":
            return float(quota) / float(period)
    return float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _memory_limit() -> float:
    """Bytes that this process may use, 0 where unknown."""
    limits = []
    with suppress(OSError, ValueError):
        limits.append(float((CGROUP / "memory.max").read_text()))
    with suppress(OSError, ValueError, IndexError):
        limits.append(float(Path("/proc/meminfo").read_text().split()[1]) * 1024)
    return min(limits, default=0.0)
