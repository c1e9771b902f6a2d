"""The operator of one key: the records of a job's log in, what follows from them out.

Its one input is the log, in the log's order; it has no clock and does no I/O. Guarantee: the same log gives the same
bytes, in whatever batches it comes, whatever of it comes twice, and wherever a snapshot is taken and restored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec
import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream import closing, intake, timing, watermark
from streamgauge.pipelines.stream.emitting import Emission, evaluate
from streamgauge.pipelines.stream.intake import DEAD, Rejected
from streamgauge.pipelines.stream.shards import ship
from streamgauge.pipelines.stream.snapshots import put_job, take_job
from streamgauge.pipelines.stream.stages import CONFIG, Caching, Stage2
from streamgauge.pipelines.stream.state import KEPT_IDENTITIES, Emitted, Job, new_job
from streamgauge.pipelines.stream.windows import to_micros, to_seconds
from streamgauge.pipelines.wire.given import SETTING as REFERENCE
from streamgauge.pipelines.wire.outputs import Change, DeadLetter, Output
from streamgauge.pipelines.wire.rows import Rows, packed, part_of, put_state, take_state, unpacked
from streamgauge.tracer import codec, records
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.records import Event, Feedback, Open, Record, Setting, Tick, TraceBatch

__all__ = ["CONFIG", "KEPT_IDENTITIES", "Operator", "Stage2"]



class Operator:
    """Stage 1 of one key, and stage 2 right behind it where the job has one shard.

    Args:
        config: the job; a `config` setting in the log takes its place when the job begins.
        stage2: None for a shard: its reports go to `partials`.
        shard: which shard of the job this key is.
    """

    KIND: ClassVar[str] = "operator"

    def __init__(self, config: JobConfig, stage2: Stage2 | None = None, shard: int = 0) -> None:
        self._stage2 = stage2
        self._job = new_job(config, shard)

    @property
    def clock(self) -> float:
        """The last tick, seconds; minus infinity before the first."""
        return -math.inf if self._job.ticked is None else to_seconds(self._job.ticked)

    @property
    def doubted(self) -> float | None:
        """A tick far ahead of all that is known, which waits for a second one; seconds."""
        return None if self._job.doubted is None else to_seconds(self._job.doubted)

    @property
    def said(self) -> float:
        """The time that the workers tell, the middle one of theirs, seconds; minus infinity without any."""
        members = [worker.member for worker in self._job.workers.values()]
        times = sorted(member.claimed for member in members if watermark.holds(member))
        return to_seconds(times[len(times) // 2]) if times else -math.inf

    @property
    def is_live(self) -> bool:
        """True from the first record of a run until the job has ended: it wants ticks."""
        return self._job.is_live

    @property
    def config(self) -> JobConfig:
        """The configuration in force."""
        return self._job.config

    @property
    def cached_bytes(self) -> int:
        """What is kept only to be quicker, about. Any thread may ask."""
        workers = list(self._job.workers.values())
        kept = sum(len(blob) for worker in workers for blob in list(worker.mappings))
        kept += sum(worker.stream.cached_bytes + worker.wall.cached_bytes for worker in workers)
        return kept + (self._stage2.cached_bytes if isinstance(self._stage2, Caching) else 0)

    def on_records(self, messages: Sequence[bytes]) -> list[Output]:
        """Take records in the log's order; what they cause, in order. A bad one becomes a dead letter."""
        sent: list[Output] = []
        with np.errstate(all="ignore"):  # sums of huge values overflow to inf, and are shown as that
            for data in messages:
                try:
                    apply(self._job, codec.decode(data))
                except (RecordError, Rejected) as error:
                    _reject(self._job, data, error.reason, str(error))
                if self._job.out:
                    sent += self._drain()
        return sent

    def put_rows(self, rows: Rows) -> None:
        """Every row of the state."""
        put_job(self._job, rows)
        if self._stage2 is not None:
            put_state(rows, "stage2", self._stage2)

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put. Raises ValueError for rows that are none of an operator's."""
        self._job = take_job(rows, self._job.config)
        if self._stage2 is not None:
            self._stage2.adopt(self._job.config)  # what holds is the log's configuration
            take_state(rows, "stage2", self._stage2)

    def snapshot(self) -> bytes:
        """The state as versioned bytes."""
        return packed(self)

    def restore(self, data: bytes) -> None:
        """Continue exactly where `snapshot` was taken. Raises ValueError for bytes that are none."""
        self.take_rows(unpacked(self.KIND, data))

    def learn_from(self, state: bytes) -> None:
        """Begin with what the job of another name has learnt, without its workers and open windows. Raises Unfit."""
        rows = unpacked(self.KIND, state)
        take_job(rows, self._job.config)
        learnt = part_of(rows, "stage2", "second stage")
        if self._stage2 is not None and learnt:
            self._stage2.learn_from(learnt)

    def _drain(self) -> list[Output]:
        caused, self._job.out = self._job.out, []
        if self._stage2 is None:
            return [output for item in caused for output in ship(self._job, item)]
        emission = Emission(self._job.config.name, self._job.number)
        sent = [output for item in caused for output in emission.outputs(_follow(self._stage2, item))]
        self._job.number = emission.number
        return sent


def apply(job: Job, record: Record) -> None:
    """One record of the log. Raises RecordError or Rejected for one that cannot be used."""
    if isinstance(record, TraceBatch):
        intake.admit(job, record)
        return
    if record.job != job.config.name:
        raise Rejected("job", f"job {record.job[:100]!r} under the key of {job.config.name!r}")
    if isinstance(record, Tick):
        timing.advance(job, _time(record.time), _time(record.leap))
    elif isinstance(record, Open):
        _open(job, record)
    elif isinstance(record, Setting):
        _set(job, record)
    elif is_known(job, record):
        return
    elif isinstance(record, Event):
        _time(record.time)
        told = Change(job=record.job, worker=record.worker, name=record.name, time=record.time, text=record.text)
        job.out.append(told)
    else:
        job.out.append(record)


def is_known(job: Job, record: Event | Feedback) -> bool:
    """Whether this very record came before: a log that is read again says nothing new."""
    return not job.remember(codec.identity_of(codec.encode(record)))


def _follow(stage2: Stage2, item: Emitted) -> Sequence[msgspec.Struct]:
    if isinstance(item, Report):
        return evaluate(stage2, item)
    if isinstance(item, Setting):
        return stage2.on_setting(item)
    if isinstance(item, Change):
        return stage2.on_change(item)
    return stage2.on_feedback(item) if isinstance(item, Feedback) else [item]


def _open(job: Job, record: Open) -> None:
    """A shard begins at `start` though it may have no worker; harmless twice, and after the end of that run."""
    if record.shards != job.config.shards or record.shard != job.shard:
        raise Rejected("shard", f"shard {record.shard} of {record.shards}, expected {job.shard} of {job.config.shards}")
    start = _time(record.start)
    sides = [side for side in (job.stream, job.wall) if side is not None]
    if not job.is_live and any(start < side.floor for side in sides):
        return
    if not job.is_live:
        job.is_live, job.vacant_since = True, job.clock
    for side in sides:
        closing.begin(job, side, start)


def _set(job: Job, record: Setting) -> None:
    if record.revision <= job.settings.get(record.name, -1):
        return
    _time(record.effective)
    if record.name == CONFIG:
        _adopt(job, record.body)
    job.settings[record.name] = record.revision
    waits = record.name == CONFIG and job.pending != b""
    text = f"{record.name} revision {record.revision}" + (", from when the job begins again" if waits else "")
    told = Change(job=record.job, name="setting", time=record.effective, text=text)
    if record.name == REFERENCE:  # comes in many parts, and says itself what it is
        job.out.append(record)
        return
    job.out += [told] if waits else [record, told]


def _adopt(job: Job, body: bytes) -> None:
    """The log's configuration holds. Where windows are made of something else, the job ends, and begins again so.

    A sharded job's windows have the same numbers in all its shards, which no log orders: those wait until it has ended.
    """
    try:
        config = msgspec.json.decode(body, type=JobConfig)
    except msgspec.DecodeError as error:
        raise Rejected("setting", str(error)) from None
    if config.name != job.config.name or config.shards != job.config.shards:
        raise Rejected("setting", f"a configuration of job {config.name!r} with {config.shards} shards")
    is_another = job.is_live and _shape(config) != _shape(job.config)
    if is_another and config.shards > 1:
        job.pending = body
        return
    if is_another:
        timing.interrupt(job)
    job.configure(config)
    job.pending = b""


def _shape(config: JobConfig) -> tuple[object, ...]:
    return config.timezone, config.pane, config.windows, config.tick, config.allowed_lateness


def _reject(job: Job, data: bytes, reason: str, text: str) -> None:
    identity = codec.identity_of(data)
    if job.remember(identity):
        job.counts[DEAD] += 1
    key = records.key_of(job.config.name, job.shard, job.config.shards)
    letter = DeadLetter(identity=identity, reason=reason, text=text, topic="traces", key=key, data=data)
    job.out.append(letter)


def _time(seconds: float) -> int:
    if not -1e11 < seconds < 1e11:
        raise Rejected("time", f"a time of {seconds:g} s")
    return to_micros(seconds)
