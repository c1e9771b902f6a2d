"""What the process asks of the C library's allocator: few arenas, and what a reload freed back."""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Any, Final

_ARENA_MAX: Final = -8  # M_ARENA_MAX of glibc's malloc.h
_ARENAS: Final = 2


def use_few_arenas() -> None:
    """Threads share two arenas, unless `MALLOC_ARENA_MAX` says otherwise. To be called before there are threads.

    glibc gives each of some 50 threads (Kafka's clients have most) an arena of its own, up to 8 a core, and what a
    burst took in one of them is no room for the others.
    """
    mallopt = _of_library("mallopt")
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_ARENA_MAX, _ARENAS)


def let_go() -> None:
    """What the old service held goes back to the system: it would lie in memory beside what the new one takes.

    The C library keeps what is freed between what is not; glibc gives it back when it is told to, others by themselves.
    """
    gc.collect()
    trim = _of_library("malloc_trim")
    if trim is not None:
        trim(0)


def _of_library(name: str) -> Any:
    """A function of glibc's own; None elsewhere."""
    return getattr(ctypes.CDLL(None), name, None)
