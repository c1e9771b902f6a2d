"""Arrays of the step that runs: sent at once where they are due, else kept until it is known how the step went."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from streamgauge.tracer.events import Raw
from streamgauge.tracer.inputs import array_of, tensor_of
from streamgauge.tracer.reductions import some_rows
from streamgauge.tracer.selection import ARRAYS, Collection, Selection


class KeptArrays:
    """Copies of what plans ask for; `put` takes what is to be sent, at most `limit` bytes wait.

    What waits for a loss that is not finite goes out with the first such step; then a finite one must come again, or
    another selection: who asks while the loss is not finite has the next step's.
    """

    def __init__(self, put: Callable[[Raw], None], limit: int) -> None:
        self._put = put
        self._limit = limit
        self._waiting: deque[Raw] = deque()
        self._used = 0
        self._is_odd = False  # a batch of the step that runs had no finite loss
        self._asked: Selection | None = None  # what waits was asked for by this one
        self._told: Selection | None = None  # it has its arrays of the steps without a finite loss that go on
        self.lost = 0  # arrays that did not fit

    def take(self, now: float, step: int, selection: Selection, collection: Collection, name: str, value: Any) -> None:
        """One array of a step, in the forms that are asked for; nothing where none is. Raises Refusal."""
        emits = tuple(emit for emit in ARRAYS if selection.takes(collection, name, step, emit))
        is_awaited = selection is not self._told and selection.awaits(collection, name, step)
        if not emits and not is_awaited:
            return
        values = array_of(value) if collection == "inputs" else tensor_of(value)  # those of inputs are hashed later
        array = np.array(some_rows(values, selection.rows(collection, name)))
        if emits:
            self._put(Raw(now, step, collection, name, array, emits))
        if is_awaited and "raw" not in emits:
            self._asked = selection
            self._wait(Raw(now, step, collection, name, array, ("raw",)))

    def settle(self, step: int, loss: float | None, *, updated: bool) -> None:
        """A batch is told: what waits is sent with the update of a step that went wrong, else forgotten."""
        if loss is not None and not math.isfinite(loss):
            self._is_odd = True
        if not updated:
            return
        if self._is_odd:
            for raw in self._waiting:
                self._put(raw._replace(step=step))
            self._told = self._asked or self._told
        else:
            self._told = None
        self._waiting.clear()
        self._used, self._asked, self._is_odd = 0, None, False

    def _wait(self, raw: Raw) -> None:
        if self._used + raw.array.nbytes > self._limit:
            self.lost += 1
            return
        self._used += raw.array.nbytes
        self._waiting.append(raw)
