"""Consumers as threads of one process, each with its own connection to the bus and its own offsets.

A consumer whose step fails waits and tries again: nothing is lost, because offsets are committed after the work, and no
other one waits for it. What is busy or full for now is a warning, anything else an error with its trace, once a minute
while it lasts; the process is not ready for so long.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from streamgauge.pipelines.ports import Bus, StoreBusy
from streamgauge.pipelines.service.child_process import EngineEnded
from streamgauge.tracer.transport import LogError

_PAUSE: Final = (0.05, 0.2, 1.0, 5.0)  # seconds after a failed step, the last for all later ones
_QUIET: Final = 60.0  # seconds between two tellings of a failure
_IDLE: Final = 0.1  # seconds between looks when nothing is appended: bounds ticks and the stop
_log = logging.getLogger(__name__)


class Step(Protocol):
    """One bounded piece of a consumer's work; how much was done, 0 when there was nothing to do."""

    def __call__(self) -> int:
        """Do it."""
        ...


class Consumer(threading.Thread):
    """Calls `step` until stopped; waits on the bus when there is nothing to do.

    Args:
        name: whose thread this is.
        bus: the consumer's own connection.
        step: one piece of work; public, for those who take turns in one thread.
        stopping: set when the process stops.
        at_end: called once after the last step, for a last commit.
    """

    def __init__(
        self, name: str, bus: Bus, step: Step, stopping: threading.Event, at_end: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name=name, daemon=True)
        self.failures = 0  # in a row
        self.error = ""
        self._quiet_until = -math.inf
        self.step = step
        self._bus, self._stopping, self._at_end = bus, stopping, at_end

    def run(self) -> None:
        """The thread's life."""
        while not self._stopping.is_set():
            try:
                if not self.step():
                    self._bus.wait(_IDLE)
            except Exception as error:
                self._failed(error)
                self._stopping.wait(_PAUSE[min(self.failures, len(_PAUSE)) - 1])
            else:
                self._succeeded()
        self.finish()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self.error = f"{type(error).__name__}: {error}"
        if time.monotonic() < self._quiet_until:
            return
        self._quiet_until = time.monotonic() + _QUIET
        if isinstance(error, StoreBusy | EngineEnded) or (isinstance(error, LogError) and error.retryable):
            _log.warning("%s waits: %s", self.name, error)
        else:
            _log.exception("%s fails and tries again (failure %d in a row)", self.name, self.failures)

    def _succeeded(self) -> None:
        if self.failures:
            _log.info("%s goes on after %d failures", self.name, self.failures)
        self.failures, self.error = 0, ""

    def finish(self) -> None:
        """The last commit, and the end of the connection."""
        try:
            if self._at_end is not None:
                self._at_end()
        except Exception as error:
            _log.warning("%s: the last commit failed, a restart reads a little more: %s", self.name, error)
        self._bus.close()
