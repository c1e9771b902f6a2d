"""The log is held to its days and bytes: what is old goes, and beyond the bytes what all have read."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from streamgauge.pipelines.config.schema import Retention
from streamgauge.pipelines.ports import Bus
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.steady import Steady

_OLD: Final = 3600.0  # seconds of wall time between looks at what is old enough to go
_TELL: Final = 60.0  # seconds between tellings
_LOOK: Final = 60.0  # seconds between looks at how much brokers hold
_SAMPLE: Final = 50  # messages at either end of a log by which its bytes are told
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


class TrimTopic:
    """The same for `traces` on Kafka, whose days are the brokers' to hold: called now and then, looks once a minute.

    No client of Kafka's tells the bytes of a partition, so they are told by the messages at its two ends.

    Args:
        open_bus: to the brokers, for one look.
        limit: bytes of all partitions.
        stored: by log, the offset before which everything is in a stored state.
        drop: lets the messages of some logs before an offset go.
    """

    def __init__(
        self, open_bus: Callable[[], Bus], limit: int, stored: Callable[[Bus], Mapping[str, int]],
        drop: Callable[[Bus, Mapping[str, int]], None],
    ) -> None:  # fmt: skip
        self._open, self._limit, self._stored, self._drop = open_bus, limit, stored, drop
        self._at = self._told_at = -math.inf

    def __call__(self) -> None:
        """One look. Raises LogError."""
        if time.monotonic() < self._at + _LOOK:
            return
        self._at = time.monotonic()
        bus = self._open()
        try:
            self._look(bus)
        finally:
            bus.close()

    def _look(self, bus: Bus) -> None:
        bounds = {log: one for log, one in bus.bounds("traces").items() if one[0] < one[1]}
        sizes = {log: (end - first) * _mean(bus, log, first, end) for log, (first, end) in bounds.items()}
        used = sum(sizes.values())
        if used <= self._limit:
            return
        share, stored = 1.0 - _SLACK * self._limit / used, self._stored(bus)
        until = {
            log: min(stored.get(log, 0), first + math.ceil(share * (end - first)))
            for log, (first, end) in bounds.items()
        }
        gone = {log: before for log, before in until.items() if before > bounds[log][0]}
        if gone:
            self._drop(bus, gone)
        shares = ((before - bounds[log][0]) / (bounds[log][1] - bounds[log][0]) for log, before in gone.items())
        self._tell(used, sum(part * sizes[log] for part, log in zip(shares, gone, strict=True)))

    def _tell(self, used: float, gone: float) -> None:
        if time.monotonic() < self._told_at + _TELL:
            return
        self._told_at = time.monotonic()
        text = "traces is at its %d bytes: the oldest of it, about %.0f bytes that are in a stored state, is gone"
        _log.warning(text, self._limit, gone)
        if used - gone > self._limit:
            _log.error("traces holds about %.0f bytes that no stored state has yet; they stay", used - gone)


def _mean(bus: Bus, log: str, first: int, end: int) -> float:
    """Bytes of a message."""
    found = [*bus.read(log, first, _SAMPLE), *bus.read(log, max(first, end - _SAMPLE), _SAMPLE)]
    return sum(len(message.key) + len(message.value) for message in found) / max(1, len(found))
