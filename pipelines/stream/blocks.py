"""The sketches of a window folded from what is kept of its slices: a pile a slice, and one for every eight of them.

Only time is kept here: piles join to the same bits in any grouping, so whether one was kept from the window before or
is made anew cannot show, and a pile is used only for the very sketches it was made of. A window of 56 slices, sliding
by one, joins about 14 parts.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final, NamedTuple

from streamgauge.tracer.records import Sketch
from streamgauge.tracer.summaries import BatchedMerge, Book, sketches_of

WIDTH: Final = 8  # slices of a block
MAX_SERIES: Final = 100_000  # series in the book; beyond, everything is made anew


class _Kept(NamedTuple):
    sketches: list[Sketch]
    size: int  # of the list when the pile was made
    pile: BatchedMerge
    bytes: int


class Blocks:
    """The piles of one track's slices, by their ends."""

    __slots__ = ("_blocks", "_book", "_slices", "bytes")

    def __init__(self) -> None:
        self._book = Book()
        self._slices: dict[int, _Kept] = {}
        self._blocks: dict[int, tuple[list[BatchedMerge], BatchedMerge]] = {}  # by the block's start
        self.bytes = 0  # of the slices' piles, about; their blocks hold at most as much again

    def fold(self, slices: Mapping[int, list[Sketch]], start: int, end: int, slide: int) -> tuple[Sketch, ...]:
        """One sketch a series of the slices that end in (start, end], oldest first.

        Raises RecordError("columns") for columns that do not fold.
        """
        if len(self._book) > MAX_SERIES:
            self._book, self._slices, self._blocks, self.bytes = Book(), {}, {}, 0
        return sketches_of(BatchedMerge.join(list(self._parts(slices, start, end, slide * WIDTH))))

    def forget(self, reach: int) -> None:
        """Drop what holds a slice that ends at or before `reach`."""
        self._slices = {at: kept for at, kept in self._slices.items() if at > reach}
        self._blocks = {at: block for at, block in self._blocks.items() if at > reach}
        self.bytes = sum(kept.bytes for kept in self._slices.values())

    def _parts(self, slices: Mapping[int, list[Sketch]], start: int, end: int, length: int) -> Iterator[BatchedMerge]:
        for place, ends in groupby(sorted(slices), key=lambda at: (at - 1) // length):
            piles = [self._pile(at, slices[at]) for at in ends]
            begin = place * length
            if start <= begin and begin + length <= end:
                yield self._block(begin, piles)
            else:
                yield from piles

    def _pile(self, at: int, sketches: list[Sketch]) -> BatchedMerge:
        kept = self._slices.get(at)
        if kept is None or kept.sketches is not sketches or kept.size != len(sketches):
            pile = BatchedMerge.of(sketches, self._book)
            size = sum(len(column) for sketch in sketches for column in sketch.columns)
            self.bytes += size - (kept.bytes if kept is not None else 0)
            kept = self._slices[at] = _Kept(sketches, len(sketches), pile, size)
        return kept.pile

    def _block(self, begin: int, piles: list[BatchedMerge]) -> BatchedMerge:
        kept = self._blocks.get(begin)
        if kept is None or len(kept[0]) != len(piles) or any(map(operator.is_not, kept[0], piles)):
            kept = self._blocks[begin] = piles, BatchedMerge.join(piles)
        return kept[1]
