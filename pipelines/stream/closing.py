"""Windows: frozen when their worker passes them, closed in order of (end, length), revised with the next close.

A worker's share of a window is folded at the moment at which its own watermark passes the window's end + allowed
lateness, and nothing is added to it afterwards: how workers interleave cannot show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from streamgauge.pipelines.metrics import Partial, Presence, Report
from streamgauge.pipelines.stream import retention, watermark
from streamgauge.pipelines.stream.panes import Track, partial_of
from streamgauge.pipelines.stream.state import RING, Closed, Job, Side, Worker
from streamgauge.pipelines.stream.watermark import COUNTS, FAR_PAST
from streamgauge.pipelines.stream.windows import Window, to_micros, to_seconds
from streamgauge.pipelines.wire.outputs import Change, Counters
from streamgauge.tracer.summaries import JoinRows

MAX_CLOSES: Final = 1_000  # a longer run of empty windows is one gap
Share = TypeVar("Share", Partial, Presence)


def begin(job: Job, side: Side, time: int) -> None:
    """Windows begin with the one that holds `time`; an earlier one only while nothing is closed."""
    if side.cursor == FAR_PAST or (side.is_fresh and time < side.cursor):
        side.cursor = max(side.grid.until(time), side.floor)


def pass_bound(job: Job, worker: Worker, bound: int) -> None:
    """A worker's watermark has passed `bound`: freeze its share of every window up to there."""
    _freeze_until(job, worker, bound)
    watermark.remember_passing(worker.member, bound)
    retention.evict_series(job, worker, bound)


def close_stream(job: Job, stamp: int = FAR_PAST) -> None:
    """Close all stream windows that no holder holds open; `stamp` is the deadline that caused it, if one did."""
    side = job.stream
    if side is None or side.cursor == FAR_PAST:
        return
    bound = side.grid.after(side.cursor)
    last = job.laggard
    if last is not None and watermark.holds(last) and watermark.reached(last, job.lateness) < bound:
        return  # who held it the last time still does
    members = [worker.member for worker in reversed(job.workers.values())]  # of equals the one that sends last
    job.laggard = watermark.laggard(members, job.lateness)
    limit = watermark.limit(job.laggard, job.clock, job.lateness)
    while limit is not None and (bound := side.grid.after(side.cursor)) <= limit:
        if not skip(job, side, limit, stamp):
            close_bound(job, side, bound, stamp)


def close_bound(job: Job, side: Side, bound: int, stamp: int = FAR_PAST) -> None:
    """Close the windows that end at `bound`, shortest first."""
    if side is job.wall:
        for _, worker in job.named_workers():
            worker.wall.pass_slice(bound)
            worker.wall.mark_seen(bound)
    if not job.is_begun:
        job.is_begun = True
        job.out.append(Change(job=job.config.name, name="begin", time=to_seconds(side.cursor)))
    clock = to_seconds(max(bound + side.delay, stamp))
    for window in side.grid.windows(bound):
        _close(job, side, window, clock)
    if any(window.spec == job.counting for window in side.grid.windows(bound)):
        job.out.append(_counters(job, side, bound))
    side.cursor, side.is_fresh = bound, False
    _tidy(job, side)
    retention.evict_workers(job)


def skip(job: Job, side: Side, limit: int, stamp: int = FAR_PAST) -> bool:
    """A run of more than `MAX_CLOSES` empty windows up to `limit` is one gap: whether there was one."""
    if limit - side.cursor <= MAX_CLOSES * side.grid.shortest_slide():
        return False
    until = side.grid.until(min([limit, *_first_content(job, side)]))
    windows = side.grid.gap(side.cursor, until)
    if windows <= MAX_CLOSES:
        return False
    _close_gap(job, side, until, max(until + side.delay, stamp))
    job.out.append(Change(job=job.config.name, name="gap", time=to_seconds(until), text=f"{windows} empty windows"))
    return True


def touched(job: Job, worker: Worker, pane: int) -> list[Closed]:
    """The closed windows that a point of `pane` by this worker would revise."""
    return [
        closed
        for _, ring in sorted(job.rings.items())
        for closed in ring
        if closed.window.start <= pane < closed.window.end and closed.window.end > worker.member.passed
    ]


def _freeze_until(job: Job, worker: Worker, bound: int) -> None:
    side, track = job.stream, worker.stream
    assert side is not None
    at = worker.member.passed
    while (oldest := track.oldest()) is not None:  # windows without content need no freezing
        at = side.grid.after(max(at, side.grid.until(oldest)))
        if at > bound:
            break
        _freeze(job, side, worker, at)
        track.forget(side.grid.reach(at))
    worker.member.passed = bound
    worker.next_bound = side.grid.after(bound)
    track.forget(side.grid.reach(bound))


def _freeze(job: Job, side: Side, worker: Worker, bound: int) -> None:
    name = worker.member.worker
    worker.stream.pass_slice(bound)
    worker.stream.mark_seen(bound)
    for window in side.grid.windows(bound):
        if bound > side.cursor:
            partial = _fold(worker, worker.stream, side, window)
            if partial is not None:
                worker.frozen[window.spec, window.end] = partial
        else:
            for closed in job.rings.get(window.spec, []):
                if closed.window == window and name in closed.dirty:
                    _replace(closed, name, _fold(worker, worker.stream, side, window))


def _fold(worker: Worker, track: Track, side: Side, window: Window) -> Partial | None:
    table = track.window(window.start, window.end, side.grid.after, side.grid.shortest_slide())
    share = None if table is None else partial_of(worker.member.worker, track.names, table)
    if share is None or window.spec == side.grid.specs[0][0]:
        return share
    # rows that are joined are so once, as the shortest windows close
    return msgspec.structs.replace(share, sketches=tuple(one for one in share.sketches if one.kind != JoinRows.KIND))


def _close(job: Job, side: Side, window: Window, clock: float) -> None:
    partials: dict[str, Partial] = {}
    presences: dict[str, Presence] = {}
    for name, worker in job.workers.items():
        partial = _share(job, side, worker, window)
        if partial is not None:
            partials[name] = partial
        presence = _presence(job, side, worker, window)
        if presence is not None:
            presences[name] = presence
    closed = Closed(window, 0, clock, partials, presences)
    revisions = _revisions(job, side, window.spec)
    _emit(job, closed, revisions)
    if side is job.stream:
        job.rings[window.spec] = [*job.rings.get(window.spec, []), closed][-RING:]


def _share(job: Job, side: Side, worker: Worker, window: Window) -> Partial | None:
    if side is job.wall:
        return _fold(worker, worker.wall, side, window)
    if worker.member.passed >= window.end:
        return worker.frozen.pop((window.spec, window.end), None)
    return _fold(worker, worker.stream, side, window)  # behind, missing or gone: what it has so far


def _presence(job: Job, side: Side, worker: Worker, window: Window) -> Presence | None:
    bound = window.end if side is job.stream else -FAR_PAST  # wall windows: what is known now
    return watermark.presence_in(watermark.passing(worker.member, bound), window.start, window.end)


def _revisions(job: Job, side: Side, spec: int) -> list[Closed]:
    """The last closed windows that changed, each with one revision more."""
    revised = []
    for closed in job.rings.get(spec, []) if side is job.stream else []:
        for name in sorted(set(closed.dirty)):
            _revise(job, side, closed, name)
        if closed.dirty:
            closed.dirty = []
            closed.revision += 1
            revised.append(closed)
    return revised


def _revise(job: Job, side: Side, closed: Closed, name: str) -> None:
    worker = job.workers[name]
    if worker.member.passed < closed.window.end:
        _replace(closed, name, _fold(worker, worker.stream, side, closed.window))
    presence = _presence(job, side, worker, closed.window)
    if presence is not None:
        closed.presences[name] = presence


def _replace(closed: Closed, name: str, partial: Partial | None) -> None:
    if partial is not None:
        closed.partials[name] = partial


def _emit(job: Job, closed: Closed, revisions: Sequence[Closed] = (), gap: int = 0) -> None:
    job.reports += 1
    reports = tuple(_report(job, revised) for revised in revisions)
    job.out.append(_report(job, closed, reports, gap))


def _report(job: Job, closed: Closed, revisions: tuple[Report, ...] = (), gap: int = 0) -> Report:
    return Report(
        job=job.config.name,
        shard=job.shard,
        shards=job.config.shards,
        number=job.reports,
        window=closed.window.spec,
        start=to_seconds(closed.window.start),
        end=to_seconds(closed.window.end),
        revision=closed.revision,
        clock=closed.clock,
        gap=gap,
        partials=tuple(by_name(closed.partials)),
        presences=tuple(by_name(closed.presences)),
        revisions=revisions,
    )


def by_name(shares: Mapping[str, Share]) -> list[Share]:
    """The order of every fold across workers."""
    return [share for _, share in sorted(shares.items())]


def _counters(job: Job, side: Side, bound: int) -> Counters:
    at = bound if side is job.stream else -FAR_PAST
    counts = list(job.counts)
    for worker in job.workers.values():
        counts = [a + b for a, b in zip(counts, watermark.passing(worker.member, at).counts, strict=True)]
    named = dict(zip(COUNTS, counts, strict=True))
    return Counters(job=job.config.name, number=0, time=to_seconds(bound), counts=named)


def _first_content(job: Job, side: Side) -> list[int]:
    """Times before which no worker has anything for a window that is still open."""
    times = []
    for worker in job.workers.values():
        track = worker.stream if side is job.stream else worker.wall
        oldest = track.oldest()
        times += [] if oldest is None else [oldest]
        if side is job.stream:
            times += [end - 1 for _, end in worker.frozen]
    return times


def _close_gap(job: Job, side: Side, until: int, clock: int) -> None:
    ends = []
    for (index, spec), calendar in zip(side.grid.specs, side.grid.calendars, strict=True):
        end = calendar.until(until)
        count = calendar.count(side.cursor, end)
        if count:
            ends.append((end, spec.length, index, calendar.back(end, to_micros(spec.length)), count))
    side.cursor, side.is_fresh = until, False
    for end, _, index, start, count in sorted(ends):
        window = Window(index, start, end)
        present = {name: _presence(job, side, worker, window) for name, worker in job.named_workers()}
        presences = {name: presence for name, presence in present.items() if presence is not None}
        job.rings.pop(index, None)
        _emit(job, Closed(window, 0, to_seconds(clock), {}, presences), (), count)
    _tidy(job, side)


def _tidy(job: Job, side: Side) -> None:
    """Drop what no window can need any more."""
    if side is job.wall:
        reach = side.grid.reach(side.cursor)
        for worker in job.workers.values():
            worker.wall.forget(reach)
        return
    floor = _ring_floor(job, side)
    for worker in job.workers.values():
        passings = worker.member.passings
        if passings and passings[0].bound <= side.cursor:
            worker.member.passings = [entry for entry in passings if entry.bound > side.cursor]
        if worker.member.passed < floor:
            _freeze_until(job, worker, floor)


def _ring_floor(job: Job, side: Side) -> int:
    """The last bound at which nothing that ended can be revised: who has not passed it is taken past it."""
    ends = [ring[0].window.end for ring in job.rings.values() if ring]
    return side.grid.until(min(ends) - 1) if ends else side.cursor


def close_unfinished(job: Job, side: Side, stamp: int) -> None:
    """The job has ended: close what is in progress, once for each kind of window, if there is anything in it."""
    if side.cursor == FAR_PAST or not _first_content(job, side):
        return
    last = max(calendar.after(side.cursor) for calendar in side.grid.calendars)
    while side.cursor < last:
        close_bound(job, side, side.grid.after(side.cursor), stamp)
