"""What the job's clock causes: deadlines in order, each stamped with itself: a coarse tick equals many fine ones."""

from __future__ import annotations

from typing import Final

import msgspec

from streamgauge.pipelines.config.schema import DAY, HOUR, JobConfig
from streamgauge.pipelines.stream import closing, facts, intake, lives, retention, watermark
from streamgauge.pipelines.stream.stages import CONFIG
from streamgauge.pipelines.stream.state import Job, Worker
from streamgauge.pipelines.stream.watermark import FAR_PAST
from streamgauge.pipelines.stream.windows import to_micros, to_seconds
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer.records import Setting

END_AFTER: Final = to_micros(HOUR)  # without members
MOST: Final = to_micros(DAY)  # further than this no single tick moves a job
LEAP: Final = to_micros(30 * DAY)  # of one tick: beyond it a fact is said again once, not every five days of it
REMINDER, SILENT, MISSING, BEHIND, END, WALL, STREAM = range(7)  # the order in which deadlines at the same time are met

Deadline = tuple[int, int, str]  # time, what, worker


def advance(job: Job, time: int, leap: int = 0) -> None:
    """The clock has reached `time`; not above the last tick it is a no-op.

    A tick a day beyond all that is known waits for a second one: one damaged record moves no job. `leap` is how far the
    host's clock is from the time that it tells.
    """
    if (job.ticked is not None and time <= job.ticked) or not _is_likely(job, time):
        return
    job.ticked = time
    _tell_leap(job, leap, time)
    if job.clock is None:
        _start(job, time)
    while job.is_live:
        deadlines = due(job, time)
        if not deadlines or min(deadlines)[0] > time:
            break
        if not _meet_absences(job, deadlines, time):
            _meet(job, min(deadlines), _next_change(deadlines, time))
    job.clock = time if job.is_live else None  # ticks stop with the job: what it was says nothing of the next run


def due(job: Job, time: int) -> list[Deadline]:
    """Everything that a clock running to `time` will cause, as (time, what, worker)."""
    deadlines = _reminders(job, job.facts, "", time)
    for name, worker in job.workers.items():
        deadlines += _of_member(job, name, worker)
        deadlines += _reminders(job, worker.facts, name, time)
    is_held = any(watermark.holds(worker.member) for worker in job.workers.values())
    for what, side in ((WALL, job.wall), (STREAM, None if is_held else job.stream)):
        if side is not None and side.cursor != FAR_PAST:
            deadlines.append((side.grid.after(side.cursor) + side.delay, what, ""))
    if job.vacant_since is not None and job.config.shards == 1:
        deadlines.append((job.vacant_since + END_AFTER, END, ""))
    return deadlines


def _reminders(job: Job, kept: facts.Facts, name: str, time: int) -> list[Deadline]:
    last, now = time // facts.REMIND * facts.REMIND, FAR_PAST if job.clock is None else job.clock
    return [(last if last - max(at, now) > LEAP else at, REMINDER, name) for at in facts.reminders(kept)]


def finish(job: Job, at: int) -> None:
    """The job has ended: what is open closes, the state shrinks; the next record begins it again."""
    for side in (job.stream, job.wall):
        if side is not None:
            closing.close_unfinished(job, side, at)
            side.floor, side.cursor, side.is_fresh = max(side.floor, side.cursor), FAR_PAST, True
    job.rings.clear()
    job.series = job.name_bytes = 0
    _shrink(job)
    job.is_live, job.is_begun, job.vacant_since = False, False, None
    job.out.append(Change(job=job.config.name, name="end", time=to_seconds(at)))
    if job.pending:
        _begin_with(job, job.pending, to_seconds(at))
        job.pending = b""


def _begin_with(job: Job, body: bytes, time: float) -> None:
    """A configuration that had to wait; the second stage hears of it now."""
    job.configure(msgspec.json.decode(body, type=JobConfig))
    name, revision = job.config.name, job.settings.get(CONFIG, 0)
    job.out.append(Setting(job=name, shard=job.shard, name=CONFIG, revision=revision, effective=time, body=body))


def interrupt(job: Job) -> None:
    """End the job now, its workers as if they had said goodbye: their next records begin it again."""
    heard = (worker.member.seen for worker in job.workers.values())
    finish(job, max(heard, default=0) if job.clock is None else job.clock)
    for member in (*job.gone.values(), *(worker.member for worker in job.workers.values())):
        member.state = "left"


def _is_likely(job: Job, time: int) -> bool:
    known = [worker.member.watermark for worker in job.workers.values()]
    known += [] if job.ticked is None else [job.ticked]
    if time == job.doubted:  # the same one again
        return False
    waiting, job.doubted = job.doubted, None
    if not known or time <= max(known) + MOST or (waiting is not None and waiting <= time <= waiting + MOST):
        return True
    job.doubted = time
    if job.remember(f"tick {time}"):
        days = to_seconds(time - max(known)) / DAY
        text = f"a tick {days:.3g} days ahead of all that is known waits for a second one"
        job.out.append(Change(job=job.config.name, name="doubted", time=to_seconds(max(known)), text=text))
    return False


def _tell_leap(job: Job, leap: int, time: int) -> None:
    """The host's clock is not what it was: a fact for as long as its ticks say so."""
    pane = watermark.paned(time, job.pane)
    if not leap:
        job.out += facts.close(job.facts, facts.CLOCK, pane, pane)
        return
    shown = facts.show(job.facts, facts.clock(job.config.name, "", "", leap, pane, pane), pane)
    if shown is not None:
        job.out.append(shown)


def _start(job: Job, time: int) -> None:
    job.clock = FAR_PAST
    for worker in job.workers.values():
        worker.member.heard = time
    if job.is_live and watermark.is_vacant(worker.member for worker in job.workers.values()):
        job.vacant_since = time


def _of_member(job: Job, name: str, worker: Worker) -> list[Deadline]:
    member = worker.member
    silent, missing = watermark.silent_at(member), watermark.missing_at(member, job.missing_after)
    if silent is None or missing is None:
        return []
    if member.state == "missing":
        return [] if member.is_reported else [(missing, MISSING, name)]
    if member.state == "left":
        return []
    deadlines = [(silent, SILENT, name)]
    if member.state == "live":
        deadlines.append((watermark.behind_at(member, job.max_hold), BEHIND, name))
    return deadlines


def _next_change(deadlines: list[Deadline], time: int) -> int:
    """Until when only windows close."""
    return min([time, *(at for at, what, _ in deadlines if what not in (WALL, STREAM))])


def _meet_absences(job: Job, deadlines: list[Deadline], time: int) -> bool:
    """Workers that fall silent or are missing before anything else is due; whether there were any.

    They are met in one go, and so is a whole cluster that falls silent at once: what is due is looked up again only
    where one of them may have changed that.
    """
    first = min((deadline for deadline in deadlines if deadline[1] not in (SILENT, MISSING)), default=(time + 1, 0, ""))
    run = sorted(deadline for deadline in deadlines if deadline < first and deadline[0] <= time)
    holders = sum(watermark.holds(worker.member) for worker in job.workers.values()) if run else 0
    for met, deadline in enumerate(run):
        name = deadline[2]
        worker = job.workers.get(name)
        is_due = worker is not None and deadline in _of_member(job, name, worker)
        if worker is None or not is_due or (met and (not holders or deadline > first)):
            return met > 0
        holders -= watermark.holds(worker.member)
        _meet(job, deadline, time)
        caused = [*_of_member(job, name, worker), *_reminders(job, worker.facts, name, time)]
        first = min([first, *caused])
    return bool(run)


def _meet(job: Job, deadline: Deadline, until: int) -> None:
    time, what, name = deadline
    assert job.clock is not None
    at = job.clock = max(job.clock, time)
    if what in (WALL, STREAM):
        _close(job, what, at, until)
    elif what == END:
        finish(job, at)
    elif what == REMINDER:
        job.out += facts.remind(job.workers[name].facts if name else job.facts, at)
    elif what == MISSING:
        _report_missing(job, job.workers[name], at)
    elif what == BEHIND:
        intake.fall_behind(job, job.workers[name], at)
        closing.close_stream(job, at)
    else:
        _fall_silent(job, job.workers[name], at)


def _close(job: Job, what: int, at: int, until: int) -> None:
    side = job.wall if what == WALL else job.stream
    assert side is not None
    if not closing.skip(job, side, max(until, at) - side.delay):
        closing.close_bound(job, side, side.grid.after(side.cursor), at)


def _fall_silent(job: Job, worker: Worker, at: int) -> None:
    worker.member.state = "missing"
    lives.settle(job, worker.member.worker, at)
    is_held = job.laggard is not None and watermark.holds(job.laggard)
    if not is_held and watermark.is_vacant(other.member for other in job.workers.values()):
        job.vacant_since = at
    closing.close_stream(job, at)


def _report_missing(job: Job, worker: Worker, at: int) -> None:
    """A worker stays away longer than a restart takes; a job that was scaled down on purpose misses nobody."""
    member = worker.member
    member.is_reported = True
    wanted = job.config.workers
    is_enough = wanted and sum(watermark.holds(other.member) for other in job.workers.values()) >= wanted
    if is_enough or lives.is_survived(job, member):
        return
    since = member.heard if member.heard is not None else at
    severity = intake.severity_of_absence(job)
    fact = facts.missing(job.config.name, member.worker, member.incarnation, since, at, severity)
    shown = facts.show(worker.facts, fact, since // job.pane * job.pane)
    if shown is not None:
        job.out.append(shown)


def _shrink(job: Job) -> None:
    for name, worker in job.named_workers():
        if worker.facts.open:  # an alert that nobody has ended
            worker.member.passings = []
            job.workers[name] = Worker(worker.member, worker.facts, next_bound=worker.next_bound)
        else:
            retention.forget_worker(job, name)
    job.series = job.name_bytes = 0
