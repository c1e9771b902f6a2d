"""A tracer on a bus in memory, and what arrived there."""

from __future__ import annotations

from typing import Any

from streamgauge.tracer import arrays, codec, read, records
from streamgauge.tracer.selection import BOOT, Select
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

EVERY = tuple(Select(collection=c, every=1) for c in ("weights", "gradients", "updates", "activations"))
ODD = tuple(
    Select(collection=c, when="nonfinite", emit="raw") for c in ("gradients", "activations", "outputs", "inputs")
)
RAW = tuple(Select(collection=c, every=1, emit="raw") for c in ("weights", "gradients", "updates"))
ROWS = 16


class Job:
    """A tracer on a bus in memory, and what arrived there."""

    def __init__(self, *select: Select) -> None:
        self.now = 0.0
        self.log = MemoryLog()
        self.tracer = Tracer(
            "ctr", "w", self.log, clock=lambda: self.now, incarnation="a", usage=False, select=select or BOOT
        )

    def batches(self) -> list[records.TraceBatch]:
        self.tracer.flush()
        decoded = [codec.decode(message.value) for message in self.log.read("traces", 0, 10_000)]
        return [batch for batch in decoded if isinstance(batch, records.TraceBatch)]

    def values(self, name: str, entity: str = "") -> list[float]:
        found = []
        for batch in self.batches():
            names, points = codec.decode_names(batch.names), codec.points(batch)
            rows = zip(points.index.tolist(), points.value.tolist(), strict=True)
            found += [value for i, value in rows if (names[i].name, names[i].entity) == (name, entity)]
        return found

    def arrays(self) -> list[read.TracedArray]:
        """Every array, whole."""
        self.batches()
        return list(read.gather(message.value for message in self.log.read("tensors", 0, 100_000)))

    def raw(self, collection: str, name: str) -> list[Any]:
        self.batches()
        messages = [message.value for message in self.log.read("tensors", 0, 10_000)]
        return [
            arrays.assemble([message])
            for message in messages
            if (arrays.decode(message).collection, arrays.decode(message).name) == (collection, name)
        ]

    def raw_names(self) -> list[tuple[str, str]]:
        """Collection and name of every raw array."""
        self.batches()
        chunks = [arrays.decode(message.value) for message in self.log.read("tensors", 0, 10_000)]
        return [(chunk.collection, chunk.name) for chunk in chunks]
