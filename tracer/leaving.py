"""What leaves a worker of one membership: its records, with what was lost on the way to them, and its signs of life."""

from __future__ import annotations

from collections.abc import Callable

from streamgauge.tracer import outgoing
from streamgauge.tracer.buffer import Buffer, Priority
from streamgauge.tracer.events import Event
from streamgauge.tracer.faults import Faults
from streamgauge.tracer.panes import Panes
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.sender import Sender


class Leaving:
    """Records of one membership, from its panes to the sender; without any in `interval` seconds an empty one goes."""

    def __init__(
        self, intake: Buffer[Event], sender: Sender, faults: Faults, interval: float, clock: Callable[[], float]
    ) -> None:
        self._intake, self._sender, self._faults, self._interval, self._clock = intake, sender, faults, interval, clock
        self._beat_at = clock()
        # what was lost before this membership is none of it
        self._lost_items = sum(intake.refused[: Priority.RAW])
        self._lost_at_intake = sum(intake.dropped[: Priority.RAW])
        self._lost_in_all = self._dropped()

    def count_dropped(self, panes: Panes) -> None:
        """Points that the bounded queues dropped since the last time."""
        dropped = self._dropped()
        if dropped > self._lost_in_all:
            panes.add("wall", "dropped", "", dropped - self._lost_in_all)
            self._lost_in_all = dropped

    def queue(self, panes: Panes, plans: tuple[tuple[str, int], ...], *, final: bool) -> None:
        """What the panes have cut, under the plans that hold; the `final` one is the goodbye, with all that is left."""
        if final:
            self.count_dropped(panes)
            panes.cut(points_only=False)
        refused = sum(self._intake.refused[: Priority.RAW])
        dropped = sum(self._intake.dropped[: Priority.RAW])
        lost, self._lost_items = refused - self._lost_items, refused
        panes.captured += dropped - self._lost_at_intake
        self._lost_at_intake = dropped
        beat = self._clock()
        batches = panes.stamp(plans, lost=lost, empty=beat - self._beat_at >= self._interval, final=final)
        if batches:
            self._beat_at = beat
        for batch in batches:
            try:
                self._put(batch)
            except Exception as error:
                self._faults.count("encode", error)

    def _put(self, batch: TraceBatch) -> None:
        points = len(batch.index) // 2
        priority = Priority.HARD if batch.hard or batch.final else Priority.SCALAR if points else Priority.STATS
        self._sender.put(*outgoing.batch(batch), priority, points)

    def _dropped(self) -> int:
        return sum(self._intake.dropped) + sum(self._sender.outbox.dropped)
