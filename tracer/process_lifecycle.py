"""Ends and forks of processes: every living tracer says goodbye at exit, and in a forked child begins anew."""

from __future__ import annotations

import atexit
import os
import time
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


_alive: weakref.WeakSet[Living] = weakref.WeakSet()
_watched: list[bool] = []  # whether the process is watched already


def watch(tracer: Living) -> None:
    """Tell a tracer of exit and forks, as long as it lives."""
    _alive.add(tracer)
    if not _watched:
        _watched.append(True)
        atexit.register(_close_all)
        say_goodbye_on_sigterm(_close_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_begin_all_anew)


def forget(tracer: Living) -> None:
    """It is closed."""
    _alive.discard(tracer)


def _close_all() -> None:
    deadline = time.monotonic() + DEADLINE
    for tracer in list(_alive):
        tracer.close(max(0.05, deadline - time.monotonic()))


def _begin_all_anew() -> None:
    for tracer in list(_alive):
        tracer.begin_anew()
