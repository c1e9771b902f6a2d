"""Sample messages of one partition become trace records: a pure function of them and of where the last block ended.

A block is what one record batch summarises: rows of one pane, at most `rows` of them. It ends with its last row or with
the first message of a later pane, never by a clock, so that a topic that is read again gives the same records under the
same sequences and the pipeline drops them as duplicates. The clock of a partition is the broker's timestamp, which only
goes forward here. When a topic falls silent, time must pass all the same: where and when is committed first
(`reserved`), and only then is it done, the same way by whoever reads it again.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from streamgauge.pipelines.bridge import rows
from streamgauge.pipelines.config.schema import Bridge, Feature, JobConfig
from streamgauge.pipelines.wire.dead_letters import dead_letter
from streamgauge.pipelines.wire.outputs import Output
from streamgauge.tracer import codec, profiles, records
from streamgauge.tracer.events import Idled, Stepped
from streamgauge.tracer.fold import Fold, Rules
from streamgauge.tracer.id_sampling import IdSampling
from streamgauge.tracer.inputs import Array, Column
from streamgauge.tracer.joins import Join
from streamgauge.tracer.labels import Labels
from streamgauge.tracer.panes import Identity, Panes
from streamgauge.tracer.profiles import Profiles
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.summaries import Table
from streamgauge.tracer.transport import Message

VERSION: Final = 1


class Sample(NamedTuple):
    """One message of the job's topic."""

    offset: int
    stamp: float  # when the broker says it was written, seconds since the epoch
    value: bytes


class Place(msgspec.Struct, array_like=True, frozen=True):
    """Where a block ended: all that the next one depends on. It travels as the metadata of the committed offset."""

    version: int = VERSION
    incarnation: str = ""
    sequence: int = 0  # of the last record
    clock: float = 0.0  # the largest timestamp so far
    watermark: float = 0.0
    captured: int = 0
    blocks: int = 0
    silent: tuple[int, float] | None = None  # behind the messages below this offset, time passes until then

    def text(self) -> str:
        """As metadata."""
        return base64.b64encode(msgspec.msgpack.encode(self)).decode()


def place_of(text: str) -> Place | None:
    """Where to go on; None for metadata that is not the bridge's."""
    try:
        place = msgspec.msgpack.decode(base64.b64decode(text, validate=True), type=Place)
    except (ValueError, msgspec.DecodeError):
        return None
    return place if place.version == VERSION else None


class Block(NamedTuple):
    """What came of one: what to send, and then to commit."""

    offset: int  # of the next message
    place: Place
    outputs: list[Output]


class Blocks:
    """The blocks of one partition; `worker` is how the job knows it.

    Args:
        bridge: what to read.
        job: whose features are profiled.
        worker: the name of the partition among the job's workers.
        read: decodes a message into the values of `fields_of(bridge, job)`.
        salt: of the hashes.
        offset: of the first message to come.
        place: where the last block before it ended, None at a beginning.
        fault: told what could not be measured of a block; the rest of it counts all the same.
    """

    def __init__(
        self, bridge: Bridge, job: JobConfig, worker: str, read: rows.Decode, *, salt: bytes = b"", offset: int = 0,
        place: Place | None = None, fault: Callable[[str, Exception], None],
    ) -> None:  # fmt: skip
        self._bridge, self._job, self._worker, self._read, self._salt = bridge, job, worker, read, salt
        self._table = Table(salt)
        self._fault = fault
        self.offset = offset
        self._waiting: list[Sample] = []  # the open block
        self._pane_end = math.inf  # of it
        self.place = place

    @property
    def next(self) -> int:
        """The offset behind all messages taken."""
        return self._waiting[-1].offset + 1 if self._waiting else self.offset

    @property
    def is_waiting(self) -> bool:
        """Whether messages wait for the end of their block."""
        return bool(self._waiting)

    def add(self, samples: Sequence[Sample]) -> list[Block]:
        """The blocks that messages complete, in the topic's order; the rest waits."""
        done = list[Block]()
        for sample in samples:
            if self.place is None:
                self.place = _begun(self._worker, sample)
            if self.place.silent is not None and sample.offset >= self.place.silent[0]:
                done.append(self.pass_silence(self.place.silent[1]))
            if self._waiting and sample.stamp >= self._pane_end:
                done.append(self._end())
            if not self._waiting:
                pane = math.floor(max(sample.stamp, self.place.clock) / self._job.pane)
                self._pane_end = (pane + 1) * self._job.pane
            self._waiting.append(sample)
            if len(self._waiting) >= self._bridge.rows:
                done.append(self._end())
        return done

    def reserved(self, until: float) -> Place | None:
        """What to commit at `offset` before a silence is passed; None before the first message."""
        return None if self.place is None else msgspec.structs.replace(self.place, silent=(self.next, until))

    @property
    def silence(self) -> float | None:
        """Until when a silence lasts that was reserved before a restart, once all messages before it have come."""
        reserved = None if self.place is None else self.place.silent
        return reserved[1] if reserved is not None and self.next >= reserved[0] else None

    def pass_silence(self, until: float) -> Block:
        """The block of what waits and of the silence behind it."""
        return self._end(until)

    def _end(self, until: float | None = None) -> Block:
        """End the block: with its last message, or later where the topic is silent."""
        assert self.place is not None
        waiting, self._waiting = self._waiting, []
        self.offset = waiting[-1].offset + 1 if waiting else self.offset
        place, job = self.place, self._job
        identity = Identity(job.name, self._worker, place.incarnation, job.shards, job.pane, job.pane, "live")
        panes = Panes(identity, place.watermark)
        panes.sequence, panes.captured = place.sequence, place.captured
        stamps = np.maximum.accumulate([place.clock, *(sample.stamp for sample in waiting)])
        clock, outputs = float(stamps[-1]), list[Output]()
        if waiting:
            panes.end(panes.floor(clock))
            outputs += self._fold(panes, waiting, stamps[1:], place.blocks + 1)
        clock = clock if until is None else max(clock, until)
        self._new_fold(panes).fold(Idled(clock))
        panes.cut(points_only=False)
        batches = panes.stamp((), lost=0, empty=True, final=False)
        self.place = Place(
            VERSION, place.incarnation, panes.sequence, clock, panes.watermark, panes.captured, place.blocks + 1
        )
        return Block(self.offset, self.place, [*outputs, *map(self._sent, batches)])

    def _fold(self, panes: Panes, waiting: list[Sample], stamps: Array, step: int) -> list[Output]:
        """Fold the rows; the messages that are none, as dead letters."""
        found, bad = rows.decode(self._read, [sample.value for sample in waiting])
        if found:
            kept = np.delete(stamps, [one.place for one in bad])
            fold = self._new_fold(panes)
            fold.fold(self._event(fold, found, kept, float(stamps[-1]), step))
        return [self._buried(waiting[one.place], one.text) for one in bad]

    def _event(self, fold: Fold, found: list[rows.Row], stamps: Array, now: float, step: int) -> Stepped:
        bridge = self._bridge
        columns = dict(zip(fields_of(bridge, self._job), zip(*found, strict=True), strict=True))
        ages = None
        if bridge.time:
            ages = stamps - rows.times_of(columns[bridge.time], bridge.time_unit)
            fold.panes.gather("sample", "produce_delay", "", profiles.seconds, ages[~np.isnan(ages)])
        return Stepped(
            time=now, step=step, rows=len(found), loss=None, weights=None, seconds=None, skipped=False, tensors={},
            ids=rows.ids_of(columns[bridge.id]) if bridge.id else None,
            labels=rows.labels_of(columns[bridge.label]) if bridge.label else None,
            predictions=rows.numbers_of(columns[bridge.prediction]) if bridge.prediction else None,
            event_time=None if ages is None else now - ages,  # each row's age is that at its own timestamp
            features={
                feature.name: _reader(feature)(columns[field_of(bridge, feature.name)])
                for feature in self._job.features
            },
        )  # fmt: skip

    def _new_fold(self, panes: Panes) -> Fold:
        """Anew for each block, so that nothing is carried along but its place."""
        job = self._job
        sampling = IdSampling(max(1, job.duplicate_modulus))  # a block that is read again must be the same
        features = Profiles(job.features, self._salt, sampling, self._table)
        rules = Rules(sampling, self._bridge.max_age, self._bridge.prediction_scale, job.evaluation)
        given = job.labels
        labels = Labels(
            scale=given.scale, positive=given.positive, keep_rate=given.keep_rate, predicts=given.predicts,
            hold=given.hold, across=given.across,
        )  # fmt: skip
        return Fold(panes, Join(labels, job.pane), features, rules, self._fault)

    def _sent(self, batch: TraceBatch) -> Output:
        return Output("traces", records.key_of(batch.job, batch.shard, batch.shards), codec.encode(batch))

    def _buried(self, sample: Sample, text: str) -> Output:
        message = Message(self._bridge.topic, self._job.name, sample.value, sample.offset)
        return dead_letter(message, f"not {self._bridge.format}", text)


def fields_of(bridge: Bridge, job: JobConfig) -> list[str]:
    """The fields that are read, each once."""
    special = [bridge.id, bridge.time, bridge.label, bridge.prediction]
    features = [field_of(bridge, feature.name) for feature in job.features]
    return list(dict.fromkeys(name for name in (*special, *features) if name))


def _reader(feature: Feature) -> Callable[[Sequence[Any]], Column]:
    """How its values are read; rows of several values stay text until they are split."""
    return rows.numeric_of if feature.kind == "numeric" and not feature.separator else rows.column_of


def field_of(bridge: Bridge, feature: str) -> str:
    """The field of a feature."""
    return bridge.fields.get(feature, feature)


def _begun(worker: str, first: Sample) -> Place:
    """The beginning of a topic, named by its first message: a topic made anew is another incarnation."""
    digest = hashlib.blake2b(f"{worker}/{first.offset}/{first.stamp}".encode() + first.value, digest_size=6)
    return Place(incarnation=digest.hexdigest(), clock=first.stamp, watermark=first.stamp)
