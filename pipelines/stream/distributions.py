"""Reference distributions: what a feature or the predictions looked like over the trailing 28 days of normal windows.

Each worker's kept windows are gathered by local day; a day is folded once, when it is over. Days that no window can
overlap any more are joined to blocks of a week, so a worker holds about a dozen slices. The reference of a window is
the fold of all slices that ended before it began, the job's over all workers by name: it changes once a day, and with
it the bins that PSI is taken in. The fold order is fixed, so a restored state gives the same bits.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Self

import msgspec

from streamgauge.pipelines.config.schema import DAY, HOUR
from streamgauge.pipelines.wire.rows import Rows, below, decoded, encoded, name_of, parts_of
from streamgauge.tracer.summaries import KINDS
from streamgauge.tracer.summaries.columns import Columns

SPAN: Final = 28 * DAY
BLOCK: Final = 7 * DAY + HOUR  # a week that holds a clock change is an hour longer
GIVEN: Final = ""  # stands for the worker of a reference that the job was given; no worker is called so
OPEN_PARTS: Final = 16  # parts of the open day that are folded together when there are more
KEPT: Final = frozenset(
    {
        ("histogram", "sample", "profile"),
        ("value_counts", "sample", "profile"),
        ("heavy", "sample", "profile"),
        ("moments", "sample", "profile"),
        ("buckets", "sample", "prediction"),
    }
)

SketchKey = tuple[str, str, str, str]  # kind, clock, name, entity


class Slice(NamedTuple):
    """The folded summaries of the normal windows within [start, end)."""

    start: float
    end: float
    columns: Mapping[SketchKey, Columns]
    packed: bytes  # the columns, compressed once: a slice never changes, and most of the state is slices


class OpenDay(NamedTuple):
    """The local day that is still being gathered."""

    day: int
    start: float
    end: float
    parts: dict[SketchKey, list[Columns]]


class WorkerSlices:
    """One worker's slices, oldest first, and its open day."""

    def __init__(self) -> None:
        self.open: OpenDay | None = None
        self.closed: list[Slice] = []
        self.changes = 0  # tells caches that `closed` is another one; not part of the state

    def learn(self, day: int, start: float, end: float, sketches: Iterable[tuple[SketchKey, Columns]]) -> None:
        """Gather one window; one that overlaps what is there already is left out."""
        last = self.open.end if self.open else self.closed[-1].end if self.closed else start
        if start < last:
            return
        if self.open is None:
            self.open = OpenDay(day, start, end, {})
        self.open = self.open._replace(end=end)
        for key, columns in sketches:
            if key[:3] in KEPT:
                parts = self.open.parts.setdefault(key, [])
                parts.append(columns)
                if len(parts) >= OPEN_PARTS:
                    parts[:] = [fold(key, parts)]

    def roll(self, day: int, now: float, settled: float) -> Slice | None:
        """Close the open day if it is over and return it; join and forget what is old."""
        if self.open is None or self.open.day == day:
            return None
        columns = {key: fold(key, parts) for key, parts in sorted(self.open.parts.items())}
        closed = _slice(self.open.start, self.open.end, columns)
        self.open = None
        self.closed = _join([*self.closed, closed], now, settled)
        self.changes += 1
        return closed

    def before(self, time: float) -> list[Slice]:
        """The slices that ended at or before `time`, oldest first."""
        return [piece for piece in self.closed if time - SPAN < piece.end <= time]


class References:
    """The reference distributions of a job.

    Args:
        longest: seconds of the longest window; younger days may still overlap one and stay apart.
    """

    def __init__(self, longest: float) -> None:
        self._settle = longest + DAY
        self._workers: dict[str, WorkerSlices] = {}
        self._cache: dict[tuple[str, SketchKey], tuple[Any, Any, int]] = {}  # version, summary, bytes of its parts
        self.cached_bytes = 0  # of `_cache`, about; any thread may ask
        self._entities: dict[tuple[str, str, str], tuple[Any, tuple[str, ...]]] = {}
        self._version: tuple[str, float, Any] = ("", 0.0, None)

    def at(self, worker: str, key: SketchKey, before: float) -> Any:
        """The summary merged over the reference of a window that begins at `before`; None while there is none."""
        version = self._version_of(worker, before)
        cached = self._cache.get((worker, key))
        if cached is None or cached[0] != version:
            merged, size = self._merge(worker, key, before)
            self.cached_bytes += size - (0 if cached is None else cached[2])
            cached = self._cache[worker, key] = (version, merged, size)
        return cached[1]

    def entities(self, worker: str, clock: str, name: str, before: float) -> tuple[str, ...]:
        """The entities with a summary of this quantity in the reference of a window that begins at `before`."""
        version = self._version_of(worker, before)
        cached = self._entities.get((worker, clock, name))
        if cached is None or cached[0] != version:
            pieces = [piece for slices in self._members(worker) for piece in slices.before(before)]
            named = {key[3] for piece in pieces for key in piece.columns if key[1:3] == (clock, name)}
            cached = self._entities[worker, clock, name] = (version, tuple(sorted(named)))
        return cached[1]

    def roll(self, day: int, now: float) -> dict[str, Slice]:
        """Close the days that are over, by worker; workers of whom nothing is left are forgotten."""
        closed = {}
        for worker, slices in sorted(self._workers.items()):
            piece = slices.roll(day, now, now - self._settle)
            if piece is not None:
                closed[worker] = piece
        if closed:
            self._forget()
            self._workers = {w: s for w, s in self._workers.items() if s.open or s.closed}
        return closed

    def learn(
        self, worker: str, day: int, start: float, end: float, sketches: Iterable[tuple[SketchKey, Columns]]
    ) -> None:
        """Gather a normal window of one worker."""
        self._workers.setdefault(worker, WorkerSlices()).learn(day, start, end, sketches)

    def give(self, columns: Mapping[SketchKey, Columns], end: float) -> None:
        """A reference from elsewhere, as of a day that ended at `end`: parts come one by one, another replaces it.

        It is the job's beside what its workers show, and a worker's until that has one of its own.
        """
        slices = self._workers.setdefault(GIVEN, WorkerSlices())
        there = next((piece.columns for piece in slices.closed if piece.end == end), {})
        kept = {key: value for key, value in columns.items() if key[:3] in KEPT}
        slices.closed = [_slice(end - DAY, end, {**there, **kept})]
        slices.changes += 1
        self._forget()

    def _forget(self) -> None:
        self._version, self._cache, self._entities, self.cached_bytes = ("", 0.0, None), {}, {}, 0

    def _members(self, worker: str) -> list[WorkerSlices]:
        if worker:
            own = self._workers.get(worker)
            found = own if own is not None and own.closed else self._workers.get(GIVEN)
            return [] if found is None else [found]
        return [self._workers[name] for name in sorted(self._workers)]

    def _version_of(self, worker: str, before: float) -> Any:
        if self._version[:2] != (worker, before) or self._version[2] is None:
            version = tuple((id(s), s.changes, len(s.before(before))) for s in self._members(worker))
            self._version = (worker, before, version)
        return self._version[2]

    def _merge(self, worker: str, key: SketchKey, before: float) -> tuple[Any, int]:
        """The summary, None where there is none, and the bytes of the longest of its parts."""
        pieces = [piece for slices in self._members(worker) for piece in slices.before(before)]
        parts = [piece.columns[key] for piece in pieces if key in piece.columns]
        size = max((sum(map(len, columns)) for columns in parts), default=0)
        return (KINDS[key[0]].fold(parts) if parts else None), size

    def put_rows(self, rows: Rows) -> None:
        """Everything that is not an argument of the constructor or a cache: slices never change, the open day does."""
        for worker, slices in sorted(self._workers.items()):
            name = name_of(worker)
            for piece in slices.closed:
                rows.put(f"settled/{name}/{piece.start!r}", partial(_settled_row, piece), piece.packed)
            if slices.open is not None:  # a new tuple with each window that it gathers
                rows.put(f"today/{name}", partial(_today_row, slices.open), slices.open)

    @classmethod
    def of_rows(cls, rows: Mapping[str, bytes], longest: float) -> Self:
        """The references that the rows were put of."""
        references = cls(longest)
        settled: list[tuple[str, float, float, bytes]] = []
        for path, value in below(rows, "settled").items():
            start, end, packed = decoded("settled", value)
            settled.append((parts_of(path)[0], start, end, packed))
        for worker, start, end, packed in sorted(settled):
            slices = references._workers.setdefault(worker, WorkerSlices())
            slices.closed.append(Slice(start, end, _unpack(packed), packed))
        for path, value in below(rows, "today").items():
            day, start, end, parts = decoded("today", value)
            gathered = {_key(k): [tuple(c) for c in many] for k, many in parts}
            slices = references._workers.setdefault(parts_of(path)[0], WorkerSlices())
            slices.open = OpenDay(day, start, end, gathered)
        return references


def is_reference(name: str) -> bool:
    """Whether a row is one of `References`."""
    return name.startswith(("settled/", "today/"))


def _settled_row(piece: Slice) -> bytes:
    return encoded("settled", piece.start, piece.end, piece.packed)


def _today_row(opened: OpenDay) -> bytes:
    return encoded("today", opened.day, opened.start, opened.end, sorted(opened.parts.items()))


def fold(key: SketchKey, parts: Sequence[Columns]) -> Columns:
    """One summary's columns, merged."""
    return parts[0] if len(parts) == 1 else KINDS[key[0]].fold(parts).columns()


def _join(slices: list[Slice], now: float, settled: float) -> list[Slice]:
    """Settled neighbours joined to blocks of at most a week; what no reference reaches any more is dropped."""
    joined: list[Slice] = []
    for piece in slices:
        if piece.end <= settled - SPAN:
            continue
        if joined and piece.end <= settled and piece.end - joined[-1].start <= BLOCK:
            joined[-1] = _merge(joined[-1], piece)
        else:
            joined.append(piece)
    return joined


def _merge(first: Slice, second: Slice) -> Slice:
    keys = sorted({*first.columns, *second.columns})
    columns = {k: fold(k, [piece.columns[k] for piece in (first, second) if k in piece.columns]) for k in keys}
    return _slice(first.start, second.end, columns)


def _slice(start: float, end: float, columns: Mapping[SketchKey, Columns]) -> Slice:
    return Slice(start, end, columns, zlib.compress(msgspec.msgpack.encode(sorted(columns.items())), 1))


def _unpack(packed: bytes) -> dict[SketchKey, Columns]:
    return {_key(key): tuple(columns) for key, columns in msgspec.msgpack.decode(zlib.decompress(packed))}


def _key(parts: Sequence[str]) -> SketchKey:
    kind, clock, name, entity = parts
    return kind, clock, name, entity
