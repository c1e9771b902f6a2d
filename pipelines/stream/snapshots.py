"""The operator's state as rows: restored, it continues to the byte; a newer version upgrades older ones.

What is large is never encoded twice: a table that nothing was added to, a worker's share of a window that was folded.
The rest (who is a member, how far the windows are) is small, and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Partial, Presence
from streamgauge.pipelines.stream.facts import Facts
from streamgauge.pipelines.stream.names import Names
from streamgauge.pipelines.stream.panes import Table, Track
from streamgauge.pipelines.stream.state import Closed, Job, Side, Worker, new_job
from streamgauge.pipelines.stream.watermark import FAR_PAST, Member
from streamgauge.pipelines.stream.windows import Window
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.rows import Rows, decoded, encoded, name_of, parts_of
from streamgauge.tracer.records import Name, Sketch

T = TypeVar("T")
MANY: Final = 256  # members or presences in a row


class _Share(msgspec.Struct, array_like=True, frozen=True):
    version: int
    worker: str
    names: tuple[tuple[str, str, str], ...]
    columns: bytes
    sketches: tuple[Sketch, ...]


class _Table(msgspec.Struct, array_like=True, frozen=True):
    version: int
    slots: int
    columns: bytes
    pending: list[Sketch]


_AS_IT_IS: Final = (
    "ticked", "clock", "is_live", "is_begun", "vacant_since", "series", "counts", "reports", "number", "settings",
    "pending",
)  # fmt: skip


def put_job(job: Job, rows: Rows) -> None:
    """All rows of a key's first stage."""
    sides = _saved_side(job.stream), _saved_side(job.wall)
    head = [getattr(job, name) for name in _AS_IT_IS]
    rows.put_value("job", encoded("job", msgspec.json.encode(job.config), job.shard, *sides, *head))
    rows.put_value("recent", encoded("recent", job.recent))
    rows.put_value("own", encoded("own", job.facts, job.doubted))
    _put_many(rows, "gone", list(job.gone.values()))
    for _, worker in job.named_workers():
        _put_worker(rows, worker)
    for spec, ring in sorted(job.rings.items()):
        for closed in ring:
            _put_closed(rows, spec, closed)


def take_job(rows: Mapping[str, bytes], config: JobConfig) -> Job:
    """The first stage that the rows were put of.

    Raises:
        ValueError: the first of them is missing.
        Unfit: the job was re-sharded.
    """
    if "job" not in rows:
        raise ValueError(f"the state of job {config.name!r} has no row 'job'")
    written, shard, stream, wall, *head = decoded("job", rows["job"])
    held = msgspec.json.decode(written, type=JobConfig)
    if held.shards != config.shards:
        raise states.Unfit(f"it is of {held.shards} shards, job {config.name} has {config.shards} now")
    job = new_job(held, shard)
    for name, value in zip(_AS_IT_IS, head, strict=True):
        setattr(job, name, value)
    _take_side(job.stream, stream)
    _take_side(job.wall, wall)
    taken = _Taken(rows)
    job.recent = [identity for _, value in taken.of("recent") for identity in decoded("recent", value)[0]]
    for _, value in taken.of("own"):
        found, job.doubted = decoded("own", value)
        job.facts = msgspec.convert(found, Facts)
    job.gone = {member.worker: member for member in _taken_many("gone", taken.of("gone"), Member)}
    frozen = _take_workers(job, taken)
    job.name_bytes = sum(track.names.bytes for w in job.workers.values() for track in (w.stream, w.wall))
    job.has_second_lives = any(worker.member.base for worker in job.workers.values())
    _take_rings(job, taken, frozen)
    return job


class _Taken:
    """Rows by kind, each looked up as it is needed: a large state is never there twice."""

    def __init__(self, rows: Mapping[str, bytes]) -> None:
        self._rows = rows
        self._kinds: dict[str, list[tuple[list[str], str]]] = {}
        for name in rows:
            kind, *parts = parts_of(name)
            self._kinds.setdefault(kind, []).append((parts, name))

    def of(self, kind: str) -> Iterator[tuple[list[str], bytes]]:
        """The parts of each name, sorted, and the row."""
        for parts, name in sorted(self._kinds.get(kind, ())):
            yield parts, self._rows[name]


def typed(partial: Partial) -> Partial:
    """A decoded partial with its sketches as sketches."""
    if not partial.sketches:
        return partial
    return msgspec.structs.replace(partial, sketches=msgspec.convert(partial.sketches, tuple[Sketch, ...]))


def put_partial(rows: Rows, name: str, partial: Partial) -> None:
    """A worker's share of a window: it never changes, another one takes its place."""
    rows.put(
        name, lambda: encoded("partial", partial.worker, partial.names, partial.columns, partial.sketches), partial
    )


def taken_partial(value: bytes) -> Partial:
    """The share that was put."""
    share = states.read("partial", value, _Share)
    return Partial(worker=share.worker, names=share.names, columns=share.columns, sketches=share.sketches)


def _put_worker(rows: Rows, worker: Worker) -> None:
    name = name_of(worker.member.worker)
    shares = sorted(worker.frozen.items())
    rows.put_value(f"worker/{name}", encoded("worker", worker.member, worker.facts, [where for where, _ in shares]))
    for (spec, end), partial in shares:
        put_partial(rows, f"partial/{spec}/{end}/{name}", partial)
    for clock, track in (("stream", worker.stream), ("wall", worker.wall)):
        _put_names(rows, f"{clock}/{name}", track.names)
        for kind, tables in (("pane", track.panes), ("slice", track.slices)):
            for at, table in tables.items():
                _put_table(rows, f"table/{clock}/{kind}/{at}/{name}", table)


def _put_names(rows: Rows, name: str, names: Names) -> None:
    if names.names:
        rows.put(f"names/{name}", lambda: encoded("names", names.names), names, len(names.names))
        rows.put_value(f"seen/{name}", encoded("seen", names.seen.astype("<i8", copy=False).tobytes()))


def _put_table(rows: Rows, name: str, table: Table) -> None:
    def encode() -> bytes:
        columns = table.columns.astype("<f8", copy=False)
        return encoded("table", columns.shape[1], columns.tobytes(), table.pending)

    rows.put(name, encode, table, table.columns, table.changes)


def _put_closed(rows: Rows, spec: int, closed: Closed) -> None:
    where = f"{spec}/{closed.window.end}"
    rows.put_value(f"ring/{where}", encoded("ring", closed.window, closed.revision, closed.clock, closed.dirty))
    _put_many(rows, f"presences/{where}", [presence for _, presence in sorted(closed.presences.items())])
    for worker, partial in closed.partials.items():
        put_partial(rows, f"partial/{where}/{name_of(worker)}", partial)


def _put_many(rows: Rows, name: str, items: list[Any]) -> None:
    kind = name.partition("/")[0]
    for at in range(0, len(items), MANY):
        rows.put_value(f"{name}/{at // MANY:06}", encoded(kind, items[at : at + MANY]))


def _taken_many(kind: str, parts: Iterable[tuple[list[str], bytes]], form: type[T]) -> list[T]:
    ordered = sorted(parts, key=lambda part: part[0])
    return [msgspec.convert(item, form) for _, value in ordered for item in decoded(kind, value)[0]]


def _take_workers(job: Job, taken: _Taken) -> set[tuple[str, int, int]]:
    """The workers, by name; where the shares belong that they froze."""
    frozen: set[tuple[str, int, int]] = set()
    for (name,), value in taken.of("worker"):
        member, facts, shares = decoded("worker", value)
        worker = job.workers[name] = Worker(msgspec.convert(member, Member), msgspec.convert(facts, Facts))
        passed = worker.member.passed
        worker.next_bound = FAR_PAST if job.stream is None or passed == FAR_PAST else job.stream.grid.after(passed)
        frozen |= {(name, spec, end) for spec, end in shares}
    tracks = {(clock, name): _track(w, clock) for name, w in job.workers.items() for clock in ("stream", "wall")}
    seen = {tuple(parts): np.frombuffer(decoded("seen", value)[0], "<i8") for parts, value in taken.of("seen")}
    for (clock, name), value in taken.of("names"):
        for one, time in zip(decoded("names", value)[0], seen[clock, name].tolist(), strict=True):
            tracks[clock, name].names.add(Name(*one), time)
    for (clock, kind, at, name), value in taken.of("table"):
        track = tracks[clock, name]
        (track.panes if kind == "pane" else track.slices)[int(at)] = _taken_table(value)
    return frozen


def _track(worker: Worker, clock: str) -> Track:
    return worker.stream if clock == "stream" else worker.wall


def _taken_table(value: bytes) -> Table:
    saved = states.read("table", value, _Table)
    table = Table(0)
    table.columns = np.frombuffer(saved.columns, "<f8").reshape(7, saved.slots).astype(np.float64)
    table.rows = tuple(table.columns)
    table.pending = saved.pending
    return table


def _take_rings(job: Job, taken: _Taken, frozen: set[tuple[str, int, int]]) -> None:
    presences: dict[tuple[str, str], list[tuple[list[str], bytes]]] = {}
    for (spec, end, part), value in taken.of("presences"):
        presences.setdefault((spec, end), []).append(([part], value))
    closed: dict[tuple[int, int], Closed] = {}
    for (spec, end), value in taken.of("ring"):
        window, revision, clock, dirty = decoded("ring", value)
        there = _taken_many("presences", presences.get((spec, end), ()), Presence)
        by_worker = {presence.worker: presence for presence in there}
        closed[int(spec), int(end)] = Closed(Window(*window), revision, clock, {}, by_worker, dirty)
    for (index, _), one in sorted(closed.items()):
        job.rings.setdefault(index, []).append(one)
    for (spec, end, name), value in taken.of("partial"):
        partial, where = taken_partial(value), (int(spec), int(end))
        if (name, *where) in frozen:
            job.workers[name].frozen[where] = partial
        else:
            closed[where].partials[name] = partial


def _saved_side(side: Side | None) -> tuple[int, int, bool] | None:
    return None if side is None else (side.cursor, side.floor, side.is_fresh)


def _take_side(side: Side | None, saved: tuple[int, int, bool] | None) -> None:
    if side is not None and saved is not None:
        side.cursor, side.floor, side.is_fresh = saved
