"""SQLite keeps its file locks in the process's memory, so a connection may not cross a fork: close, open later."""

from __future__ import annotations

import os
import weakref
from functools import cache
from typing import Protocol


class Forked(Protocol):
    """What holds connections."""

    def hold(self) -> None:
        """Before a fork: nobody uses it until `release`, and its connection is closed."""
        ...

    def release(self) -> None:
        """In the parent: it may be used again."""
        ...

    def renew(self) -> None:
        """In the child: it may be used, by threads that did not cross."""
        ...


_open: weakref.WeakSet[Forked] = weakref.WeakSet()
_held: list[Forked] = []


def register(one: Forked) -> None:
    """See to it that this one crosses every fork from now on."""
    _close_before_fork()
    _open.add(one)


@cache
def _close_before_fork() -> None:
    os.register_at_fork(before=_hold_all, after_in_parent=_release_all, after_in_child=_renew_all)


def _hold_all() -> None:
    _held.extend(_open)
    for one in _held:
        one.hold()


def _release_all() -> None:
    for one in _held:
        one.release()
    _held.clear()


def _renew_all() -> None:
    for one in _held:
        one.renew()
    _held.clear()
