"""A dead-man's switch: says each minute, to an address that alarms when it hears nothing, that notifications are read.

It stops with the process, its log, or the way out to the network; whether the pipeline is healthy besides is `/readyz`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from streamgauge.anomaly.types import Notification
from streamgauge.pipelines.adapters.notifiers.posting import DEADLINE, post
from streamgauge.pipelines.config.schema import Receiver

EVERY: Final = 60.0  # seconds


class Heartbeat:
    """Posts nothing but the time, once a minute."""

    def __init__(
        self, config: Receiver, *, deadline: float = DEADLINE, now: Callable[[], float] = time.time
    ) -> None:  # fmt: skip
        self.name = f"heartbeat {config.name}"
        self._url, self._deadline, self._now = config.url, deadline, now
        self._last = 0.0

    def notify(self, notification: Notification) -> None:
        """It tells nobody of anything."""

    def idle(self) -> bool:
        """Say that notifications are read, when it is time; whether it was. Raises NotifyError."""
        now = self._now()
        if now - self._last < EVERY:
            return False
        self._last = now  # one attempt a minute, whatever becomes of it
        post(self.name, self._url, b"", {"Content-Length": "0"}, deadline=self._deadline)
        return True
