"""The two daemon threads of a tracer with wall time: one folds, one sends, so that a slow bus holds up nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from streamgauge.tracer.faults import Faults

DRAIN: Final = 0.05  # seconds between drains: waking a thread at each put costs the step milliseconds
POLL: Final = 1.0
BACKOFF: Final = 5.0


class Threads:
    """Calls `turn` and `pump` every 50 ms and `poll` every second; `pump` says whether everything was sent."""

    def __init__(
        self, turn: Callable[[], None], poll: Callable[[], None], pump: Callable[[], bool], faults: Faults
    ) -> None:
        self._turn, self._poll, self._pump, self._faults = turn, poll, pump, faults
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Once."""
        for name, loop in (("fold", self._fold_loop), ("send", self._send_loop)):
            thread = threading.Thread(target=loop, name=f"tracer-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def work(self, is_done: Callable[[], bool], deadline: float) -> None:
        """Have the sending one work without rests until it is done, or the deadline of the monotonic clock passes."""
        woken = 0.0
        while not is_done() and time.monotonic() < deadline:
            if time.monotonic() - woken >= DRAIN:
                woken = time.monotonic()
                self._wake.set()
            time.sleep(0.002)

    def stop(self, deadline: float) -> None:
        """End both; one that hangs in a transport is left behind at the deadline."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _fold_loop(self) -> None:
        while not self._stop.wait(DRAIN):
            try:
                self._turn()
            except Exception as error:
                self._faults.count("turn", error)

    def _send_loop(self) -> None:
        pause, polled = DRAIN, 0.0
        while not self._stop.is_set():
            if self._wake.wait(pause):
                self._wake.clear()
            now = time.monotonic()
            if now - polled >= POLL:
                self._poll()
                polled = now
            pause = DRAIN if self._pumped() else min(BACKOFF, 2 * pause)

    def _pumped(self) -> bool:
        """Send; this thread outlives whatever a transport raises."""
        try:
            return self._pump()
        except BaseException as error:
            self._faults.count("send", error, trips=False)
            return False
