"""CPU time of a process and all that it started, read from /proc: a JVM and its Python workers are one contender."""

from __future__ import annotations

import os
import pathlib
import shutil
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> float:
    """Seconds of CPU that the process, its descendants and those of them that have ended have used."""
    times, children = _processes()
    total, left = 0.0, [pid]
    while left:
        one = left.pop()
        total += times.get(one, 0.0)
        left += children.get(one, [])
    return total


def pinned(command: list[str]) -> list[str]:
    """The command on one core, where `taskset` is there to say so."""
    taskset = shutil.which("taskset")
    return [taskset, "-c", str(max(os.sched_getaffinity(0))), *command] if taskset else command


def load() -> float:
    """Processes that wanted a core over the last minute: what a figure was disturbed by."""
    return os.getloadavg()[0]


def _processes() -> tuple[dict[int, float], dict[int, list[int]]]:
    times: dict[int, float] = {}
    children: dict[int, list[int]] = {}
    for file in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # gone meanwhile
        pid = int(file.parent.name)
        times[pid] = sum(map(int, fields[11:15])) / _TICKS  # its own and its dead children's, user and system
        children.setdefault(int(fields[1]), []).append(pid)
    return times, children
