"""Traces as TensorBoard event files, and scalars read from such; the only file that imports TensorBoard.

A run is a worker's incarnation, since TensorBoard takes a step that comes again for a restart of the run. Points carry
no number of their step: those of a record are spread over the steps that it covers, which is exact for what each tells.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.imports.recorded import Curve
from streamgauge.tracer import codec
from streamgauge.tracer.bounds import RecordError
from streamgauge.tracer.read import TracedArray
from streamgauge.tracer.records import TraceBatch
from streamgauge.tracer.reductions import histogram

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")


class Scalar(NamedTuple):
    """One value of one step."""

    run: str
    tag: str
    step: int
    time: float
    value: float


class Board:
    """Writes the runs of one job below a folder. Raises ImportError where TensorBoard is not installed."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.plugins.histogram import metadata as histograms
        from tensorboard.plugins.scalar import metadata as scalars
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
        from tensorboard.util.tensor_util import make_tensor_proto

        self._folder, self._open, self._tensor = folder, EventFileWriter, make_tensor_proto
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        self._scalar = scalars.create_summary_metadata(display_name="", description="")
        self._histogram = histograms.create_summary_metadata(display_name="", description="")
        self._writers: dict[str, Any] = {}
        self.written: Counter[str] = Counter()

    def scalar(self, one: Scalar) -> None:
        """One point."""
        self._put(one.run, one.tag, one.step, one.time, np.float32(one.value), self._scalar)
        self.written["scalars"] += 1

    def array(self, one: TracedArray) -> None:
        """The histogram of a raw array, or one that was sent; nothing of statistics by unit."""
        if one.emit == "units" or not one.array.size:
            return
        bins = one.array if one.emit == "histogram" else histogram(one.array)
        tag = f"{one.collection}/{one.name}"
        self._put(run_of(one.worker, one.incarnation), tag, one.step, one.time, _trimmed(bins), self._histogram)
        self.written["histograms"] += 1

    def close(self) -> None:
        """Everything is in the files."""
        for writer in self._writers.values():
            writer.close()

    def _put(self, run: str, tag: str, step: int, time: float, values: Any, metadata: Any) -> None:
        if run not in self._writers:
            self._writers[run] = self._open(str(self._folder / run))
        summary = self._summary()
        summary.value.add(tag=tag, metadata=metadata, tensor=self._tensor(np.asarray(values)))
        self._writers[run].add_event(self._event(wall_time=time, step=step, summary=summary))


def run_of(worker: str, incarnation: str) -> str:
    """The folder of a run: no name leads out of it.

    >>> run_of("../worker:0", "a1")
    '_worker_0/a1'
    """
    return "/".join(_UNSAFE.sub("_", part).lstrip(".") or "_" for part in (worker, incarnation))


def scalars(job: str, messages: Iterable[bytes]) -> Iterator[Scalar]:
    """What the steps of a job told, out of its records on the topic `traces`; the rest is left out."""
    for message in messages:
        try:
            batch = codec.decode(message)
        except RecordError:
            continue
        if isinstance(batch, TraceBatch) and batch.job == job and batch.step_last:
            yield from _of_batch(batch)


def _of_batch(batch: TraceBatch) -> Iterator[Scalar]:
    names, points = codec.decode_names(batch.names), codec.points(batch)
    run = run_of(batch.worker, batch.incarnation)
    for place in np.unique(points.index).tolist():
        name = names[place]
        if name.clock != "train":
            continue
        values = points.value[points.index == place]
        steps = _spread(len(values), batch.step_first, batch.step_last)
        entity = name.entity.removeprefix("tensor:")
        tag = f"{name.name}/{entity}" if entity else name.name
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            yield Scalar(run, tag, step, batch.pane, value)


def _spread(count: int, first: int, last: int) -> NDArray[np.int64]:
    """Steps of `count` points; the last one is that of the last step."""
    return np.asarray(first - 1 + np.ceil((np.arange(count) + 1) * (last - first + 1) / count), np.int64)


def _trimmed(bins: NDArray[Any]) -> NDArray[np.float64]:
    """Without the empty bins at both ends, which would flatten the picture."""
    used = np.flatnonzero(bins[:, 2] > 0)
    kept = bins[used[0] : used[-1] + 1] if len(used) else bins[:1]
    return np.asarray(kept, np.float64)


def curves(folder: Path) -> Iterator[Curve]:
    """The scalars of all event files below a folder, a run each folder; raises ImportError without TensorBoard."""
    from tensorboard.backend.event_processing import event_file_loader
    from tensorboard.util import tensor_util

    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for path in sorted(folder.rglob("*tfevents*")):
        run = path.parent.relative_to(folder).as_posix()
        for event in event_file_loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    number = float(tensor_util.make_ndarray(value.tensor).reshape(-1)[0])
                    found.setdefault((run, value.tag), []).append((float(event.step), event.wall_time, number))
    for (run, tag), rows in sorted(found.items()):
        table = np.array(sorted(rows), np.float64)
        table = table[np.isfinite(table).all(axis=1)]
        if len(table):
            yield Curve(run, tag, table[:, 0].astype(np.int64), table[:, 1], table[:, 2])
