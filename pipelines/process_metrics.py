"""What the running pipeline knows of itself: one value that its own job, `/metrics` and the probes are told from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from streamgauge.anomaly.types import Score
from streamgauge.pipelines.ports import Stored
from streamgauge.pipelines.wire.by_keys import ByKeys
from streamgauge.pipelines.wire.outputs import Counters, PointColumns

SILENT: Final = 3.0  # of its own intervals without a record: a worker is silent, as the operators have it
_BEAT: Final = b"heartbeat_age"
_KEPT: Final = 4_000_000  # bytes of sets of series whose workers' rows are remembered
_ROW_BYTES: Final = 120  # of a worker and its row


class Passed(NamedTuple):
    """What the store writer last saw of one job; times in seconds since the epoch, by the job's clock."""

    counts: Mapping[str, int] = {}  # what became of its records so far
    counted_at: float = -math.inf  # end of the window that the counts are of
    closed: float = -math.inf  # end of its last scored window
    closes: int = 0  # windows scored since the process began
    close_time: float = math.nan  # s from the last window's end to its score; NaN where time comes from a driver
    close_total: float = 0.0  # s over all of them
    scores: Mapping[str, float] = {}  # 0..100 by domain
    silent: tuple[str, ...] = ()  # workers not heard of for three of their intervals, by the last window of the clock
    heard_at: float = -math.inf  # its end


class Consumption(NamedTuple):
    """One consumer of the process."""

    is_alive: bool
    failures: int  # in a row


class Delivery(NamedTuple):
    """One notifier since the process began."""

    sent: int
    failed: int  # given up
    attempts: int  # at the one that is not delivered yet


class ProcessMetrics(NamedTuple):
    """One look at the whole process."""

    time: float
    unready: tuple[str, ...]  # why it is not ready
    lags: Mapping[str, int]  # messages that wait for each consumer
    consumers: Mapping[str, Consumption]
    notifiers: Mapping[str, Delivery]
    dead: Mapping[str, int]  # dead letters by reason
    jobs: Mapping[str, Passed]
    state: Mapping[str, int]  # bytes that each consumer committed last
    disk: Mapping[str, int]  # bytes of the embedded log and store
    clients: int  # pages that follow the stream of events
    store: Mapping[str, int] = {}  # of one that sends on: lines waiting, sent, rejected; bytes that wait
    held: Mapping[str, int] = {}  # bytes in caches and queues
    connections: Mapping[str, int] = {}  # to the HTTP surface: open, refused, evicted


class Passage:
    """Notes what passes the store writer, by job; one thread writes, any may read `jobs`.

    Args:
        names: the watched jobs; what others put on our topics is left out.
        now: wall time, None where the jobs' time is a driver's.
    """

    def __init__(self, names: Iterable[str], now: Callable[[], float] | None) -> None:
        self._now = now
        self._beats = ByKeys[bytes, tuple[tuple[str, int], ...]](_KEPT)  # where workers' ages lie
        self.jobs = {name: Passed() for name in names}

    @property
    def held_bytes(self) -> int:
        """Of what is remembered of series. Any thread may ask."""
        return self._beats.bytes

    def note(self, record: Stored) -> None:
        """A record is in the store."""
        if isinstance(record, Counters) and record.job in self.jobs:
            job = self.jobs[record.job]
            if record.time >= job.counted_at:
                self.jobs[record.job] = job._replace(counts=record.counts, counted_at=record.time)
        elif isinstance(record, Score) and record.job in self.jobs:
            self.jobs[record.job] = self._scored(self.jobs[record.job], record)
        elif isinstance(record, PointColumns) and record.job in self.jobs and not record.revision:
            self.jobs[record.job] = self._heard(self.jobs[record.job], record)

    def _heard(self, job: Passed, record: PointColumns) -> Passed:
        """Who is silent by this window; a window of very many series comes in parts."""
        beats = self._beats_of(record.keys)
        if not beats or record.end < job.heard_at:
            return job
        ages, intervals = record.column("value"), record.column("floor")
        silent = [worker for worker, row in beats if ages[row] > SILENT * intervals[row]]
        before = job.silent if record.end == job.heard_at else ()
        return job._replace(silent=(*before, *silent), heard_at=record.end)

    def _beats_of(self, keys: bytes) -> tuple[tuple[str, int], ...]:
        if _BEAT not in keys:
            return ()
        found = self._beats.get(keys)
        if found is None:
            rows = enumerate(msgspec.msgpack.decode(keys))
            found = tuple((worker, row) for row, (worker, _, _, metric) in rows if worker and metric == "heartbeat_age")
            self._beats.keep(keys, found, len(keys) + _ROW_BYTES * len(found))
        return found

    def _scored(self, job: Passed, score: Score) -> Passed:
        if score.revision or score.end < job.closed:
            return job
        scores = {**job.scores, score.domain: score.value}
        if score.end == job.closed:
            return job._replace(scores=scores)
        took = math.nan if self._now is None else max(0.0, self._now() - score.end)
        return job._replace(
            scores=scores, closed=score.end, closes=job.closes + 1, close_time=took,
            close_total=job.close_total + (0.0 if math.isnan(took) else took),
        )  # fmt: skip


def disk_bytes(folder: Path) -> dict[str, int]:
    """Bytes of the embedded log and store in a data folder, each with its write-ahead file."""
    return {
        name: sum(file.stat().st_size for end in ("", "-wal") if (file := folder / f"{name}.db{end}").is_file())
        for name in ("log", "store")
    }
