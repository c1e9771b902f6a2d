"""A file of rows as a reference for a job: played through the job's own operators, window by window.

Only what does not depend on how many rows there are becomes normal: shares and sizes of features and
labels, never rates, delays or counts; a file is seldom the whole stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.config.schema import DAY, JobConfig, WindowSpec
from streamgauge.pipelines.service.reference_windows import Index, cut, days, enough
from streamgauge.pipelines.stream.distributions import KEPT
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire import outputs
from streamgauge.pipelines.wire.given import History, Labels, SketchKey
from streamgauge.tracer import codec
from streamgauge.tracer.labels import Labels as Join
from streamgauge.tracer.records import Sketch, Tick, TraceBatch
from streamgauge.tracer.summaries import merge_sketches
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

LABELS: Final = frozenset({"label_rate", "label_number", "invalid_labels"})
SIZES: Final = frozenset({"distinct", "min", "max", "iv", "iv_seed"})  # depend on how many rows a window has
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
    told: str  # what is told apart, in words


def play(rows: Rows, job: JobConfig, now: float, salt: bytes = b"") -> Played:
    """The reference that these rows are for a job at `now`, as if the file had just ended."""
    histories, sketches, told = [], list[Sketch](), ""
    size, least = len(next(iter(rows.features.values()))), enough(rows.labels)
    for spec in job.windows:
        if spec.kind == "wall" or spec.scope == "worker":
            continue
        found = cut(rows.times, size, least, spec, job, now)
        labels, values, folded = _values(found.windows, rows, spec, job, salt)
        histories.append(History(spec.name, labels, found.starts, values[found.places]))
        sketches, told = sketches or folded, told or found.told
    kept: dict[SketchKey, tuple[bytes, ...]] = {
        (one.kind, one.clock, one.name, one.entity): tuple(map(bytes, one.columns))
        for one in sketches if (one.kind, one.clock, one.name) in KEPT
    }  # fmt: skip
    return Played(histories, kept, days(rows.times, size, least), told)


def _values(
    windows: Sequence[Index], rows: Rows, spec: WindowSpec, job: JobConfig, salt: bytes
) -> tuple[tuple[Labels, ...], NDArray[np.float64], list[Sketch]]:
    """The job's values of each window, [windows, series], and the summaries of all of them."""
    alone = msgspec.structs.replace(spec, slide=spec.length)
    played = msgspec.structs.replace(
        job, windows=(alone,), shards=1, timezone="UTC", holidays=(), limits=(), tick=spec.length, max_hold=None,
    )  # fmt: skip
    first = float(np.ceil(_NOON / spec.length) * spec.length)
    batches = list(_recorded(windows, rows, played, first, spec.length, salt))
    operator = Operator(played, Stage2(played))
    columns: list[dict[Labels, float]] = [{} for _ in windows]
    for output in operator.on_records([*batches, _tick(played, first + (len(windows) + 2) * spec.length)]):
        if output.topic == "scores":
            _note(outputs.decode(output.value), first, spec.length, columns)
    labels = tuple(sorted({label for one in columns for label in one}))
    values = np.array([[one.get(label, np.nan) for label in labels] for one in columns]).reshape(len(windows), -1)
    sketches = [sketch for data in batches for sketch in _sketches(data)]
    return labels, values, list(merge_sketches(sketches))


def _recorded(
    windows: Sequence[Index], rows: Rows, job: JobConfig, first: float, length: float, salt: bytes
) -> Iterator[bytes]:
    """The records of a worker that trains on one window's rows after the other."""
    now, log = first, MemoryLog()
    labels = Join(scale=job.labels.scale, positive=job.labels.positive)
    tracer = Tracer(
        job.name, _WORKER, log, clock=lambda: now, pane=job.pane, features=job.features, labels=labels, salt=salt,
        modulus=job.duplicate_modulus, usage=False, incarnation="1",
    )  # fmt: skip
    for i, mine in enumerate(windows):
        now = first + i * length + min(length, job.pane) / 2
        features = {name: column[mine] for name, column in rows.features.items()}
        known = None if rows.labels is None else rows.labels[mine]
        tracer.step(features=features, labels=known, rows=len(mine))
        tracer.flush()
    now = first + len(windows) * length
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
