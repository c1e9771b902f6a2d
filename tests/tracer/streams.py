"""A tracer in stream time and what it sent, for tests of what it makes of its arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.tracer import codec
from streamgauge.tracer.records import Name, TraceBatch
from streamgauge.tracer.summaries import decode
from streamgauge.tracer.tracer import Labels, Tracer
from streamgauge.tracer.transport import MemoryLog

LABELS = Labels(margin=20.0, horizon=30.0, timeout=40.0)


class Sent:
    """One tracer, its clock, and the records of its log."""

    def __init__(self, now: float = 0.0, **options: Any) -> None:
        self.now = now
        self.log = MemoryLog()
        merged = {"clock": lambda: self.now, "incarnation": "a", "usage": False, "labels": LABELS, **options}
        self.tracer = Tracer("ctr", "w", self.log, **merged)

    def batches(self) -> list[TraceBatch]:
        """Everything sent so far."""
        self.tracer.flush()
        found = [codec.decode(message.value) for message in self.log.read("traces", 0, 100_000)]
        return [batch for batch in found if isinstance(batch, TraceBatch)]

    def totals(self) -> dict[Name, float]:
        """Sums of the points by name."""
        found: dict[Name, float] = {}
        for batch in self.batches():
            for name, value in points(batch):
                found[name] = found.get(name, 0.0) + value
        return found

    def total(self, clock: str, name: str, entity: str = "") -> float:
        """The sum of one name."""
        return self.totals().get(Name(clock, name, entity), 0.0)  # type: ignore[arg-type]

    def sketches(self) -> dict[tuple[str, str, str, str], Any]:
        """The last sketch of each (clock, name, entity, kind)."""
        return {(s.clock, s.name, s.entity, s.kind): decode(s) for batch in self.batches() for s in batch.sketches}

    def refused(self) -> dict[str, str]:
        """What the records say of what was refused: by what, the reason."""
        found = {}
        for batch in self.batches():
            for (fact, what, _), text in zip(batch.hard, batch.texts or [""] * len(batch.hard), strict=True):
                if fact == "refused":
                    found[what] = text
        return found


def points(batch: TraceBatch) -> Iterator[tuple[Name, float]]:
    """The points of a batch by name."""
    names, columns = codec.decode_names(batch.names), codec.points(batch)
    yield from zip([names[i] for i in columns.index], columns.value.tolist(), strict=True)
