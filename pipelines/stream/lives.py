"""Two lives under one name: a superseded incarnation that still sends is a worker of its own, and this is a fact.

A record of an incarnation that was superseded is old as long as its pane is; one of three intervals later is alive.
Its worker is called `name~` and the beginning of its incarnation; both lives are counted, neither silences the other.

Two lives that were given one incarnation are told apart by their numbers: one life's records of a pane have none below
the first of that pane, and a life that was taken for ended does not go on with its next number.
"""

from __future__ import annotations

from typing import Final

from streamgauge.pipelines.stream import facts, watermark
from streamgauge.pipelines.stream.state import Job, Worker
from streamgauge.pipelines.stream.watermark import SILENT_INTERVALS, Member, Verdict, holds
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
    second, first = job.workers.get(other), job.workers.get(batch.worker)
    if second is None or second.member.base != batch.worker:
        return batch.worker
    if first is not None and first.member.incarnation == batch.incarnation:
        return _by_number(first.member, second.member, batch).worker
    return other


def _by_number(first: Member, second: Member, batch: TraceBatch) -> Member:
    """Which of two lives with one incarnation a record is of: the one whose numbers it goes on with."""
    pane, lives = to_micros(batch.pane), (first, second)
    before = [m for m in lives if m.sequence < batch.sequence and not (m.firsts and pane < m.firsts[-1][0])]
    return max(before or lives, key=lambda member: member.sequence)


def is_second(job: Job, member: Member, batch: TraceBatch, verdict: Verdict) -> bool:
    """Whether a record of a worker's incarnation is of another life that was given the same, beside the first."""
    if batch.incarnation != member.incarnation or alias(batch.worker, batch.incarnation) in job.workers:
        return False
    if verdict == "duplicate":  # and the first has gone on since the second was heard
        return 0 < member.rival < member.sequence and _contradicts(member, batch)
    ended = member.superseded[-1] if member.superseded else ("", 0)
    return ended == (batch.incarnation, batch.sequence - 1) and member.sequence < batch.sequence - 1


def suspect(member: Member, batch: TraceBatch) -> None:
    """A record with a number that was used: remember whether it may be of another life."""
    if batch.incarnation == member.incarnation and _contradicts(member, batch):
        member.rival = member.sequence


def _contradicts(member: Member, batch: TraceBatch) -> bool:
    return watermark.contradicts(member, batch.sequence, to_micros(batch.pane))


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
