"""SIGTERM says goodbye: a pod that is stopped is no missing worker.

A handler is chained, never replaced. Where the job has one of its own it decides whether the process ends: ours only
stands where nobody's does, says goodbye, and lets the signal do what it would have done. A job's own handler that ends
the process by `sys.exit` or an exception comes by `atexit`, where goodbye is said, too.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType


def say_goodbye_on_sigterm(goodbye: Callable[[], None]) -> bool:
    """Call `goodbye` before SIGTERM ends the process; whether that was arranged. Only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False

    def end(number: int, frame: FrameType | None) -> None:
        # aside, as the step that was interrupted may hold what goodbye needs; goodbye has a deadline of its own
        thread = threading.Thread(target=goodbye, name="tracer-goodbye", daemon=True)
        thread.start()
        thread.join(_PATIENCE)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    return True


def apart(call: Callable[[], object]) -> Callable[[int, FrameType | None], None]:
    """A signal handler that makes a call in a thread of its own.

    `Event.set` in the handler itself would wait for ever where the signal met the main thread within `Event.wait`.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        _thread.start_new_thread(call, ())

    return handle


_PATIENCE = 3.0  # seconds: tracers have two
