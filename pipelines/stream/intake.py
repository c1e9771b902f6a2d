"""How one worker's record enters: checked, told from duplicates, placed in its pane; then its watermark moves.

Rejected: a record that decodes but is not this key's, or does not fit its configuration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamgauge.anomaly.types import Severity
from streamgauge.pipelines.stream import clocks, closing, facts, lives, rollouts, watermark
from streamgauge.pipelines.stream import names as series_names
from streamgauge.pipelines.stream.names import Index, Mapping, Part, Room, map_names, split
from streamgauge.pipelines.stream.panes import Table, Track
from streamgauge.pipelines.stream.state import Job, Side, Worker
from streamgauge.pipelines.stream.watermark import COUNTS, FAR_PAST, Member, Verdict
from streamgauge.pipelines.stream.windows import to_micros
from streamgauge.tracer import codec, summaries
from streamgauge.tracer.codec import Points
from streamgauge.tracer.records import Name, Sketch, TraceBatch

RECORDS, POINTS, LATE, DUPLICATE, SUPERSEDED, CLAMPED, OVERFLOW, DEAD, LOST = range(len(COUNTS))
MAX_MAPPINGS = 64  # names blobs remembered for each worker
MAPPED = 1_000_000  # bytes of theirs


class Rejected(ValueError):
    """A record that cannot be used here; `reason` goes to the dead letters."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


def admit(job: Job, batch: TraceBatch) -> None:
    """One worker's record. Raises RecordError or Rejected, with nothing changed, for one that cannot be used."""
    _check(job, batch)
    name, verdict = _life(job, batch)
    worker = job.workers.get(name)
    points = codec.points(batch)
    mapping = None if worker is None else worker.mappings.get(batch.names)
    names = None if mapping is not None else codec.decode_names(batch.names)
    slots = _slots(mapping, names or (), points)
    summaries.check(batch.sketches)
    if verdict == "duplicate" or verdict == "superseded":
        counts = job.counts if worker is None else worker.member.counts
        counts[DUPLICATE if verdict == "duplicate" else SUPERSEDED] += 1
        if worker is not None:
            lives.suspect(worker.member, batch)
        return
    if worker is None:
        worker = _admitted(job, name)
    pane, mark, _ = placed = clocks.place(job, worker.member, batch)
    if verdict == "new" or worker.member.state in ("missing", "left"):
        _welcome(job, worker, batch, pane, mark, is_new=verdict == "new")
    clocks.compare(job, worker, batch, placed)
    _count(job, worker.member, batch, len(points.index), pane)
    if mapping is None:
        mapping = _mapping(job, worker, batch.names, names or (), pane)
        slots = mapping.slots.take(points.index)
    _apply(job, worker, batch, mapping, points, slots, pane)
    _state_facts(job, worker, batch, pane)
    member = worker.member
    member.watermark = max(member.watermark, mark)  # it never moves back
    if worker.facts.open:
        trains = mapping.trains and bool(batch.index)
        job.out += facts.pass_cleanly(worker.facts, pane, member.watermark, job.pane, trains=trains)
    _move(job, worker, pane, is_final=batch.final)


def _life(job: Job, batch: TraceBatch) -> tuple[str, Verdict]:
    """The worker that a record is of, and what it is to it; nothing is changed."""
    name = lives.name_of(job, batch)
    known = job.workers[name].member if name in job.workers else job.gone.get(name)
    if known is None:
        return name, "new"
    verdict = watermark.verdict(known, batch.incarnation, batch.sequence)
    if verdict == "superseded" and lives.is_alive(known, batch):
        return lives.alias(name, batch.incarnation), "new"
    if lives.is_second(job, known, batch, verdict):
        return lives.alias(name, batch.incarnation), "new"
    return name, "new" if verdict == "duplicate" and clocks.is_another_life(known, batch) else verdict


def _admitted(job: Job, name: str) -> Worker:
    """A worker not seen before, or not for long."""
    if len(job.workers) >= job.config.max_series:
        raise Rejected("workers", f"{len(job.workers)} workers already, as many as max_series allows")
    worker = Worker(job.gone.pop(name) if name in job.gone else Member(worker=name))
    if job.stream is not None and worker.member.passed != FAR_PAST:
        worker.next_bound = job.stream.grid.after(worker.member.passed)
    job.workers[name] = worker
    return worker


def _check(job: Job, batch: TraceBatch) -> None:
    if batch.job != job.config.name:
        raise Rejected("job", f"job {batch.job[:100]!r} under the key of {job.config.name!r}")
    if batch.shards != job.config.shards or batch.shard != job.shard:
        text = f"shard {batch.shard} of {batch.shards}, expected {job.shard} of {job.config.shards}"
        raise Rejected("shard", f"{text}; `shards` is fixed for a run of the job")
    length = to_micros(batch.pane_length)
    if length != job.pane and (length <= 0 or job.pane % length):
        raise Rejected("pane", f"panes of {batch.pane_length:g} s do not divide the job's of {job.config.pane:g} s")


def _slots(mapping: Mapping | None, names: Sequence[Name], points: Points) -> Index:
    """The points' slots (their indices where the names are not mapped yet), all of them known to exist."""
    try:
        known = np.arange(len(names)) if mapping is None else mapping.slots
        return known.take(points.index)
    except IndexError:
        size = len(names) if mapping is None else mapping.size
        raise Rejected("names", f"a point's index is {points.index.max()}, there are {size} names") from None


def _welcome(job: Job, worker: Worker, batch: TraceBatch, pane: int, mark: int, *, is_new: bool) -> None:
    """A worker joins or comes back."""
    if is_new:
        job.out += facts.close_incarnation(worker.facts, pane, pane + job.pane)
        watermark.supersede(worker.member, batch, pane, mark)
        lives.begin(job, worker, batch, pane)
        rollouts.begin(job, worker, pane)
    else:
        job.out += facts.close(worker.facts, facts.MISSING, pane, pane + job.pane)
    is_behind = facts.find(worker.facts, facts.BEHIND) is not None  # it still has to catch up
    worker.member.state = "behind" if is_behind else "live"
    worker.member.is_reported = False
    job.vacant_since = None
    job.is_live = True
    for side in (job.stream, job.wall):
        if side is not None:
            closing.begin(job, side, pane)


def _count(job: Job, member: Member, batch: TraceBatch, points: int, pane: int) -> None:
    counts = member.counts
    lost = batch.sequence - member.sequence - 1
    counts[RECORDS] += 1
    counts[POINTS] += points
    counts[LOST] += lost
    member.lost += lost
    watermark.number(member, batch.sequence, to_micros(batch.pane))
    member.claimed = max(member.claimed, to_micros(batch.watermark))
    member.received += points
    member.captured = max(member.captured, batch.captured)
    member.interval = to_micros(batch.interval)
    member.heard = None if job.clock is None else max(job.clock, pane)  # a host that slept must not find all silent
    member.seen = pane if job.clock is None else max(watermark.paned(job.clock, job.pane), pane)


def _mapping(job: Job, worker: Worker, blob: bytes, names: Sequence[Name], time: int) -> Mapping:
    stream, wall = worker.stream.names, worker.wall.names
    before, bytes_before = stream.size + wall.size, stream.bytes + wall.bytes
    most = job.config.max_series
    room = Room(most - job.series, most * series_names.BYTES - job.name_bytes)
    mapping = map_names(names, stream, wall, room, time)
    job.series += stream.size + wall.size - before
    job.name_bytes += stream.bytes + wall.bytes - bytes_before
    if len(worker.mappings) >= MAX_MAPPINGS or sum(map(len, worker.mappings)) + len(blob) > MAPPED:
        worker.mappings.clear()
    worker.mappings[blob] = mapping
    return mapping


def _apply(
    job: Job, worker: Worker, batch: TraceBatch, mapping: Mapping, points: Points, slots: Index, pane: int
) -> None:
    if mapping.is_overflow is not None:
        worker.member.counts[OVERFLOW] += int(mapping.is_overflow.take(points.index).sum())
    stream, wall = split(mapping, points, slots)
    if batch.sketches:
        of_wall = [sketch for sketch in batch.sketches if sketch.clock == "wall"]
        of_stream = [sketch for sketch in batch.sketches if sketch.clock != "wall"]
        _place(job, job.stream, worker, worker.stream, pane, stream, of_stream)
        _place(job, job.wall, worker, worker.wall, pane, wall, of_wall)
        return
    if stream is not None:
        _place(job, job.stream, worker, worker.stream, pane, stream, ())
    if wall is not None:
        _place(job, job.wall, worker, worker.wall, pane, wall, ())


def _place(
    job: Job, side: Side | None, worker: Worker, track: Track, pane: int, part: Part | None, sketches: Sequence[Sketch]
) -> None:
    """Fold points and sketches into the table of their pane, or of a passed slice that a longer window still needs."""
    if side is None or (part is None and not sketches):
        return
    passed = worker.member.passed if side is job.stream else FAR_PAST
    end = side.grid.after(pane)
    if side.is_fresh and end > passed:
        closing.begin(job, side, pane)
    table: Table | None
    if end > passed and end > side.cursor:
        table = track.pane(pane)
    else:
        table = _late_table(job, side, worker, track, pane, len(sketches) + (0 if part is None else len(part.slots)))
    if table is None:
        return
    if part is not None:
        table.apply(*part)
    if sketches:
        kept = track.admitted(sketches, job.config.max_series)
        worker.member.counts[OVERFLOW] += len(sketches) - len(kept)
        table.keep(kept)


def _late_table(job: Job, side: Side, worker: Worker, track: Track, pane: int, size: int) -> Table | None:
    """Where a pane's points go that some window no longer takes; None: nowhere. What is late is counted."""
    passed = worker.member.passed if side is job.stream else side.cursor
    revised = closing.touched(job, worker, pane) if side is job.stream else []
    taken = {(closed.window.spec, closed.window.end) for closed in revised}
    if any(is_late(end, passed, side.cursor, (spec, end) in taken) for spec, end in first_ends(side, pane)):
        worker.member.counts[LATE] += size
    if not revised and side.grid.last(pane) <= max(passed, side.cursor):
        return None
    for closed in revised:
        closed.dirty.append(worker.member.worker)
    end = side.grid.after(pane)
    return track.slice(end) if end <= passed else track.pane(pane)


def first_ends(side: Side, pane: int) -> list[tuple[int, int]]:
    """For each kind of window the end of the first one that holds `pane`."""
    pairs = zip(side.grid.specs, side.grid.calendars, strict=True)
    return [(index, calendar.after(pane)) for (index, _), calendar in pairs]


def is_late(end: int, passed: int, cursor: int, is_revisable: bool) -> bool:
    """Whether a window takes no more: its worker had passed it, or it is closed and too old to be revised."""
    return end <= passed or (end <= cursor and not is_revisable)


def _state_facts(job: Job, worker: Worker, batch: TraceBatch, pane: int) -> None:
    until = pane + job.pane
    texts, name = batch.texts or ("",) * len(batch.hard), worker.member.worker
    for (metric, entity, value), text in zip(batch.hard, texts, strict=True):
        fact = facts.hard_fact(batch.job, name, batch.incarnation, (metric, entity), value, pane, until, text)
        shown = facts.show(worker.facts, fact, pane)
        if shown is not None:
            job.out.append(shown)


def _move(job: Job, worker: Worker, pane: int, *, is_final: bool) -> None:
    """Windows that the watermark has passed are frozen, and closed if nobody else holds them."""
    member = worker.member
    reached = member.watermark - job.lateness
    has_passed = job.stream is not None and reached >= worker.next_bound
    if job.stream is not None and has_passed:
        closing.pass_bound(job, worker, job.stream.grid.until(reached))
    if is_final:
        _leave(job, member, pane)
    if _changes_hold(job, worker, pane) or has_passed or is_final:
        closing.close_stream(job)


def _leave(job: Job, member: Member, pane: int) -> None:
    member.state = "left"
    lives.settle(job, member.worker, pane + job.pane)
    if watermark.is_vacant(worker.member for worker in job.workers.values()):
        job.vacant_since = job.clock


def _changes_hold(job: Job, worker: Worker, pane: int) -> bool:
    """A member falls behind, or has caught up, by the clock's pane."""
    if job.clock is None:
        return False
    member, now = worker.member, watermark.paned(job.clock, job.pane)
    closed = FAR_PAST if job.stream is None else job.stream.cursor
    if member.state == "behind" and watermark.has_caught_up(member, now, job.max_hold, closed, job.lateness):
        member.state = "live"
        job.out += facts.close(worker.facts, facts.BEHIND, member.watermark, pane + job.pane)
        return True
    if member.state == "live" and now >= watermark.behind_at(member, job.max_hold):
        fall_behind(job, worker, now)
        return True
    return False


def severity_of_absence(job: Job) -> Severity:
    """How loud it is that one more worker is missing or stuck, with those that are already."""
    members = [worker.member for worker in job.workers.values() if worker.member.state != "left"]
    absent = sum(member.state == "behind" or member.is_reported for member in members)
    return facts.severity_of_absence(absent, max(len(members), job.config.workers))


def fall_behind(job: Job, worker: Worker, at: int) -> None:
    """A member stops holding windows until it has caught up, and this is a fact."""
    member = worker.member
    member.state = "behind"
    severity = severity_of_absence(job)
    fact = facts.behind(job.config.name, member.worker, member.incarnation, member.watermark, at, severity)
    shown = facts.show(worker.facts, fact, member.watermark // job.pane * job.pane)
    if shown is not None:
        job.out.append(shown)
