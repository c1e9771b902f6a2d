"""A file of rows as a reference for a job: played through the job's own operators, window by window.

Rows are gathered by hour of the local day and cut into windows of enough rows each. Rows without times stand for every
hour of a week. Only what does not depend on how many rows there are becomes normal: shares and sizes of features and
labels, never rates, delays or counts; a file is seldom the whole stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.config.calendar import moment, slots
from streamgauge.pipelines.config.schema import DAY, HOUR, JobConfig, WindowSpec
from streamgauge.pipelines.stream.distributions import KEPT
from streamgauge.pipelines.stream.operators import Operator, Stage2
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.given import History, Labels, SketchKey
from streamgauge.tracer import codec
from streamgauge.tracer.joins import Labels as Join
from streamgauge.tracer.records import Sketch, Tick, TraceBatch
from streamgauge.tracer.summaries import merge_sketches
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

WEEK: Final = 7 * DAY
ENOUGH: Final = 500  # rows of a window: the least evidence that any metric of a feature wants
PARTS: Final = 6  # windows of an hour at most: the wobble from one to the next is known after a few
LABELS: Final = frozenset({"label_rate", "invalid_labels"})
SIZES: Final = frozenset({"distinct", "min", "max"})  # depend on how many rows a window has
_NOON: Final = 20_000 * DAY + DAY / 2  # when the play begins; any time would do
_WORKER: Final = "file"


class Rows(NamedTuple):
    """What a file has for a job, every column of shape [rows]."""

    features: Mapping[str, Any]
    labels: Any | None = None
    times: NDArray[np.float64] | None = None  # seconds since the epoch, NaN unknown


class Played(NamedTuple):
    """A file as a reference."""

    histories: list[History]
    sketches: dict[SketchKey, tuple[bytes, ...]]
    days: float  # of history


class Group(NamedTuple):
    """The rows of one window, and where it begins."""

    start: float
    rows: NDArray[np.int64]


def play(rows: Rows, job: JobConfig, now: float, salt: bytes = b"") -> Played:
    """The reference that these rows are for a job at `now`: as if the file had ended just before, by whole weeks."""
    histories, sketches, starts = [], list[Sketch](), [now]
    for spec in job.windows:
        if spec.kind == "wall" or spec.scope == "worker":
            continue
        groups = list(_groups(rows, spec, job, now))
        labels, values, found = _values(groups, rows, spec, job, salt)
        histories.append(History(spec.name, labels, np.array([group.start for group in groups]), values))
        starts += [group.start for group in groups]
        sketches = sketches or found
    kept = {(one.kind, one.clock, one.name, one.entity): tuple(map(bytes, one.columns)) for one in sketches}
    return Played(_spread(histories, rows, job, now), {key: kept[key] for key in kept if key[:3] in KEPT},
                  max(1.0, round((now - min(starts)) / DAY)) if rows.times is not None else 7.0)


def _groups(rows: Rows, spec: WindowSpec, job: JobConfig, now: float) -> Iterator[Group]:
    """Windows in the order of time, each of enough rows where there are that many."""
    if rows.times is None:
        size = len(next(iter(rows.features.values())))
        count = int(np.clip(size // ENOUGH, 1, 7 * PARTS))
        yield from (Group(float(i), part) for i, part in enumerate(np.array_split(np.arange(size), count)))
        return
    known = np.flatnonzero(np.isfinite(rows.times))
    known = known[np.argsort(rows.times[known], kind="stable")]
    times = rows.times[known]
    times = times + np.floor((now - times[-1]) / WEEK) * WEEK
    size = max(HOUR, spec.length)
    first = _midnight(float(times[0]), spec, job)
    slot = np.floor((times - first) / size).astype(np.int64)
    for one in np.unique(slot).tolist():
        mine = known[slot == one]
        count = int(np.clip(len(mine) // ENOUGH, 1, min(PARTS, size // spec.length)))
        for i, part in enumerate(np.array_split(mine, count)):
            yield Group(first + one * size + i * spec.length, part)


def _midnight(time: float, spec: WindowSpec, job: JobConfig) -> float:
    """The begin of the local day."""
    hour = np.floor(time / HOUR) * HOUR
    whole = msgspec.structs.replace(spec, slide=HOUR, length=HOUR)
    return float(hour - moment(float(hour), whole, job.timezone).slot * HOUR)


def _spread(histories: list[History], rows: Rows, job: JobConfig, now: float) -> list[History]:
    """Windows without times over every hour of the week before `now`; others as they are."""
    if rows.times is not None:
        return histories
    specs = {spec.name: spec for spec in job.windows}
    return [_over_a_week(one, specs[one.window], now) for one in histories]


def _over_a_week(one: History, spec: WindowSpec, now: float) -> History:
    """Each day has its own part of the windows, and every slot of it that whole part."""
    size = max(HOUR, spec.slide)
    last = np.floor(now / size) * size
    parts = np.array_split(np.arange(len(one.starts)), min(7, len(one.starts)))
    at, places = list[float](), list[int]()
    for i in range(7 * slots(spec)):
        start = last - WEEK + i * (WEEK / 7 / slots(spec))
        mine = parts[int(i // slots(spec)) % len(parts)][: max(1, int(size // spec.length))]
        at += [start + k * spec.length for k in range(len(mine))]
        places += mine.tolist()
    return History(one.window, one.labels, np.array(at), one.values[places])


def _values(
    groups: Sequence[Group], rows: Rows, spec: WindowSpec, job: JobConfig, salt: bytes
) -> tuple[tuple[Labels, ...], NDArray[np.float64], list[Sketch]]:
    """The job's values of each window, [windows, series], and the summaries of all of them."""
    alone = msgspec.structs.replace(spec, slide=spec.length)
    played = msgspec.structs.replace(
        job, windows=(alone,), shards=1, timezone="UTC", holidays=(), limits=(), tick=spec.length, max_hold=None,
    )  # fmt: skip
    first = np.ceil(_NOON / spec.length) * spec.length
    batches = list(_recorded(groups, rows, played, first, spec.length, salt))
    operator = Operator(played, Stage2(played))
    columns: list[dict[Labels, float]] = [{} for _ in groups]
    for output in operator.on_records([*batches, _tick(played, first + (len(groups) + 2) * spec.length)]):
        if output.topic == "scores":
            _note(outputs.decode(output.value), first, spec.length, columns)
    labels = tuple(sorted({label for one in columns for label in one}))
    values = np.array([[one.get(label, np.nan) for label in labels] for one in columns]).reshape(len(groups), -1)
    sketches = [sketch for data in batches for sketch in _sketches(data)]
    return labels, values, list(merge_sketches(sketches))


def _recorded(
    groups: Sequence[Group], rows: Rows, job: JobConfig, first: float, length: float, salt: bytes
) -> Iterator[bytes]:
    """The records of a worker that trains on one window's rows after the other."""
    now, log = first, MemoryLog()
    labels = Join(scale=job.labels.scale, positive=job.labels.positive)
    tracer = Tracer(
        job.name, _WORKER, log, clock=lambda: now, pane=job.pane, features=job.features, labels=labels, salt=salt,
        modulus=job.duplicate_modulus, usage=False, incarnation="1",
    )  # fmt: skip
    for i, group in enumerate(groups):
        now = first + i * length + min(length, job.pane) / 2
        features = {name: column[group.rows] for name, column in rows.features.items()}
        known = None if rows.labels is None else rows.labels[group.rows]
        tracer.step(features=features, labels=known, rows=len(group.rows))
        tracer.flush()
    now = first + len(groups) * length
    tracer.idle()
    tracer.close()
    yield from (message.value for message in log.read("traces", 0, log.end("traces")))


def _tick(job: JobConfig, time: float) -> bytes:
    return codec.encode(Tick(job=job.name, time=time))


def _note(record: Any, first: float, length: float, columns: list[dict[Labels, float]]) -> None:
    """Keep the job's own values of features and labels of a window that was played."""
    if not isinstance(record, outputs.PointColumns):
        return
    place = round((record.start - first) / length)
    if not 0 <= place < len(columns):
        return
    for label, value in zip(msgspec.msgpack.decode(record.keys), np.frombuffer(record.value, "<f8"), strict=True):
        worker, _, entity, metric = label
        is_of_rows = entity.startswith("feature:") and metric not in SIZES
        if not worker and (is_of_rows or metric in LABELS) and np.isfinite(value):
            columns[place][tuple(label)] = float(value)


def _sketches(data: bytes) -> Sequence[Sketch]:
    record = codec.decode(data)
    return record.sketches if isinstance(record, TraceBatch) else ()
