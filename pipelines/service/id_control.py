"""What a job's second stage chose of its ids goes on to `control`, where all workers of the job read it."""

from __future__ import annotations

import msgspec

from streamgauge.pipelines.ports import Bus, Stored
from streamgauge.pipelines.stream.id_sampling import modulus_of
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer.id_sampling import Choice


class IdControl:
    """Notes the choices that pass the store writer, and sends them from its thread; the last one of a job counts.

    Args:
        bus: of that thread.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[str, bytes] = {}

    def note(self, record: Stored) -> None:
        """A record is in the store."""
        modulus = modulus_of(record) if isinstance(record, Change) else None
        if modulus is not None and isinstance(record, Change):
            self._waiting[record.job] = msgspec.json.encode(Choice(modulus=modulus, start=record.time))

    def step(self) -> int:
        """Send what waits; how many. Raises LogError, and sends it the next time."""
        if not self._waiting:
            return 0
        self._bus.send([("control", job, value) for job, value in sorted(self._waiting.items())])
        sent, self._waiting = len(self._waiting), {}
        return sent
