"""Sharded jobs: what a shard ships on `partials`, and the `Combiner` that makes one job of its shards again.

Shard 0's numbers give the order: a window closes when every shard has reported it or a later one of its kind, whatever
order the reports came in. Workers are disjoint between shards, so a merge is a sort by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, Final

import msgspec
import numpy as np

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream import serving_age
from streamgauge.pipelines.stream.emitting import Emission, evaluate
from streamgauge.pipelines.stream.one_report import merge, revise, typed_report
from streamgauge.pipelines.stream.pieces import Piece, collect, cut
from streamgauge.pipelines.stream.reported import put_report, taken_reports
from streamgauge.pipelines.stream.stages import Stage2
from streamgauge.pipelines.stream.state import RING, Emitted, Job
from streamgauge.pipelines.wire import outputs, states
from streamgauge.pipelines.wire.outputs import Change, Counters, DeadLetter, Output
from streamgauge.pipelines.wire.rows import (
    Rows,
    below,
    decoded,
    encoded,
    packed,
    part_of,
    put_state,
    take_state,
    unpacked,
)
from streamgauge.tracer import codec
from streamgauge.tracer.records import Feedback, Setting

VERSION: Final = 1
MAX_COUNTERS: Final = 64  # times for which counters of some shards are waited for
MAX_PUSHES: Final = 1024  # that wait for their shard's next report


class Forward(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What a shard says beside its reports; `after` is the number of its last report when it said so."""

    version: int = VERSION
    job: str
    shard: int
    number: int
    after: int
    is_record: bool  # `data` is a record of the log (a setting, feedback), else one of `pipelines.wire.outputs`
    data: bytes
    shards: int = 0  # of the job when it was said; 0: by a release that did not say


_WHOLE: Final = outputs.kinds_of(Report)
KINDS: Final = _WHOLE | outputs.kinds_of(Forward, Piece)


def ship(job: Job, item: Emitted) -> list[Output]:
    """One thing that a shard says; settings and feedback are in every shard's log, shard 0 passes them on."""
    if isinstance(item, DeadLetter):
        return [Output("dead-letters", job.config.name, outputs.encode(item))]
    if isinstance(item, Report):
        return [Output("partials", job.config.name, data) for data in cut(item)]
    is_record = isinstance(item, Setting | Feedback)
    if is_record and job.shard:
        return []
    job.number += 1
    data = codec.encode(item) if isinstance(item, Setting | Feedback) else outputs.encode(item)
    forward = Forward(
        job=job.config.name, shard=job.shard, number=job.number, after=job.reports, is_record=is_record, data=data,
        shards=job.config.shards,
    )  # fmt: skip
    return [Output("partials", job.config.name, outputs.encode(forward))]


class Inbox(msgspec.Struct, array_like=True):
    """What one shard has said and was not used yet."""

    number: int = 0  # last report taken
    forwarded: int = 0  # last forward taken
    reports: list[Report] = []
    ends: dict[int, float] = {}  # by kind of window: the end of the last report
    pieces: list[Piece] = []  # of the next report, as far as they have come


class _Head(msgspec.Struct, array_like=True):
    version: int
    number: int
    inboxes: list[Inbox]  # without reports and pieces
    waiting: list[Forward]
    counters: dict[float, dict[int, Counters]]
    pushes: list[Forward] = []


class Combiner:
    """Stage 2 of a sharded job, over `partials`.

    Args:
        config: the job.
        stage2: what evaluates the combined windows.
    """

    KIND: ClassVar[str] = "combiner"

    def __init__(self, config: JobConfig, stage2: Stage2) -> None:
        self._config = config
        self._stage2 = stage2
        self._emission = Emission(config.name)
        self._inboxes = [Inbox() for _ in range(config.shards)]
        self._waiting: list[Forward] = []  # settings and feedback of shard 0, in order
        self._pushes: list[Forward] = []  # what tells of a push takes its place between its own shard's reports
        self._counters: dict[float, dict[int, Counters]] = {}
        self._rings: dict[int, list[Report]] = {}

    def on_records(self, messages: Sequence[bytes]) -> list[Output]:
        """Take what shards said, in any order between them; what follows, in an order that depends on shard 0 only."""
        sent: list[Output] = []
        with np.errstate(all="ignore"):  # as in the operator: huge values overflow to inf, and are shown so
            for data in messages:
                try:
                    sent += self._take(outputs.decode(data, KINDS))
                except (ValueError, IndexError) as error:
                    sent.append(self._buried(data, str(error)))
        return sent

    def put_rows(self, rows: Rows) -> None:
        """Every row of the state."""
        inboxes = [Inbox(box.number, box.forwarded, [], box.ends, []) for box in self._inboxes]
        rows.put_value("combiner", encoded(
            "combiner head", self._emission.number, inboxes, self._waiting, self._counters,
            *([self._pushes] if self._pushes else []),
        ))  # fmt: skip
        for i, inbox in enumerate(self._inboxes):
            for report in inbox.reports:
                put_report(rows, f"inbox/{i}/{report.number}", report)
            for at, piece in enumerate(inbox.pieces):
                rows.put(f"piece/{i}/{at:06}", partial(encoded, "piece", piece), piece)
        for spec, ring in self._rings.items():
            for report in ring:
                put_report(rows, f"ring/{spec}/{report.end!r}", report)
        put_state(rows, "stage2", self._stage2)

    def take_rows(self, rows: Mapping[str, bytes]) -> None:
        """Continue exactly where the rows were put; after a re-sharding with what was learnt, and new inboxes.

        Raises ValueError where the first row is missing.
        """
        if "combiner" not in rows:
            raise ValueError(f"the state of job {self._config.name!r} has no row 'combiner'")
        head = states.read("combiner head", rows["combiner"], _Head)
        self._emission.number = head.number
        take_state(rows, "stage2", self._stage2)
        if len(head.inboxes) != len(self._inboxes):
            return
        self._inboxes = head.inboxes
        self._waiting, self._counters, self._pushes = head.waiting, head.counters, head.pushes
        for path, report in sorted(taken_reports(rows, "inbox").items(), key=lambda item: item[1].number):
            self._inboxes[int(path.split("/")[0])].reports.append(report)
        for path, value in sorted(below(rows, "piece").items()):
            piece = msgspec.convert(decoded("piece", value)[0], Piece)
            self._inboxes[int(path.split("/")[0])].pieces.append(piece)
        self._rings = {}
        for path, report in sorted(taken_reports(rows, "ring").items(), key=lambda item: item[1].end):
            self._rings.setdefault(int(path.split("/")[0]), []).append(report)

    def snapshot(self) -> bytes:
        """The state as versioned bytes."""
        return packed(self)

    def restore(self, data: bytes) -> None:
        """Continue exactly where `snapshot` was taken; after a re-sharding as `take_rows` does."""
        self.take_rows(unpacked(self.KIND, data))

    def learn_from(self, data: bytes) -> None:
        """Begin with what the sharded job of another name has learnt."""
        learnt = part_of(unpacked(self.KIND, data), "stage2", "second stage")
        if learnt:
            self._stage2.learn_from(learnt)

    def _take(self, item: Report | Forward | Piece) -> list[Output]:
        if item.shards not in (0, len(self._inboxes)):
            raise ValueError(f"said by one of {item.shards} shards, the job has {len(self._inboxes)} now")
        inbox = self._inboxes[item.shard]
        if isinstance(item, Forward):
            if item.number <= inbox.forwarded:
                return []
            inbox.forwarded = item.number
            return self._forwarded(item)
        if item.number <= inbox.number:
            return []
        if isinstance(item, Piece):
            data = collect(inbox.pieces, item)
            return [] if data is None else self._take(outputs.decode(data, _WHOLE))
        inbox.number = item.number
        inbox.reports.append(typed_report(item))
        inbox.ends[item.window] = item.end
        return self._combine()

    def _forwarded(self, item: Forward) -> list[Output]:
        if item.is_record:
            self._waiting.append(item)
            return self._combine()
        said = outputs.decode(item.data)
        if isinstance(said, Counters):
            return self._emission.outputs(self._counted(item.shard, said))
        if isinstance(said, Change) and said.name in serving_age.NAMES:
            self._pushes = [*self._pushes[1 - MAX_PUSHES :], item]
        return self._emission.outputs([said])

    def _counted(self, shard: int, counters: Counters) -> list[Counters]:
        """One sum a time, when all shards have said theirs."""
        of_time = self._counters.setdefault(counters.time, {})
        of_time[shard] = counters
        if len(of_time) < len(self._inboxes):
            for time in sorted(self._counters)[:-MAX_COUNTERS]:
                del self._counters[time]
            return []
        del self._counters[counters.time]
        counts = {name: sum(of_time[i].counts[name] for i in sorted(of_time)) for name in counters.counts}
        return [msgspec.structs.replace(counters, counts=counts)]

    def _combine(self) -> list[Output]:
        """Close what every shard has reported, in shard 0's order."""
        sent: list[Output] = []
        first = self._inboxes[0]
        while True:
            sent += self._apply_records(first.reports[0].number - 1 if first.reports else first.number)
            if not first.reports or not self._is_complete(first.reports[0]):
                return sent
            sent += self._close(first.reports.pop(0))

    def _is_complete(self, report: Report) -> bool:
        return all(inbox.ends.get(report.window, -float("inf")) >= report.end for inbox in self._inboxes)

    def _close(self, report: Report) -> list[Output]:
        """Combine shard 0's report with the others'; what they closed while shard 0 had a gap closes before it."""
        found: list[msgspec.Struct] = []
        others = [self._until(inbox, report) for inbox in self._inboxes[1:]]
        early = sorted({other.end for reports in others for other in reports if other.end < report.end})
        for end in early:
            found += self._combined([other for reports in others for other in reports if other.end == end])
        same = [other for reports in others for other in reports if other.end == report.end]
        found += self._combined([report, *same])
        return self._emission.outputs(found)

    def _until(self, inbox: Inbox, report: Report) -> list[Report]:
        taken = [other for other in inbox.reports if other.window == report.window and other.end <= report.end]
        inbox.reports = [other for other in inbox.reports if other not in taken]
        return taken

    def _combined(self, reports: Sequence[Report]) -> list[msgspec.Struct]:
        self._tell_of_pushes({report.shard: report.number for report in reports})
        merged = merge(reports)
        revised = self._revised(reports)
        ring = self._rings.setdefault(merged.window, [])
        ring.append(msgspec.structs.replace(merged, gap=0))
        del ring[:-RING]
        return evaluate(self._stage2, msgspec.structs.replace(merged, revisions=tuple(revised)))

    def _tell_of_pushes(self, numbers: Mapping[int, int]) -> None:
        """The second stage hears what shards said before their reports of these numbers, whatever came first here."""
        due = [item for item in self._pushes if item.after < numbers.get(item.shard, 0)]
        self._pushes = [item for item in self._pushes if item not in due]
        for item in sorted(due, key=lambda item: (item.shard, item.number)):
            self._stage2.on_change(outputs.decode(item.data))

    def _revised(self, reports: Sequence[Report]) -> list[Report]:
        """The closed windows that some shard revised, with the other shards' shares as they were."""
        revised = []
        ring = self._rings.get(reports[0].window, [])
        for i, closed in enumerate(ring):
            changes = [change for report in reports for change in report.revisions if change.end == closed.end]
            if changes:
                ring[i] = revise(closed, changes)
                revised.append(ring[i])
        return revised

    def _apply_records(self, number: int) -> list[Output]:
        """Settings and feedback take their place between shard 0's reports."""
        sent: list[Output] = []
        while self._waiting and self._waiting[0].after <= number:
            record = codec.decode(self._waiting.pop(0).data)
            if isinstance(record, Setting):
                sent += self._emission.outputs(self._stage2.on_setting(record))
            elif isinstance(record, Feedback):
                sent += self._emission.outputs(self._stage2.on_feedback(record))
        return sent

    def _buried(self, data: bytes, text: str) -> Output:
        identity, key = codec.identity_of(data), self._config.name
        letter = DeadLetter(identity=identity, reason="partial", text=text, topic="partials", key=key, data=data)
        return Output("dead-letters", self._config.name, outputs.encode(letter))
