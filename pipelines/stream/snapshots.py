"""The operator's state as versioned bytes: restored, it continues to the byte; a newer version upgrades older ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Partial, Presence
from streamgauge.pipelines.stream.facts import Facts
from streamgauge.pipelines.stream.panes import Table, Track
from streamgauge.pipelines.stream.state import Closed, Job, Side, Worker, new_job
from streamgauge.pipelines.stream.watermark import FAR_PAST, Member
from streamgauge.pipelines.stream.windows import Window
from streamgauge.pipelines.wire import states
from streamgauge.tracer.records import Name, Sketch

_AS_IT_IS: Final = (
    "ticked", "clock", "is_live", "is_begun", "vacant_since", "series", "counts", "reports", "number", "settings",
    "recent", "pending",
)  # fmt: skip


class SavedTable(msgspec.Struct, array_like=True, frozen=True):
    """A table of one pane or slice; `at` is its start or end."""

    at: int
    slots: int
    columns: bytes
    pending: list[Sketch]


class SavedTrack(msgspec.Struct, array_like=True, frozen=True):
    """A worker's track."""

    names: list[Name]
    seen: list[int]
    panes: list[SavedTable]
    slices: list[SavedTable]


class SavedWorker(msgspec.Struct, array_like=True, frozen=True):
    """A worker without its cache."""

    member: Member
    facts: Facts
    stream: SavedTrack
    wall: SavedTrack
    frozen: list[tuple[int, int, Partial]]


class SavedClosed(msgspec.Struct, array_like=True, frozen=True):
    """A closed window that may be revised."""

    window: Window
    revision: int
    clock: float
    partials: list[Partial]
    presences: list[Presence]
    dirty: list[str]


class SavedSide(msgspec.Struct, array_like=True, frozen=True):
    """How far the windows of one clock are closed."""

    cursor: int
    floor: int
    is_fresh: bool


class SavedJob(msgspec.Struct, array_like=True, frozen=True):
    """All of it."""

    version: int
    config: bytes
    shard: int
    stream: SavedSide | None
    wall: SavedSide | None
    ticked: int | None
    clock: int | None
    is_live: bool
    is_begun: bool
    vacant_since: int | None
    workers: list[SavedWorker]
    gone: list[Member]
    rings: list[SavedClosed]
    series: int
    counts: list[int]
    reports: int
    number: int
    settings: dict[str, int]
    recent: list[str]
    pending: bytes
    stage2: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SavedJob)


def dump(job: Job, stage2: bytes) -> bytes:
    """The state of a key, and what its second stage gave, as bytes."""
    saved = SavedJob(
        version=states.written("operator"),
        config=msgspec.json.encode(job.config),
        shard=job.shard,
        stream=_save_side(job.stream),
        wall=_save_side(job.wall),
        ticked=job.ticked,
        clock=job.clock,
        is_live=job.is_live,
        is_begun=job.is_begun,
        vacant_since=job.vacant_since,
        workers=[_save_worker(worker) for _, worker in job.named_workers()],
        gone=list(job.gone.values()),
        rings=[_save_closed(closed) for _, ring in sorted(job.rings.items()) for closed in ring],
        series=job.series,
        counts=job.counts,
        reports=job.reports,
        number=job.number,
        settings=job.settings,
        recent=job.recent,
        pending=job.pending,
        stage2=stage2,
    )
    return _encoder.encode(saved)


def load(data: bytes, config: JobConfig) -> tuple[Job, bytes]:
    """The state of a key and that of its second stage. Raises StateVersionError, or Unfit after a re-sharding."""
    saved = _decoder.decode(states.current("operator", data))
    held = msgspec.json.decode(saved.config, type=JobConfig)
    if held.shards != config.shards:
        raise states.Unfit(f"it is of {held.shards} shards, job {config.name} has {config.shards} now")
    job = new_job(held, saved.shard)
    for name in _AS_IT_IS:
        setattr(job, name, getattr(saved, name))
    _load_side(job.stream, saved.stream)
    _load_side(job.wall, saved.wall)
    job.workers = {worker.member.worker: _load_worker(job, worker) for worker in saved.workers}
    job.gone = {member.worker: member for member in saved.gone}
    for closed in saved.rings:
        job.rings.setdefault(closed.window.spec, []).append(_load_closed(closed))
    return job, saved.stage2


def typed(partial: Partial) -> Partial:
    """A decoded partial with its sketches as sketches."""
    if not partial.sketches:
        return partial
    return msgspec.structs.replace(partial, sketches=msgspec.convert(partial.sketches, tuple[Sketch, ...]))


def _save_side(side: Side | None) -> SavedSide | None:
    return None if side is None else SavedSide(side.cursor, side.floor, side.is_fresh)


def _load_side(side: Side | None, saved: SavedSide | None) -> None:
    if side is not None and saved is not None:
        side.cursor, side.floor, side.is_fresh = saved.cursor, saved.floor, saved.is_fresh


def _save_worker(worker: Worker) -> SavedWorker:
    frozen = [(spec, end, partial) for (spec, end), partial in sorted(worker.frozen.items())]
    tracks = _save_track(worker.stream), _save_track(worker.wall)
    return SavedWorker(worker.member, worker.facts, *tracks, frozen)


def _load_worker(job: Job, saved: SavedWorker) -> Worker:
    passed = saved.member.passed
    return Worker(
        member=saved.member,
        facts=saved.facts,
        stream=_load_track(saved.stream),
        wall=_load_track(saved.wall),
        frozen={(spec, end): typed(partial) for spec, end, partial in saved.frozen},
        next_bound=FAR_PAST if job.stream is None or passed == FAR_PAST else job.stream.grid.after(passed),
    )


def _save_track(track: Track) -> SavedTrack:
    seen = track.names.seen.tolist()
    return SavedTrack(track.names.names, seen, _save_tables(track.panes), _save_tables(track.slices))


def _save_tables(tables: dict[int, Table]) -> list[SavedTable]:
    return [
        SavedTable(at, table.columns.shape[1], table.columns.astype("<f8", copy=False).tobytes(), table.pending)
        for at, table in sorted(tables.items())
    ]


def _load_track(saved: SavedTrack) -> Track:
    track = Track()
    for name, seen in zip(saved.names, saved.seen, strict=True):
        track.names.add(name, seen)
    track.panes, track.slices = _load_tables(saved.panes), _load_tables(saved.slices)
    return track


def _load_tables(saved: Iterable[SavedTable]) -> dict[int, Table]:
    tables = {}
    for item in saved:
        table = tables[item.at] = Table(0)
        table.columns = np.frombuffer(item.columns, "<f8").reshape(7, item.slots).astype(np.float64)
        table.rows = tuple(table.columns)
        table.pending = item.pending
    return tables


def _save_closed(closed: Closed) -> SavedClosed:
    partials = [partial for _, partial in sorted(closed.partials.items())]
    presences = [presence for _, presence in sorted(closed.presences.items())]
    return SavedClosed(closed.window, closed.revision, closed.clock, partials, presences, closed.dirty)


def _load_closed(saved: SavedClosed) -> Closed:
    partials = {partial.worker: typed(partial) for partial in saved.partials}
    presences = {presence.worker: presence for presence in saved.presences}
    return Closed(saved.window, saved.revision, saved.clock, partials, presences, saved.dirty)
