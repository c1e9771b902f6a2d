"""What one worker sent, pane by pane: point tables keyed by the worker's own slots, sketches, and their folds.

Points are applied in sequence order by `ufunc.at`; panes fold into slices and slices into windows, oldest first, so the
bits of a window depend on the worker's own order only. Cost: a record of 500 points is five `ufunc.at` calls and about
10 us around them; a table holds 56 bytes a slot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.metrics import Floats, Partial
from streamgauge.pipelines.stream.blocks import Blocks
from streamgauge.pipelines.stream.names import Index, Names
from streamgauge.tracer import summaries
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.records import Sketch

COUNT, WEIGHT, TOTAL, LOW, HIGH, NONFINITE, SPARE = range(7)
MAX_PENDING: Final = 64  # sketches of one pane before they are merged in place
_DENSE: Final = 8
_EMPTY: Final = np.array([[0.0], [0.0], [0.0], [np.inf], [-np.inf], [0.0], [0.0]])


class Table:
    """Folded points and pending sketches of one pane or slice; `columns` has shape [7, slots] and grows.

    `changes` counts what was done in place: with the object, it tells whether a kept copy is what the table holds.
    """

    __slots__ = ("changes", "columns", "pending", "rows")

    def __init__(self, slots: int) -> None:
        self.columns = _blank(slots)
        self.rows = tuple(self.columns)
        self.pending: list[Sketch] = []
        self.changes = 0

    def grow(self, slots: int) -> None:
        """Make room for `slots` slots."""
        have = self.columns.shape[1]
        if have < slots:
            self.columns = np.concatenate((self.columns, _blank(slots - have)), axis=1)
            self.rows = tuple(self.columns)

    def apply(self, slots: Index, value: Floats, weight: Floats | None) -> None:
        """Fold points in, one after the other; what is not finite is counted apart."""
        self.changes += 1
        if not _is_finite(value) or (weight is not None and not _is_finite(weight)):
            slots, value, weight = self._set_apart(slots, value, weight)
        count, weights, total, low, high = self.rows[:NONFINITE]
        if len(count) <= _DENSE * len(slots):  # counting costs a pass over all slots, and saves one over the points
            counts = np.bincount(slots, minlength=len(count))
            count += counts
            if weight is None:
                weights += counts
        else:
            np.add.at(count, slots, 1.0)
            if weight is None:
                np.add.at(weights, slots, 1.0)
        if weight is not None:
            np.add.at(weights, slots, weight)
            np.add.at(total, slots, value * weight)
        else:
            np.add.at(total, slots, value)
        np.minimum.at(low, slots, value)
        np.maximum.at(high, slots, value)

    def keep(self, sketches: Sequence[Sketch]) -> None:
        """Remember sketches, in order."""
        self.changes += 1
        self.pending.extend(sketches)
        if len(self.pending) > MAX_PENDING:
            self.pending = list(merge_sketches(self.pending))

    def _set_apart(self, slots: Index, value: Floats, weight: Floats | None) -> tuple[Index, Floats, Floats | None]:
        """Count the points that are not finite; the others."""
        finite = np.isfinite(value) if weight is None else np.isfinite(value) & np.isfinite(weight)
        np.add.at(self.rows[NONFINITE], slots[~finite], 1.0)
        return slots[finite], value[finite], None if weight is None else weight[finite]


class Track:
    """One worker's panes and slices for one kind of windows (stream or wall); times in microseconds."""

    __slots__ = ("_blocks", "_held", "_is_stale", "names", "panes", "slices")

    def __init__(self) -> None:
        self.names = Names()
        self.panes: dict[int, Table] = {}
        self.slices: dict[int, Table] = {}
        self._blocks = Blocks()  # a cache
        # Of all sketches that are held, and perhaps of some that were: gathered anew only where the bound is near.
        self._held: set[summaries.Identity] | None = None
        self._is_stale = False

    @property
    def cached_bytes(self) -> int:
        """What is kept only to be quicker, about."""
        return self._blocks.bytes

    def pane(self, start: int) -> Table:
        """The table of a pane that is still open."""
        table = self.panes.get(start)
        slots = len(self.names.names)
        if table is None or table.columns.shape[1] < slots:
            table = _table(self.panes, start, slots)
        return table

    def slice(self, end: int) -> Table:
        """The table of a slice that this worker has passed already, to add to it."""
        return _table(self.slices, end, len(self.names.names))

    def admitted(self, sketches: Sequence[Sketch], most: int) -> Sequence[Sketch]:
        """Sketches of series of which some are held already, and of new ones while there are fewer than `most`."""
        if self._held is None or (self._is_stale and len(self._held) + len(sketches) > most):
            tables = (*self.panes.values(), *self.slices.values())
            self._held = {identity for table in tables for identity in map(summaries.identity, table.pending)}
            self._is_stale = False
        identities = list(map(summaries.identity, sketches))
        if self._held.issuperset(identities):
            return sketches
        found = []
        for sketch, identity in zip(sketches, identities, strict=True):
            if identity in self._held or len(self._held) < most:
                self._held.add(identity)
                found.append(sketch)
        return found

    def pass_slice(self, end: int) -> None:
        """Fold the panes before `end` into its slice: nothing on time can come for them any more."""
        starts = sorted(start for start in self.panes if start < end)
        if starts:
            self.slices[end] = fold([self.panes.pop(start) for start in starts])

    def window(self, start: int, end: int, slice_end: Callable[[int], int], slide: int) -> Table | None:
        """The fold of everything in [start, end): slices, oldest first, those not passed yet folded for now."""
        parts = {at: [table] for at, table in self.slices.items() if start < at <= end}
        for at in sorted(self.panes):
            if start <= at < end:
                parts.setdefault(slice_end(at), []).append(self.panes[at])
        tables = {at: _single(parts[at]) for at in sorted(parts)}
        if len(tables) < 2:
            return next(iter(tables.values()), None)
        result = _fold_points(list(tables.values()))
        pending = {at: table.pending for at, table in tables.items() if table.pending}
        if pending:
            result.pending = self._fold_sketches(pending, start, end, slide)
        return result

    def _fold_sketches(self, slices: dict[int, list[Sketch]], start: int, end: int, slide: int) -> list[Sketch]:
        try:
            return list(self._blocks.fold(slices, start, end, slide))
        except RecordError:
            return list(merge_sketches([sketch for pending in slices.values() for sketch in pending]))

    def forget(self, reach: int) -> None:
        """Drop what ends at or before `reach`."""
        gone = [end for end in self.slices if end <= reach]
        for end in gone:
            del self.slices[end]
        if gone:
            self._is_stale = True
            self._blocks.forget(reach)

    def oldest(self) -> int | None:
        """Start of the oldest open pane, or just before the end of the oldest slice."""
        times = [*self.panes, *(end - 1 for end in self.slices)]
        return min(times, default=None)

    def mark_seen(self, end: int) -> None:
        """Note which series had a point in the slice that ended at `end`."""
        table = self.slices.get(end)
        if table is not None:
            self.names.seen[: table.columns.shape[1]][_is_active(table.columns)] = end

    def evict(self, before: int) -> int:
        """Let series unseen since `before` leave, unless a pane or slice still holds them; how many left."""
        keep = self.names.seen >= before
        if keep.all():
            return 0
        size = self.names.size
        tables = [*self.panes.values(), *self.slices.values()]
        for table in tables:
            active = _is_active(table.columns)
            keep[: len(active)] |= active
        self._renumber(np.flatnonzero(keep), tables)
        return size - self.names.size

    def _renumber(self, slots: Index, tables: Sequence[Table]) -> None:
        names, seen = self.names.names, self.names.seen
        self.names = Names()
        for slot in slots.tolist():
            self.names.add(names[slot], int(seen[slot]))
        for table in tables:
            table.columns = np.ascontiguousarray(table.columns[:, slots[slots < table.columns.shape[1]]])
            table.rows = tuple(table.columns)


def fold(tables: Sequence[Table]) -> Table:
    """One table from several, in the given order."""
    result = _fold_points(tables)
    pending = [sketch for table in tables for sketch in table.pending]
    result.pending = list(merge_sketches(pending)) if pending else []
    return result


def _fold_points(tables: Sequence[Table]) -> Table:
    result = Table(max(table.columns.shape[1] for table in tables))
    for table in tables:
        _fold_columns(result.columns, table.columns)
    return result


def partial_of(worker: str, names: Names, table: Table) -> Partial | None:
    """A worker's share of a window as it travels; series without a point in it are left out."""
    active = np.flatnonzero(_is_active(table.columns))
    if not len(active) and not table.pending:
        return None
    columns = table.columns if len(active) == table.columns.shape[1] else table.columns[:, active]
    return Partial(
        worker=worker,
        names=names.pick(active),
        columns=columns.astype("<f8", copy=False).tobytes(),
        sketches=merge_sketches(table.pending) if table.pending else (),
    )


def merge_sketches(sketches: Sequence[Sketch]) -> tuple[Sketch, ...]:
    """`summaries.merge_sketches`; a group that does not fold keeps its last part instead of stopping the stream."""
    try:
        return summaries.merge_sketches(sketches)
    except RecordError:
        groups: dict[summaries.Identity, list[Sketch]] = {}
        for sketch in sketches:
            groups.setdefault(summaries.identity(sketch), []).append(sketch)
        return tuple(_merged_or_last(group) for _, group in sorted(groups.items()))


def _merged_or_last(group: Sequence[Sketch]) -> Sketch:
    try:
        return summaries.merge_sketches(group)[0]
    except RecordError:
        return group[-1]


def _fold_columns(into: Floats, columns: Floats) -> None:
    n = columns.shape[1]
    into[:LOW, :n] += columns[:LOW]
    into[NONFINITE, :n] += columns[NONFINITE]
    np.minimum(into[LOW, :n], columns[LOW], out=into[LOW, :n])
    np.maximum(into[HIGH, :n], columns[HIGH], out=into[HIGH, :n])


def _blank(slots: int) -> Floats:
    columns = np.empty((7, slots))
    columns[:] = _EMPTY
    return columns


def _is_finite(values: Floats) -> bool:
    """False where a value is not finite, and where they are so huge that it must be looked at closely."""
    return math.isfinite(values.dot(values))


def _is_active(columns: Floats) -> NDArray[np.bool_]:
    active: NDArray[np.bool_] = (columns[COUNT] + columns[NONFINITE]) > 0
    return active


def _table(tables: dict[int, Table], key: int, slots: int) -> Table:
    table = tables.get(key)
    if table is None:
        table = tables[key] = Table(slots)
    table.grow(slots)
    return table


def _single(tables: Sequence[Table]) -> Table:
    return tables[0] if len(tables) == 1 else fold(tables)
