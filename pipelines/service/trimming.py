"""The embedded log is held to its days and bytes: what is old goes, and beyond the bytes what all have read."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from streamgauge.pipelines.config.schema import Retention
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.steady import Steady

_OLD: Final = 3600.0  # seconds of wall time between looks at what is old enough to go
_TELL: Final = 60.0  # seconds between tellings
_SLACK: Final = 0.9  # share of the limit that is left, so that not every look finds something
_log = logging.getLogger(__name__)


class Trim:
    """Called now and then; deletes what may go, and says so.

    Args:
        path: of the log.
        retention: how long and how much.
        notifiers: names of those who are told of alerts.
        now: wall time; None: one that a leap of the host's clock does not carry away, as that would empty the log.
    """

    def __init__(
        self, path: Path, retention: Retention, notifiers: Collection[str], now: Callable[[], float] | None = None
    ) -> None:
        self._path, self._retention, self._notifiers = path, retention, notifiers
        self._now = Steady() if now is None else now
        self._limit = retention.log_bytes
        self._old_at = self._told_at = -math.inf
        self._dropped = 0

    def __call__(self) -> None:
        """One look. Raises LogError."""
        log = LocalLog(self._path, heeds=False)
        try:
            if time.monotonic() >= self._old_at:
                log.limit(self._limit)
                log.trim_older(self._now() - self._retention.log)
                self._old_at = time.monotonic() + _OLD
            if log.used() > self._limit:
                self._dropped += log.trim_to(int(_SLACK * self._limit), self._gone(log))
                self._tell(log.used())
        finally:
            log.close()

    def _gone(self, log: LocalLog) -> list[str]:
        """Notifiers that were told once and are configured no more: nobody waits for what they have not read."""
        names = {f"notifier/{name}" for name in self._notifiers}
        return [one for one in log.consumers() if one.startswith("notifier/") and one not in names]

    def _tell(self, used: int) -> None:
        if time.monotonic() < self._told_at + _TELL:
            return
        self._told_at = time.monotonic()
        dropped, self._dropped = self._dropped, 0
        text = "%s is at its %d bytes: the oldest %d messages that all had read are gone"
        _log.warning(text, self._path, self._limit, dropped)
        if used > self._limit:
            text = "%s holds %d bytes that somebody has not read yet; tracers drop and count what they send meanwhile"
            _log.error(text, self._path, used)
