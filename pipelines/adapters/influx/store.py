"""The `Store` port on an InfluxDB: lines through a queue on disk, sent in order by one thread till the server has them.

`write` returns when the lines are on disk, so the log's offsets can be committed while the server is down: an outage
may then outlast the log's retention, holds up no other store, and shows as a queue and not as a writer that fails. The
order never changes and nothing is sent past what waits, so the newest form of a record comes last, also when a crash
makes some of it come twice. Only what the server calls wrong for ever (400) is given up: counted and logged with its
line.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from streamgauge.pipelines.adapters.influx.api import InfluxApi, Refused, Throttled
from streamgauge.pipelines.adapters.influx.rows import Rows
from streamgauge.pipelines.adapters.influx.spill import Spill
from streamgauge.pipelines.config.schema import Influx
from streamgauge.pipelines.ports import StoreBusy, Stored

_LINGER: Final = 0.25  # seconds that lines wait for more of them
_BATCH_BYTES: Final = 4_000_000  # of one write, about; servers take 25 MB and more
_PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds after a write that failed, the last for all later ones
_QUIET: Final = 60.0  # seconds between two tellings of the same failure
_SHOWN: Final = 500  # characters of a refused line that are told
_REMEMBERED: Final = 20  # refused lines that health shows
_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The store is closing and the server does not take the lines: they stay in the queue."""


class Rejection(NamedTuple):
    """A line that the server refused for ever."""

    line: str
    why: str


class InfluxStore:
    """Writes to one InfluxDB through the queue in `folder`; one thread calls `write`.

    Args:
        config: where the server is.
        folder: of the queue; only one process may use it.
        token: taken where no token_file is configured.
        clock: what dead letters are filed under.
    """

    def __init__(
        self, config: Influx, folder: Path, *, token: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self._api, self._batch, self._clock = InfluxApi(config, token), config.batch, clock
        self._spill = Spill(folder, config.spill_bytes)
        self._rows = Rows()
        self._stopping, self._more = threading.Event(), threading.Event()
        self._failures, self._error, self._quiet_until = 0, "", -math.inf
        self._sent = self._rejected = 0
        self._rejections: deque[Rejection] = deque(maxlen=_REMEMBERED)
        self._thread = threading.Thread(target=self._run, name="influx", daemon=True)
        self._thread.start()

    def write(self, records: Iterable[Stored]) -> None:
        """Put all into the queue, or none. Raises StoreBusy when there is no room for them."""
        self._spill.append(self._rows.lines(records, self._clock()))
        self._more.set()

    @property
    def identity(self) -> str:
        """A bucket has none."""
        return ""

    def health(self) -> dict[str, Any]:
        """What waits, what became of the rest, and what is wrong."""
        return {
            "kind": "influx", "waiting": self._spill.waiting, "bytes": self._spill.size, "sent": self._sent,
            "rejected": self._rejected, "rejections": [rejection._asdict() for rejection in self._rejections],
            "failures": self._failures, "error": self._error,
        }  # fmt: skip

    @property
    def held_bytes(self) -> int:
        """Of what is remembered of written rows. Any thread may ask."""
        return self._rows.bytes

    def close(self) -> None:
        """Send what waits if the server takes it; the rest stays in the queue for the next start."""
        self._stopping.set()
        self._more.set()
        self._thread.join()
        if self._spill.waiting:
            _log.warning("%d lines wait on disk for InfluxDB until the next start", self._spill.waiting)
        self._spill.close()
        self._api.close()

    def _run(self) -> None:
        while True:
            try:
                is_idle = not self._step()
            except _Stopped:
                return
            except Exception as error:  # whatever it is, the lines stay in the queue
                self._failed(StoreBusy(f"the queue for InfluxDB fails: {error!r}"))
                is_idle = True
            if self._stopping.is_set():
                if is_idle:
                    return
            elif is_idle:
                self._more.wait(1.0)
                self._more.clear()
                self._stopping.wait(_LINGER)

    def _step(self) -> int:
        """Send one batch from the head of the queue; how many lines that were."""
        taken = self._spill.peek(self._batch, _BATCH_BYTES)
        if taken.lines:
            self._deliver(taken.lines)
            self._spill.done(taken)
        return len(taken.lines)

    def _deliver(self, lines: list[str]) -> None:
        """Send lines in their order; those that are refused are found by splitting."""
        waiting = [lines]
        while waiting:
            batch = waiting.pop()
            try:
                self._send(batch)
                self._sent += len(batch)
            except Refused as refused:
                if len(batch) == 1 or refused.dropped == len(batch):
                    self._reject(batch, str(refused))
                else:
                    waiting += reversed(_split(batch))

    def _send(self, batch: list[str]) -> None:
        """Write until the server has it. Raises Refused, and _Stopped instead of waiting when the store closes."""
        text = "\n".join(batch)
        while True:
            try:
                self._api.write(text)
            except StoreBusy as busy:
                pause = self._failed(busy)
                if self._stopping.wait(pause):
                    raise _Stopped from None
            else:
                self._succeeded()
                return

    def _reject(self, lines: list[str], why: str) -> None:
        self._succeeded()
        self._rejected += len(lines)
        self._rejections += [Rejection(line[:_SHOWN], why) for line in lines[-_REMEMBERED:]]
        level = logging.WARNING if "beyond retention" in why else logging.ERROR  # the bucket is to forget these
        _log.log(level, "InfluxDB refuses %d lines for ever: %s; the first is %s", len(lines), why, lines[0][:_SHOWN])

    def _failed(self, error: StoreBusy) -> float:
        """Remember and tell; how many seconds to wait."""
        said = str(error)
        if said != self._error or time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + _QUIET
            _log.warning("%s; %d lines wait on disk", said, self._spill.waiting)
        self._failures, self._error = self._failures + 1, said
        asked = error.seconds if isinstance(error, Throttled) else 0.0
        return max(asked, _PAUSES[min(self._failures, len(_PAUSES)) - 1])

    def _succeeded(self) -> None:
        if self._failures:
            _log.info("InfluxDB takes lines again after %d failures", self._failures)
        self._failures, self._error = 0, ""


def _split(batch: list[str]) -> list[list[str]]:
    """A batch by table, for what is refused is often all of one; a batch of one table in halves."""
    tables: dict[str, list[str]] = {}
    for line in batch:
        tables.setdefault(line.partition(",")[0], []).append(line)
    half = len(batch) // 2
    return list(tables.values()) if len(tables) > 1 else [batch[:half], batch[half:]]
