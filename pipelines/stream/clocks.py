"""What a worker's clock says against the job's: where a record belongs, leaps, and the skew of a clock.

A record speaks of its worker's time. Times beyond what the job's clock allows are not believed: the record counts where
the clock is, and its watermark says no more than that its own pane has begun. So the way back is automatic: a worker
whose clock leapt has passed nothing that is still to come. All of it goes by the clock's pane, never by the clock.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.stream import facts, watermark
from streamgauge.pipelines.stream.state import Job, Worker
from streamgauge.pipelines.stream.watermark import COUNTS, FAR_PAST, Member
from streamgauge.pipelines.stream.windows import to_micros
from streamgauge.tracer.records import TraceBatch

CLAMPED: Final = COUNTS.index("clamped")
LOOKED_AT: Final = 6  # panes of the clock in a row that must agree on a skew: a backlog shrinks, a skew stays


class Placed(NamedTuple):
    """Where a record counts, and how far ahead of the clock it spoke if that was not believed."""

    pane: int
    mark: int  # its worker's watermark with it
    leap: int = 0


def place(job: Job, member: Member, batch: TraceBatch) -> Placed:
    """Pane and watermark of a record, not beyond what the clock lets its worker speak of."""
    pane, mark = to_micros(batch.pane), to_micros(batch.watermark)
    if job.clock is None:
        return Placed(pane // job.pane * job.pane, mark)
    now = watermark.paned(job.clock, job.pane)
    start = watermark.anchor(member, now)
    latest = watermark.horizon(start, job.pane, job.max_ahead)
    if pane <= latest and mark <= latest:
        member.timely = now
        return Placed(pane // job.pane * job.pane, mark)
    leap = max(pane, mark) - now
    member.timely = FAR_PAST
    member.counts[CLAMPED] += 1
    kept = (pane if pane <= latest else start) // job.pane * job.pane
    return Placed(kept, mark if mark <= latest else kept, leap)


def compare(job: Job, worker: Worker, batch: TraceBatch, placed: Placed) -> None:
    """Tell a leap, and a skew."""
    member = worker.member
    if job.clock is None:
        return
    if placed.leap:
        at = placed.pane
        told = facts.clock(job.config.name, member.worker, member.incarnation, placed.leap, at, at + job.pane)
        _show(job, worker, told, at)
    _measure(job, worker, to_micros(batch.pane) // job.pane * job.pane, watermark.paned(job.clock, job.pane))


def is_another_life(member: Member, batch: TraceBatch) -> bool:
    """Whether a record whose number was used is no duplicate: what came twice has no watermark that never came."""
    latest = max(member.claimed, member.watermark)
    return batch.incarnation == member.incarnation and to_micros(batch.watermark) > latest


def _measure(job: Job, worker: Worker, pane: int, now: int) -> None:
    """Keep how far its newest record of each pane of the clock was ahead; judge when the clock's pane changes."""
    member = worker.member
    if member.compared == now:
        member.offsets[-1] = max(member.offsets[-1], pane - now)
        return
    if len(member.offsets) >= LOOKED_AT:
        _judge(job, worker, now)
    member.offsets = [*member.offsets[1 - LOOKED_AT :], pane - now]
    member.compared = now


def _judge(job: Job, worker: Worker, now: int) -> None:
    """A skew is a fact while all panes looked at agree on it, and over as soon as one shows none."""
    member = worker.member
    slowest = -job.pane - (job.wall.delay if job.wall is not None else job.pane)  # later than this is late
    low, high = min(member.offsets), max(member.offsets)
    if (high <= slowest or low > job.pane) and high - low <= job.pane:
        middle = sorted(member.offsets)[LOOKED_AT // 2] + job.pane  # in time, a pane is sent when it is over
        told = facts.skew(job.config.name, member.worker, member.incarnation, middle, now, now + job.pane)
        _show(job, worker, told, now)
    elif slowest < high <= job.pane:
        job.out += facts.close(worker.facts, facts.SKEW, now, now + job.pane)


def _show(job: Job, worker: Worker, told: Anomaly, pane: int) -> None:
    shown = facts.show(worker.facts, told, pane)
    if shown is not None:
        job.out.append(shown)
