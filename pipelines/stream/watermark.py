"""Membership and time: who holds windows open, who is behind, missing or gone; every rule one small pure function.

A member is a (worker, incarnation). It joins with its first record and leaves with `final` or when silent for three of
its intervals; it holds windows only while it is live. Incarnations are compared for equality, never for order. Times
are integer microseconds. What a record may depend on is the clock's pane, never the clock itself, so that records and
ticks may change places within a pane.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from streamgauge.pipelines.metrics import Presence
from streamgauge.pipelines.stream.windows import to_seconds
from streamgauge.tracer.records import TraceBatch

FAR_PAST: Final = -(10**18)
SILENT_INTERVALS: Final = 3
KEPT_INCARNATIONS: Final = 8
KEPT_RESTARTS: Final = 64
KEPT_PANES: Final = 8
COUNTS: Final = ("records", "points", "late", "duplicate", "superseded", "clamped", "overflow", "dead", "lost")

Verdict = Literal["new", "next", "duplicate", "superseded"]


class Passing(msgspec.Struct, array_like=True, frozen=True):
    """What was known of a worker at the moment at which its watermark passed `bound`."""

    bound: int
    presence: Presence
    restarts: tuple[int, ...]
    counts: tuple[int, ...]


class Member(msgspec.Struct, array_like=True):
    """One worker, its current incarnation and how far it has come."""

    worker: str
    incarnation: str = ""
    sequence: int = 0
    superseded: list[tuple[str, int]] = []  # incarnation and its last sequence, oldest first
    state: Literal["live", "behind", "missing", "left"] = "live"
    joined: int = 0
    heard: int | None = None  # the clock when its last record came; None before the first tick
    seen: int = 0  # the same to the pane, or its last record's pane if that is later
    interval: int = 0
    watermark: int = FAR_PAST
    passed: int = FAR_PAST  # the last bound that its watermark, less the allowed lateness, has passed
    is_reported: bool = False  # its absence was judged
    restarts: tuple[int, ...] = ()
    received: int = 0
    captured: int = 0
    lost: int = 0
    counts: list[int] = msgspec.field(default_factory=lambda: [0] * len(COUNTS))
    passings: list[Passing] = []
    timely: int = FAR_PAST  # the clock's pane in which its last record came, if that was not clamped
    claimed: int = FAR_PAST  # the latest watermark that this incarnation said, believed or not
    base: str = ""  # of a second life: the name that it sends under
    compared: int = FAR_PAST  # the clock's pane in which its last record came
    offsets: list[int] = []  # how far its newest record was ahead of the clock, by pane of the clock, newest last
    firsts: list[tuple[int, int]] = []  # its latest panes and the first sequence of each, newest last
    rival: int = 0  # its own sequence when a record came that contradicts `firsts`; 0: none has
    renewed: int = FAR_PAST  # the clock's pane in which it began anew last


def verdict(member: Member, incarnation: str, sequence: int) -> Verdict:
    """What a record is to its worker: the next one, a duplicate, from a superseded incarnation, or from a new one."""
    if incarnation == member.incarnation:
        return "next" if sequence > member.sequence else "duplicate"
    for old, last in member.superseded:
        if old == incarnation:
            return "superseded" if sequence > last else "duplicate"
    return "new"


def supersede(member: Member, batch: TraceBatch, pane: int, watermark: int) -> None:
    """A new incarnation takes the worker over; the last few old ones are remembered."""
    if member.incarnation:
        member.superseded.append((member.incarnation, member.sequence))
        del member.superseded[:-KEPT_INCARNATIONS]
        member.restarts = (*member.restarts, pane)[-KEPT_RESTARTS:]
    member.incarnation = batch.incarnation
    member.sequence = batch.sequence - 1  # what came before its first record here is unknown, not lost
    member.joined = pane
    member.watermark = watermark
    member.received = member.captured = member.lost = 0
    member.claimed, member.compared, member.offsets = FAR_PAST, FAR_PAST, []
    member.firsts, member.rival = [], 0


def number(member: Member, sequence: int, pane: int) -> None:
    """A record of this pane was taken: how far the worker has come."""
    member.sequence = sequence
    if not member.firsts or member.firsts[-1][0] < pane:
        member.firsts = [*member.firsts[1 - KEPT_PANES :], (pane, sequence)]


def contradicts(member: Member, sequence: int, pane: int) -> bool:
    """Whether a worker cannot have sent this record: its own numbers of that pane began later."""
    return any(pane == known and sequence < first for known, first in member.firsts)


def paned(clock: int, pane: int) -> int:
    """The clock to the pane: all that a record may depend on."""
    return clock // pane * pane


def horizon(now: int, pane: int, max_ahead: int) -> int:
    """The latest time a record may speak of when the clock is in the pane `now`."""
    return now + max(max_ahead, 2 * pane)


def anchor(member: Member, now: int) -> int:
    """The time from which a member's next record may speak of what is ahead.

    While the clock's pane stands still (the host was away, and its ticks with it) a worker that was on time goes on
    from where it was: its records tell the time then, but none may leap.
    """
    return max(now, member.watermark) if member.timely == now else now


def silent_at(member: Member) -> int | None:
    """When a member will have been silent for three of its intervals."""
    return None if member.heard is None else member.heard + SILENT_INTERVALS * member.interval


def missing_at(member: Member, grace: int) -> int | None:
    """When a silent worker's absence is a fact: after a restart's grace or three intervals, whichever is longer."""
    return None if member.heard is None else member.heard + max(grace, SILENT_INTERVALS * member.interval)


def behind_at(member: Member, max_hold: int) -> int:
    """When a member that does not move will be behind."""
    return member.watermark + max_hold


def has_caught_up(member: Member, clock: int, max_hold: int, closed: int, lateness: int) -> bool:
    """Whether a member that was behind holds windows again: it has passed what closed without it."""
    return clock < behind_at(member, max_hold) and member.watermark >= closed + lateness


def holds(member: Member) -> bool:
    """Whether open windows wait for this worker."""
    return member.state == "live"


def reached(member: Member, lateness: int) -> int:
    """Up to where a worker holds nothing: a new incarnation does not hold again what its predecessor had passed."""
    return max(member.watermark - lateness, member.passed)


def laggard(members: Iterable[Member], lateness: int) -> Member | None:
    """The holder that has come least far; None where nobody holds windows open."""
    return min(filter(holds, members), key=lambda member: reached(member, lateness), default=None)


def limit(slowest: Member | None, clock: int | None, lateness: int) -> int | None:
    """Windows that end at or before this may close: all holders have passed, or with none, the clock has."""
    if slowest is not None:
        return reached(slowest, lateness)
    return None if clock is None else clock - lateness


def is_vacant(members: Iterable[Member]) -> bool:
    """Whether a job has no members."""
    return all(member.state in ("missing", "left") for member in members)


def presence_of(member: Member) -> Presence:
    """What is known of a worker now; `restarts` is for the window, see `presence_in`."""
    return Presence(
        worker=member.worker,
        incarnation=member.incarnation,
        state=member.state,
        seen=to_seconds(member.seen),
        interval=to_seconds(member.interval),
        watermark=to_seconds(member.watermark),
        joined=to_seconds(member.joined),
        received=member.received,
        captured=member.captured,
        lost=member.lost,
    )


def remember_passing(member: Member, bound: int) -> None:
    """Keep what is known now for the windows up to `bound`, which may close much later."""
    member.passings.append(Passing(bound, presence_of(member), member.restarts, tuple(member.counts)))


def passing(member: Member, bound: int) -> Passing:
    """What was known when the worker passed `bound`, or is known now if it has not."""
    for entry in member.passings:
        if entry.bound >= bound:
            return entry
    return Passing(bound, presence_of(member), member.restarts, tuple(member.counts))


def presence_in(entry: Passing, start: int, end: int) -> Presence | None:
    """A worker's presence in the window [start, end); None if it joined later or had left before."""
    presence = entry.presence
    if presence.joined >= to_seconds(end) and not entry.restarts:
        return None
    if presence.state == "left" and presence.watermark <= to_seconds(start):
        return None
    restarts = sum(start <= at < end for at in entry.restarts)
    return msgspec.structs.replace(presence, restarts=restarts) if restarts else presence
