"""Ends and forks of processes: every living tracer says goodbye at exit, and in a forked child begins anew.

A child is a worker of its own, so that neither silences the other: `NAME/fork2` for the second fork of its parent, or
`NAME/loader0` in a worker of PyTorch's DataLoader, whose numbers come again each epoch.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
import uuid
import weakref
from typing import Final, Protocol

from streamgauge.tracer.termination import say_goodbye_on_sigterm

DEADLINE: Final = 2.0  # seconds that all tracers together may hold up the end of the process


class Living(Protocol):
    """What has to be told."""

    def close(self, timeout: float) -> bool:
        """The process ends."""
        ...

    def begin_anew(self) -> None:
        """This is a forked child."""
        ...


class Names:
    """What the lives of one tracer in one process are called: random names, or the given one, told apart.

    >>> names = Names("w", is_apart=False)
    >>> names(), names()
    ('w', 'w+1')
    """

    def __init__(self, given: str | None, *, is_apart: bool) -> None:
        self._given, self._is_apart, self._lives = given, is_apart, 0

    def forget(self) -> None:
        """Count lives from the first again: this is another process."""
        self._lives = 0

    def __call__(self) -> str:
        """The next one."""
        self._lives += 1
        if self._given is None:
            return uuid.uuid4().hex[:12]
        if self._is_apart:
            return f"{self._given}-{uuid.uuid4().hex[:8]}"
        return self._given if self._lives == 1 else f"{self._given}+{self._lives - 1}"


_alive: weakref.WeakSet[Living] = weakref.WeakSet()
_forks = [0]  # of this process
_watched: list[bool] = []  # whether the process is watched already


def watch(tracer: Living) -> None:
    """Tell a tracer of exit and forks, as long as it lives."""
    _alive.add(tracer)
    if not _watched:
        _watched.append(True)
        atexit.register(_close_all)
        say_goodbye_on_sigterm(_close_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_count_fork, after_in_child=_begin_all_anew)


def forget(tracer: Living) -> None:
    """It is closed."""
    _alive.discard(tracer)


def child_name() -> str:
    """What tells this forked child from its parent."""
    loaders = sys.modules.get("torch.utils.data")
    info = loaders.get_worker_info() if loaders is not None else None
    return f"fork{_forks[0]}" if info is None else f"loader{info.id}"


def end_with_process() -> None:
    """In a child of multiprocessing, which ends without `atexit`: say goodbye all the same."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _close_all, exitpriority=0)


def _count_fork() -> None:
    _forks[0] += 1


def _close_all() -> None:
    deadline = time.monotonic() + DEADLINE
    for tracer in list(_alive):
        tracer.close(max(0.05, deadline - time.monotonic()))


def _begin_all_anew() -> None:
    for tracer in list(_alive):
        tracer.begin_anew()
