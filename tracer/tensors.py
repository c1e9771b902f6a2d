"""The tensors of a training job, as an adapter of a framework deals with them: declared, wanted in a step, handed over.

    tracer.tensors.declare([Entry(name="dense/kernel", collection="weights", shape=(128, 64))])   # once
    if tracer.tensors.is_due and tracer.tensors.takes_raw("weights", "dense/kernel"):             # in each step
        tracer.tensors.raw("weights", "dense/kernel", kernel)
    tracer.step(loss=loss)

Asked before anything is computed, so that a step of which nothing is wanted costs one test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from streamgauge.tracer.faults import harmless
from streamgauge.tracer.inputs import tensor_of
from streamgauge.tracer.rows import name_of
from streamgauge.tracer.selection import COLLECTIONS, Collection, Entry
from streamgauge.tracer.traits import Traits
from streamgauge.tracer.worker import Worker


class Tensors:
    """Those of one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.faults = worker.faults

    @property
    def is_off(self) -> bool:
        """Whether nothing is captured."""
        return self._worker.is_off

    @property
    def keeps_time(self) -> bool:
        """Whether the time of steps is measured: not with a clock that is given."""
        return self._worker.is_threaded

    @property
    def traits(self) -> Traits:
        """What an adapter says of the job: what a change of what is traced costs there."""
        return self._worker.life.remote.traits

    @property
    def is_due(self) -> bool:
        """Whether tensors of the step that runs now are wanted: the test before computing any."""
        worker = self._worker
        return not worker.is_off and worker.life.remote.selection.is_due(worker.step + 1)

    def due_steps(self, ahead: int) -> list[bool]:
        """Of the next `ahead` steps, those of which tensors are wanted."""
        worker = self._worker
        if worker.is_off:
            return [False] * ahead
        selection = worker.life.remote.selection
        return [selection.is_due(worker.step + i) for i in range(1, ahead + 1)]

    def takes(self, collection: Collection, name: str) -> bool:
        """Whether a tensor's statistics are wanted in the step that runs now."""
        worker = self._worker
        return not worker.is_off and worker.life.remote.selection.takes(collection, name, worker.step + 1)

    def takes_raw(self, collection: Collection, name: str) -> bool:
        """Whether a tensor itself is wanted in the step that runs now: to be sent, reduced, or kept for a bad loss."""
        worker = self._worker
        return not worker.is_off and worker.life.remote.selection.takes_array(collection, name, worker.step + 1)

    @harmless
    def declare(self, entries: Sequence[Entry]) -> None:
        """What can be traced, for the catalogue; plans are checked against it."""
        for entry in entries:
            self._worker.life.remote.catalogue.setdefault((entry.collection, entry.name), entry)

    @harmless
    def raw(self, collection: Collection, name: str, array: ArrayLike) -> None:
        """An array that a plan asks for (`takes_raw`), for the `tensors` topic, before its step is told."""
        worker = self._worker
        values = worker.capture.argument(name_of(name), tensor_of, array)
        whose: Any = name_of(collection)  # what is no collection matches no plan
        if values is not None:
            if whose in COLLECTIONS:
                worker.capture.list(whose, name_of(name), values)
            worker.keep(whose, name_of(name), values, worker.step + 1)
