"""Rows wait here for the end of their pane, and are summarised in large pieces, off the step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from streamgauge.tracer.inputs import Column, Ragged, concatenated
from streamgauge.tracer.records import Name, Sketch
from streamgauge.tracer.summaries import Groups, Histogram, Ids, JoinRows, Summary, encode

Build = Callable[..., Iterable[Summary]]  # how columns become summaries
PIECE: Final = 16_384  # rows that are summarised at once
PARTS: Final = 64  # pieces that are merged at once, at most
SLICE: Final = 12_000  # entries of a summary without bound that travel in one sketch: 192 kB
JOIN_SLICE: Final = 5_000  # the same of rows that are joined: 200 kB


class Gathering:
    """Rows of one quantity over one pane, on their way to sketches."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._waiting: list[tuple[Column, ...]] = []
        self._rows = 0
        self._parts: dict[type[Summary], list[Summary]] = {}

    def add(self, *columns: Column) -> None:
        """Rows as columns of equal length."""
        if self._waiting and not _are_alike(self._waiting[-1], columns):
            self._summarise()
        self._waiting.append(columns)
        self._rows += len(columns[0])
        if self._rows >= PIECE:
            self._summarise()

    def sketches(self, name: Name) -> list[Sketch]:
        """Everything gathered, one sketch a kind."""
        if self._waiting:
            self._summarise()
        merged = [_merge(kind, parts) for kind, parts in self._parts.items()]
        return [encode(piece, *name) for summary in merged for piece in _slices(summary)]

    def _summarise(self) -> None:
        columns = [concatenated(column) for column in zip(*self._waiting)]
        self._waiting, self._rows = [], 0
        for summary in self._build(*columns):
            parts = self._parts.setdefault(type(summary), [])
            parts.append(summary)
            if len(parts) >= PARTS:
                self._parts[type(summary)] = [_merge(type(summary), parts)]


def _are_alike(before: tuple[Column, ...], after: tuple[Column, ...]) -> bool:
    """Whether columns can be put end to end as they are: codes and numbers cannot, nor one and several values."""
    return all(
        isinstance(one, Ragged) == isinstance(other, Ragged)
        and (isinstance(one, Ragged) or isinstance(other, Ragged) or one.dtype.kind == other.dtype.kind)
        for one, other in zip(before, after)
    )


def _slices(summary: Summary) -> Iterable[Summary]:
    """A summary that may grow with its rows, in pieces that fit into a record; a merge puts them together again."""
    if isinstance(summary, Ids) and len(summary.hashes) > SLICE:
        starts = range(0, len(summary.hashes), SLICE)
        return [Ids(summary.hashes[i : i + SLICE], summary.counts[i : i + SLICE], summary.modulus) for i in starts]
    if isinstance(summary, JoinRows) and len(summary.keys) > JOIN_SLICE:
        return summary.pieces(JOIN_SLICE)
    if isinstance(summary, Groups) and len(summary.group) > SLICE:
        return summary.pieces(SLICE)
    if isinstance(summary, Histogram) and len(summary.keys) > SLICE:
        starts = range(0, len(summary.keys), SLICE)
        return [Histogram(summary.keys[i : i + SLICE], summary.counts[i : i + SLICE]) for i in starts]
    return [summary]


def _merge(kind: type[Summary], parts: list[Summary]) -> Summary:
    return parts[0] if len(parts) == 1 else kind.merge(parts)
