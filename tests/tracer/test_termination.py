"""Signals that come at any moment."""

from __future__ import annotations

import signal
import threading

from streamgauge.tracer.termination import apart


def test_a_signal_that_meets_the_main_thread_within_a_wait_holds_nobody() -> None:
    stopping = threading.Event()
    before = signal.signal(signal.SIGUSR1, apart(stopping.set))
    try:
        with stopping._cond:  # type: ignore[attr-defined]  # as `wait` has it for a moment
            signal.raise_signal(signal.SIGUSR1)
        assert stopping.wait(60.0)
    finally:
        signal.signal(signal.SIGUSR1, before)
