"""Cohorts: which samples become H old in which pane, so that what their labels say is told of samples of one time.

A sample is H old `horizon` seconds after its own time (when it was first seen, where it has none), or when it expires
if that is earlier: then all is known of it that ever will be. 4 bytes a sample.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.batches import by_pane

Floats = NDArray[np.float64]
Slots = NDArray[np.int64]


class Labelled(NamedTuple):
    """The labelled samples of a cohort."""

    predictions: Floats
    labels: Floats
    weights: Floats | None = None  # NaN: 1


class Cohorts:
    """Slots of the join by the pane in which their samples become H old; a slot may have another sample by then."""

    def __init__(self, pane: float) -> None:
        self.closed = -(2**53)  # panes before it are over
        self._pane = pane
        self._slots: defaultdict[int, list[NDArray[np.int32]]] = defaultdict(list)

    @property
    def nbytes(self) -> int:
        """Bytes of the slots that wait."""
        return sum(part.nbytes for parts in self._slots.values() for part in parts)

    def add(self, slots: Slots, old_at: Floats) -> None:
        """Samples that become H old at these times; those of panes that are over are left out."""
        panes = self.panes(old_at)
        for pane, rows in by_pane(panes):
            if pane >= self.closed:
                self._slots[pane].append(slots[rows].astype(np.int32))

    def close(self, last: int) -> list[tuple[int, Slots]]:
        """The distinct slots of each pane before `last`."""
        self.closed = max(self.closed, last)
        due = sorted(pane for pane in self._slots if pane < last)
        return [(pane, np.unique(np.concatenate(self._slots.pop(pane))).astype(np.int64)) for pane in due]

    def panes(self, times: Floats) -> Slots:
        """The panes that hold these times; a time that is NaN lies in none that ever closes."""
        panes: Slots = np.floor(np.where(np.isnan(times), 2.0**52, times) / self._pane).astype(np.int64)
        return panes
