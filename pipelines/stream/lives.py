"""Two lives under one name: a superseded incarnation that still sends is a worker of its own, and this is a fact.

A record of an incarnation that was superseded is old as long as its pane is; one of three intervals later is alive.
Its worker is called `name~` and the beginning of its incarnation; both lives are counted, neither silences the other.
"""

from __future__ import annotations

from typing import Final

from streamgauge.pipelines.stream import facts
from streamgauge.pipelines.stream.state import Job, Worker
from streamgauge.pipelines.stream.watermark import SILENT_INTERVALS, Member, holds
from streamgauge.pipelines.stream.windows import to_micros
from streamgauge.tracer.records import TraceBatch

SHOWN: Final = 8  # characters of the incarnation


def alias(worker: str, incarnation: str) -> str:
    """What the second life of a worker is called.

    >>> alias("worker:0", "3f2a9c81d7e04b6e")
    'worker:0~3f2a9c81'
    """
    return f"{worker}~{incarnation[:SHOWN]}"


def name_of(job: Job, batch: TraceBatch) -> str:
    """The worker that a record belongs to."""
    other = alias(batch.worker, batch.incarnation)
    known = job.workers.get(other)
    return other if known is not None and known.member.base == batch.worker else batch.worker


def is_alive(member: Member, batch: TraceBatch) -> bool:
    """Whether a record of a superseded incarnation tells of times long after it was superseded."""
    names = [name for name, _ in member.superseded]
    since = member.restarts[names.index(batch.incarnation) - len(names)]
    return to_micros(batch.pane) >= since + SILENT_INTERVALS * to_micros(batch.interval)


def begin(job: Job, worker: Worker, batch: TraceBatch, pane: int) -> None:
    """A new incarnation has joined: where it is the second life under its name, this is a fact."""
    member = worker.member
    if member.worker == batch.worker:
        return
    member.base, job.has_second_lives = batch.worker, True
    other = job.workers[batch.worker].member.incarnation if batch.worker in job.workers else "another"
    fact = facts.lives(
        job.config.name, member.worker, batch.incarnation, batch.worker, other, pane, pane + job.pane
    )  # fmt: skip
    shown = facts.show(worker.facts, fact, pane)
    if shown is not None:
        job.out.append(shown)


def settle(job: Job, name: str, at: int) -> None:
    """A worker is gone: where one life under the name is left, there are no longer two."""
    if not job.has_second_lives:
        return
    base = job.workers[name].member.base or name
    for other in job.workers.values():
        if other.member.base == base and (other.member.worker == name or name == base):
            job.out += facts.close(other.facts, facts.LIVES, at, at)


def is_survived(job: Job, member: Member) -> bool:
    """Whether another life under the same name goes on: then nobody is missing."""
    base = member.base or member.worker
    return job.has_second_lives and any(
        holds(other.member) and other.member is not member and base in (other.member.base, other.member.worker)
        for other in job.workers.values()
    )
