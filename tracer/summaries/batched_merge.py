"""The summaries of many series folded in one pass for each kind, instead of series by series.

A pile holds the columns of many sketches, kind by kind, end to end. Piles join to piles: integer columns add by
(series, key), float columns stay side by side in their order, and only `sketches` rounds, ranks and drops. So any tree
of joins gives, to the bit, what `Summary.fold` gives of all parts at once, and a joined pile may be kept and joined
again. About 20 numpy calls a kind, however many series there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.records import Clock, Sketch
from streamgauge.tracer.summaries.columns import Columns, Integers
from streamgauge.tracer.summaries.keyed import KEYED, Keyed, Rows

Identity = tuple[str, Clock, str, str]  # kind and series
Series = tuple[Clock, str, str]  # clock, name, entity
identity: Callable[[Sketch], Identity] = attrgetter("kind", "clock", "name", "entity")
_series: Callable[[Sketch], Series] = attrgetter("clock", "name", "entity")
Fold = Callable[[str, Sequence[Columns]], Columns]
Groups = NDArray[Any]


class Book:
    """The series of each kind by number; piles that are to be joined are made with one book."""

    __slots__ = ("numbers",)

    def __init__(self) -> None:
        self.numbers: dict[str, dict[Series, int]] = {}

    def of(self, kind: str, sketches: Sequence[Sketch]) -> list[int]:
        """The number of each sketch's series."""
        known = self.numbers.setdefault(kind, {})
        return [known.setdefault(series, len(known)) for series in map(_series, sketches)]

    def __len__(self) -> int:
        return sum(map(len, self.numbers.values()))


class Stack(NamedTuple):
    """All parts of one kind."""

    counts: Integers  # parts by series
    alone: Mapping[int, Sketch]  # by series, a part: it is the fold where it is the only one
    of_head: Groups  # the series of each head and row
    heads: NDArray[Any]  # shape [n, head columns]
    of_row: Groups
    rows: Rows
    parts: Mapping[int, list[Columns]]  # by series, of a kind that is not keyed


class BatchedMerge:
    """The parts of many sketches, by kind."""

    __slots__ = ("_book", "_stacks")

    def __init__(self, book: Book, stacks: dict[str, Stack]) -> None:
        self._book = book
        self._stacks = stacks

    @classmethod
    def of(cls, sketches: Sequence[Sketch], book: Book) -> BatchedMerge:
        """The pile of sketches that have passed `decode`, parts in the given order."""
        by_kind: dict[str, list[Sketch]] = {}
        for sketch in sketches:
            by_kind.setdefault(sketch.kind, []).append(sketch)
        return cls(book, {kind: _stack(kind, found, book.of(kind, found)) for kind, found in by_kind.items()})

    @classmethod
    def join(cls, piles: Sequence[BatchedMerge]) -> BatchedMerge:
        """One pile of several that share a book, in the given order."""
        if len(piles) == 1:
            return piles[0]
        by_kind: dict[str, list[Stack]] = {}
        for pile in piles:
            for kind, stack in pile._stacks.items():
                by_kind.setdefault(kind, []).append(stack)
        return cls(piles[0]._book, {kind: _join(kind, stacks) for kind, stacks in by_kind.items()})

    def sketches(self, fold: Fold) -> list[Sketch]:
        """One sketch for each (kind, clock, name, entity); `fold` does the kinds that are not keyed."""
        found = []
        for kind, stack in self._stacks.items():
            series = self._book.numbers[kind]
            found += _sketches(kind, stack, list(series), fold)
        return found


def _stack(kind: str, sketches: Sequence[Sketch], numbers: Sequence[int]) -> Stack:
    of_head = np.array(numbers, np.uint32 if max(numbers) >> 16 else np.uint16)
    counts = np.bincount(of_head)
    alone = dict(zip(numbers, sketches))
    keyed = KEYED.get(kind)
    if keyed is None:
        parts: dict[int, list[Columns]] = {}
        for number, sketch in zip(numbers, sketches):
            parts.setdefault(number, []).append(sketch.columns)
        return Stack(counts, alone, of_head, _NO_HEADS, of_head, (), parts)
    heads, sizes, rows = _read(keyed, kind, [sketch.columns for sketch in sketches])
    return _reduced(keyed, Stack(counts, alone, of_head, heads, of_head.repeat(sizes), rows, {}))


def _read(keyed: Keyed, kind: str, parts: Sequence[Columns]) -> tuple[NDArray[Any], Sequence[int], Rows]:
    try:
        heads, sizes, rows = keyed.read(parts)
    except (ValueError, IndexError) as error:
        raise RecordError("columns", f"{kind}: {error}") from None
    if any(len(column) != sum(sizes) for column in rows) or len(heads) not in (0, len(parts)):
        raise RecordError("columns", f"{kind}: columns of different lengths")
    return heads, sizes, rows


def _join(kind: str, stacks: Sequence[Stack]) -> Stack:
    if len(stacks) == 1:
        return stacks[0]
    counts = np.zeros(max(len(stack.counts) for stack in stacks), np.int64)
    alone: dict[int, Sketch] = {}
    for stack in stacks:
        counts[: len(stack.counts)] += stack.counts
        alone.update(stack.alone)
    keyed = KEYED.get(kind)
    if keyed is None:
        parts: dict[int, list[Columns]] = {}
        for stack in stacks:
            for number, own in stack.parts.items():
                parts.setdefault(number, []).extend(own)
        return stacks[0]._replace(counts=counts, alone=alone, parts=parts)
    return _reduced(keyed, Stack(
        counts, alone,
        np.concatenate([stack.of_head for stack in stacks]), np.concatenate([stack.heads for stack in stacks]),
        np.concatenate([stack.of_row for stack in stacks]),
        tuple(np.concatenate(columns) for columns in zip(*[stack.rows for stack in stacks])), {},
    ))


def _reduced(keyed: Keyed, stack: Stack) -> Stack:
    """Rows with equal (series, key) as one, sorted by it, and one head a series; integers: their order is no matter."""
    of_head, heads, of_row, rows = stack.of_head, stack.heads, stack.of_row, stack.rows
    if len(heads):
        order = of_head.argsort(kind="stable")
        first = _changes(of_head := of_head[order])
        if len(first) < len(order):
            of_head, heads = of_head[first], _joined(keyed, heads[order], first)
        else:
            heads = heads[order]
    if len(of_row):
        order = rows[0].argsort()
        order = order[of_row[order].argsort(kind="stable")]  # 16 bits: a radix sort
        of_row, keys = of_row[order], rows[0][order]
        first = _changes(of_row, keys)
        values = [column[order] for column in rows[1:]]
        if len(first) < len(order):
            of_row, keys = of_row[first], keys[first]
            values = [keyed.add.reduceat(column, first) for column in values]
        rows = keys, *values
    return stack._replace(of_head=of_head, heads=heads, of_row=of_row, rows=rows)


def _changes(*columns: NDArray[Any]) -> NDArray[np.intp]:
    """Where sorted rows differ from the row before."""
    is_first = np.zeros(len(columns[0]), bool)
    is_first[:1] = True
    for column in columns:
        is_first[1:] |= column[1:] != column[:-1]
    return is_first.nonzero()[0]


def _joined(keyed: Keyed, heads: NDArray[Any], first: NDArray[np.intp]) -> NDArray[Any]:
    """One head a series: sums, and maxima where the kind says so."""
    sums = np.add.reduceat(heads, first, axis=0)
    for column in keyed.largest:
        sums[:, column] = np.maximum.reduceat(heads[:, column], first)
    return sums


def _sketches(kind: str, stack: Stack, series: Sequence[Series], fold: Fold) -> list[Sketch]:
    keyed = KEYED.get(kind)
    numbers = stack.counts.nonzero()[0].tolist()
    folded: Sequence[Columns]
    if keyed is None:
        folded = [fold(kind, stack.parts[n]) if len(stack.parts[n]) > 1 else () for n in numbers]
    else:
        ends = stack.of_row.searchsorted([*numbers, numbers[-1] + 1]).tolist()
        folded = keyed.write(stack.heads, stack.rows, ends)
    is_single = (stack.counts == 1).tolist()
    found = []
    for number, columns in zip(numbers, folded):
        clock, name, entity = series[number]
        found.append(stack.alone[number] if is_single[number] else Sketch(kind, clock, name, entity, columns))
    return found


_NO_HEADS: Final = np.zeros((0, 0), np.int64)
