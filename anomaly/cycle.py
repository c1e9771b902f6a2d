"""What a series does at its places of the day, beside its slot's normal: inside the hour, and from time to time.

A slot of `anomaly.reference` is an hour at the finest. A cell is as fine as the windows, down to five minutes, and
holds two excesses over the slot: the `usual` one (an edge at 8:30, a batch at 02:00) and one `other` (a batch on
Sundays, an edge that moved). Every cell is pooled with its slot until its own excess is clear of the noise: three days
and 2.5 standard errors. What is rejected at the same cell on two days in the same way is known from the third on; four
times without the usual one between them make it the usual one. What goes on for more than a day is no cycle and teaches
nothing here. A day leaves one excess a cell, the mean of its windows, once another cell begins.

Memory: 18 bytes a cell and series, 1.7 kB at 96 cells: a rhythm that is learnt must be kept somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

import msgspec
import numpy as np

from streamgauge.anomaly.columns import Arrays, Column, empty, pack, pick, unpack
from streamgauge.anomaly.reference import Bools, Floats, Moment, Part, Rows

CELLS: Final = 288  # at most, a day
LEAST_DAYS: Final = 3  # before a cell's usual excess is used
CLEAR: Final = 2.5  # standard errors that it must be away from 0
DEPTH: Final = 14  # days that it remembers, about
CAP: Final = 3.0  # sigmas that one day can teach
SEEN: Final = 2  # days on which another excess came, before it is known
REPLACED: Final = 4  # times that it came instead of the usual one, before it is the usual one
ALIKE: Final = 0.25  # relative difference of excesses that are the same
LOOSE: Final = 0.1  # of another excess, beside the noise
NEVER: Final = -(1 << 30)
_OPEN: Final = {"sum": Column("<f8"), "count": Column("<i4")}  # of the cell that is going on


class Offsets(NamedTuple):
    """What a cell adds to its slot's center; each of shape [series]."""

    usual: Floats  # 0 where the cell is like its slot
    other: Floats  # NaN while no other is known


class Taught(NamedTuple):
    """What a window has changed."""

    again: Rows  # series of which another excess became known
    moved: Floats  # by how much each series' center of this slot must move, 0 for nearly all; shape [series]


class Place(NamedTuple):
    """A cell of one day."""

    day: int
    cell: int


class Cycle:
    """The cells of `series` series; `slots` are the parts of the day that share a center."""

    def __init__(self, series: int = 0, cells: int = 96, slots: int = 24) -> None:
        self.cells, self.slots = cells, slots
        self._columns = {
            "usual": Column("<f4", (cells,)), "usual_days": Column("|u1", (cells,)),
            "usual_day": Column("<i4", (cells,), NEVER),
            "other": Column("<f4", (cells,)), "other_days": Column("|u1", (cells,)),
            "other_day": Column("<i4", (cells,), NEVER),
        }  # fmt: skip
        self._arrays: Arrays = empty(self._columns, series)
        self._open, self._at = empty(_OPEN, series), Place(NEVER, 0)
        self._changes = [0] * slots  # of each slot's cells; not part of the state

    def begin(self, at: Moment) -> None:
        """Close the cell before, if `at` lies in another one: what its day was is known."""
        if self._at != (at.day, at.cell):
            self._close()
            self._at = Place(at.day, at.cell)

    def offsets(self, cell: int, s: Floats) -> Offsets:
        """What a cell adds, given the noise `s` of a window."""
        arrays, slot = self._arrays, self._slot(cell)
        mates = self._cells(slot)
        clear = {mate: self._clear(mate, s) for mate in mates}
        # The slot's center is the mean of its cells: what they all have in common is the center's to learn.
        common = np.zeros(len(s))
        for mate in mates:
            common += clear[mate]
        other = np.where(arrays["other_days"][:, cell] >= SEEN, arrays["other"][:, cell].astype(np.float64), np.nan)
        return Offsets(clear[cell] - common / len(mates), other)

    def learn(self, at: Moment, excess: Floats, s: Floats, usual: Bools, other: Bools) -> Taught:
        """Take in one window's `excess` over its slot: as the `usual` one or as another; both False teach nothing."""
        self.begin(at)
        known = np.isfinite(excess) & np.isfinite(s)
        self._changes[self._slot(at.cell)] += 1
        self._add(at.cell, excess, s, np.flatnonzero(usual & known))
        return self._other(at, excess, s, np.flatnonzero(other & known))

    def undo(self, rows: Rows, day: int) -> None:
        """What `rows` did since the day before goes on and on: it is no cycle, so it did not come back."""
        if not len(rows):
            return
        since = self._arrays["other_day"][rows] >= day - 1
        days = self._arrays["other_days"]
        days[rows] = np.where(since & (days[rows] > 0), days[rows] - 1, days[rows])
        self._all_changed()

    def revise(self, row: int, cell: int, day: int, by: int) -> None:
        """What one series did in a cell of a day did not come back (`by` -1) after all, or did (1)."""
        place = (row, cell)
        days, last = int(self._arrays["other_days"][place]), int(self._arrays["other_day"][place])
        # Another excess may have come there since: of that only what is left of the older one is taken.
        if last == day or (last > day and days > 1):
            self._arrays["other_days"][place] = min(255, max(0, days + by))
            self._changes[self._slot(cell)] += 1

    def reindex(self, index: Rows) -> None:
        """Keep the series `index`, in that order; -1 is a new one."""
        self._arrays, self._open = pick(self._columns, self._arrays, index), pick(_OPEN, self._open, index)
        self._all_changed()

    def parts(self) -> Iterator[Part]:
        """All state in parts that change apart: the cells of each slot of the day, of which one changes at a time."""
        for slot, changes in enumerate(self._changes):
            yield str(slot), changes, partial(self._part, slot)

    def take(self, slot: int, part: bytes) -> None:
        """The cells of a slot as they were; there are as many series."""
        cells = self._cells(slot)
        for name, columns in unpack(part).items():
            self._arrays[name][:, cells.start : cells.stop] = columns

    def open(self) -> bytes:
        """What lies in no cell yet; it changes with every window."""
        return msgspec.msgpack.encode([self.cells, self.slots, self._at, pack(self._open)])

    @classmethod
    def of_open(cls, data: bytes) -> Cycle:
        """The cycle whose `open` was `data`; its cells are to be taken."""
        cells, slots, at, packed = msgspec.msgpack.decode(data, type=tuple[int, int, Place, bytes])
        arrays = unpack(packed)
        cycle = cls(len(arrays["sum"]), cells, slots)
        cycle._open, cycle._at = arrays, at
        return cycle

    def snapshot(self) -> bytes:
        """All state, exactly."""
        return msgspec.msgpack.encode([self.open(), pack(self._arrays)])

    @classmethod
    def restore(cls, data: bytes) -> Cycle:
        """The cycle that `snapshot` was taken of."""
        opened, arrays = msgspec.msgpack.decode(data, type=tuple[bytes, bytes])
        cycle = cls.of_open(opened)
        cycle._arrays = unpack(arrays)
        return cycle

    def _part(self, slot: int) -> bytes:
        cells = self._cells(slot)
        return pack({name: array[:, cells.start : cells.stop] for name, array in self._arrays.items()})

    def _slot(self, cell: int) -> int:
        return cell * self.slots // self.cells

    def _cells(self, slot: int) -> range:
        """The cells of a slot: `c * slots // cells == slot`."""
        return range(-(-slot * self.cells // self.slots), -(-(slot + 1) * self.cells // self.slots))

    def _all_changed(self) -> None:
        self._changes = [changes + 1 for changes in self._changes]

    def _clear(self, cell: int, s: Floats) -> Floats:
        """A cell's usual excess where it is clear of the noise, 0 elsewhere."""
        usual, days = self._arrays["usual"][:, cell].astype(np.float64), self._arrays["usual_days"][:, cell]
        is_clear = (days >= LEAST_DAYS) & (np.abs(usual) * np.sqrt(days) > CLEAR * s)
        return np.where(is_clear, usual, 0.0)

    def _add(self, cell: int, excess: Floats, s: Floats, rows: Rows) -> None:
        """How far these windows are from the cell's usual excess, as far as one day can teach."""
        place = (rows, cell)
        old, days = self._arrays["usual"][place].astype(np.float64), self._arrays["usual_days"][place]
        reach = np.where(days >= LEAST_DAYS, CAP * s[rows], np.inf)
        self._open["sum"][rows] += np.clip(excess[rows] - old, -reach, reach)
        self._open["count"][rows] += 1

    def _close(self) -> None:
        rows = np.flatnonzero(self._open["count"])
        if len(rows):
            arrays, place = self._arrays, (rows, self._at.cell)
            old, days = arrays["usual"][place].astype(np.float64), arrays["usual_days"][place].astype(np.int64)
            step = self._open["sum"][rows] / self._open["count"][rows]
            arrays["usual"][place] = np.clip(old + step / np.minimum(days + 1.0, DEPTH), -3e38, 3e38)
            arrays["usual_days"][place] = np.minimum(days + 1, DEPTH)
            arrays["usual_day"][place] = self._at.day
            self._changes[self._slot(self._at.cell)] += 1
        self._open["sum"][:], self._open["count"][:] = 0.0, 0

    def _other(self, at: Moment, excess: Floats, s: Floats, rows: Rows) -> Taught:
        arrays, place = self._arrays, (rows, at.cell)
        old, days = arrays["other"][place].astype(np.float64), arrays["other_days"][place].astype(np.int64)
        new = excess[rows]
        same = (days > 0) & (np.abs(new - old) <= 4.0 * s[rows] + ALIKE * np.abs(old))
        later = arrays["other_day"][place] < at.day
        count = np.where(same, np.minimum(days + later, 255), 1)
        arrays["other"][place] = np.clip(np.where(same, 0.5 * (old + new), new), -3e38, 3e38)
        arrays["other_days"][place], arrays["other_day"][place] = count, at.day
        replaced = rows[(count >= REPLACED) & (at.day - arrays["usual_day"][place] >= REPLACED)]
        return Taught(rows[(count == SEEN) & same & later], self._replace(at, s, replaced))

    def _replace(self, at: Moment, s: Floats, rows: Rows) -> Floats:
        """The other excess is the usual one from now on.

        The slot's center, the mean of its cells, moves with it at once: it would learn that in two weeks only, and all
        other cells of the slot would be expected off by as much until then. What is over the center moves against it.
        """
        moved = np.zeros(len(s))
        if not len(rows):
            return moved
        arrays, place, cells = self._arrays, (rows, at.cell), self._cells(self._slot(at.cell))
        before = self._clear(at.cell, s)[rows]
        arrays["usual"][place], arrays["usual_days"][place] = arrays["other"][place], DEPTH
        arrays["usual_day"][place] = at.day
        arrays["other_days"][place] = 0
        moved[rows] = (self._clear(at.cell, s)[rows] - before) / len(cells)
        for name in ("usual", "other"):
            arrays[name][rows, cells.start : cells.stop] -= moved[rows].astype("<f4")[:, None]
        return moved
