"""Work that may hang, done aside: on a thread of its own, waited for so long and no longer.

What hangs keeps its thread, which is a daemon, and nothing more is begun there until it is done. Handing over costs
about 30 us, so it is for what is done once a pane; a thread without work ends after a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 5.0  # seconds
_IDLE: Final = 10.0


class Aside:
    """One piece of work at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock, self._asked, self._done = threading.Lock(), threading.Semaphore(0), threading.Event()
        self._work: Callable[[], object] = lambda: None
        self._is_served = False  # whether a thread waits for work, or does some
        self._done.set()

    @property
    def is_busy(self) -> bool:
        """Whether the last work hangs, or takes long."""
        return not self._done.is_set()

    def run(self, work: Callable[[], object], patience: float = PATIENCE, *, in_turn: bool = False) -> bool:
        """Do this, which raises nothing; whether it is done within `patience` seconds.

        False at once while the last work still is not done; `in_turn` waits for that, too.
        """
        deadline = time.monotonic() + patience
        if in_turn:
            self._done.wait(patience)
        with self._lock:
            if self.is_busy:
                return False
            self._work = work
            self._done.clear()
            self._asked.release()
            is_new, self._is_served = not self._is_served, True
        if is_new:
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        return self._done.wait(max(0.0, deadline - time.monotonic()))

    def _serve(self) -> None:
        while self._asked.acquire(timeout=_IDLE) or self._stays():
            try:
                self._work()
            finally:
                self._done.set()

    def _stays(self) -> bool:
        """Whether there is work after all; else this thread ends."""
        with self._lock:
            self._is_served = self._asked.acquire(blocking=False)
            return self._is_served
