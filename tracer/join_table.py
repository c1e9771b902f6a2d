"""What the join knows of each open sample, by slot: times, prediction, label, weight. About 40 bytes a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.inputs import NA

Floats = NDArray[np.float64]
Slots = NDArray[np.int64]

FIELDS: Final = ("seen", "event", "written", "due", "expiry", "prediction", "label")  # NaN: unknown
_FIELDS: Final = frozenset(FIELDS)
WEIGHT: Final = "weight"  # of which there is a column from the first weight on
# 36 bytes: times as float32 seconds since the sample was seen, within 4 ms a day
SINCE: Final = frozenset({"event", "written", "due", "expiry"})
_DTYPES: Final = {"seen": "f8", "prediction": "f8", "label": "f4"} | dict.fromkeys(SINCE, "f4")


class JoinTable:
    """Columns that grow, and the slots of them that are free."""

    def __init__(self, *, exact_labels: bool = False) -> None:
        self._free = np.zeros(0, np.int32)  # a stack of slots
        self._top = 0  # of it
        dtypes = _DTYPES | {"label": "f8" if exact_labels else "f4"}  # a class needs no more than 4 bytes
        self._columns: dict[str, NDArray[Any]] = {name: np.zeros(0, dtypes[name]) for name in FIELDS}

    @property
    def nbytes(self) -> int:
        """Bytes of columns and free slots."""
        return self._free.nbytes + sum(column.nbytes for column in self._columns.values())

    @property
    def fields(self) -> tuple[str, ...]:
        """FIELDS, the weight where there is one, and the predictions of heads that wait for the first label."""
        return tuple(self._columns)

    def column(self, name: str, slots: Slots) -> Floats:
        """One field for each slot, NaN for slot -1."""
        held = slots >= 0
        if held.all():
            return self._values(name, slots)
        found = np.full(len(slots), NA)
        found[held] = self._values(name, slots[held])
        return found

    def _values(self, name: str, slots: Slots) -> Floats:
        if name not in self._columns:
            return np.full(len(slots), NA)
        values = self._columns[name][slots].astype(np.float64)
        return values + self._columns["seen"][slots] if name in SINCE else values

    def put(self, name: str, slots: Slots, values: Floats) -> None:
        """Set a field that is no time."""
        if name not in self._columns:
            dtype = np.float32 if name == WEIGHT else np.float64
            self._columns[name] = np.full(len(self._columns["seen"]), NA, dtype)
        self._columns[name][slots] = values

    def allocate(self, count: int) -> Slots:
        """So many free slots."""
        missing = count - self._top
        if missing > 0:
            size = len(self._columns["seen"])
            grown = max(1024, missing, size if size < 1_000_000 else size // 8)
            for name, column in self._columns.items():
                self._columns[name] = np.concatenate((column, np.full(grown, np.nan, column.dtype)))
            free = np.empty(size + grown, np.int32)
            free[: self._top] = self._free[: self._top]
            free[self._top : self._top + grown] = np.arange(size + grown - 1, size - 1, -1)
            self._free, self._top = free, self._top + grown
        self._top -= count
        return self._free[self._top : self._top + count][::-1].astype(np.int64)

    def write(self, slots: Slots, rows: Mapping[str, Floats]) -> dict[str, Floats]:
        """All FIELDS of samples, of the others (a weight, other heads' predictions) those given; the times as read."""
        seen, times = rows["seen"], dict[str, Floats]()
        for name in FIELDS:
            if name in SINCE:
                since = (rows[name] - seen).astype(np.float32)
                times[name] = since.astype(np.float64) + seen
            self._columns[name][slots] = since if name in SINCE else rows[name]
        for name in sorted({*rows, *self._columns} - _FIELDS):
            self.put(name, slots, rows.get(name, np.full(len(slots), NA)))
        return times

    def free(self, slots: Slots) -> None:
        """These samples are forgotten."""
        self._columns["seen"][slots] = np.nan
        self._free[self._top : self._top + len(slots)] = slots
        self._top += len(slots)
