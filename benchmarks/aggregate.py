"""Records of 500 points to closed windows, against the bare numpy loop over the same arrays, in one run on one core.

100 workers with the same 100 tensors (10,000 series), points shuffled, one tumbling window. The bare loop decodes a
record, applies five `ufunc.at` updates with its u2 index, and stops there. Ours deduplicates, follows membership and
watermarks, folds panes and closes windows (`aggregate windows`), and evaluates, judges and scores them (`aggregate`).
Times are the process's CPU time, the median of interleaved rounds.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec
import numpy as np

from benchmarks import aggregate_features
from benchmarks.rows import Row, cheaper, reading
from streamgauge.pipelines.config.schema import JobConfig, WindowSpec
from streamgauge.pipelines.metrics import Report
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.pipelines.wire.outputs import Change
from streamgauge.tracer import codec
from streamgauge.tracer.records import Feedback, Name, Setting, Tick, TraceBatch

WORKERS: Final = 100
NAMES: Final = 100  # of each worker: 10,000 series
POINTS: Final = 500
RECORDS: Final = 10  # of each worker and pane: 50,000 points a second of stream time
WARM: Final = 8  # panes before the clock starts: everybody is known and a window was closed
PANE: Final = 10.0
WINDOW: Final = 60.0
START: Final = 1_700_000_040.0
BATCH: Final = 200
TARGET: Final = 0.5
SEED: Final = 20260701


class FoldThrough:
    """A stage 2 that reads every window and says nothing."""

    def __init__(self) -> None:
        self.rows = 0.0

    def on_report(self, report: Report) -> list[msgspec.Struct]:
        """Add up what came."""
        for partial in report.partials:
            self.rows += float(np.frombuffer(partial.columns, "<f8", len(partial.names)).sum())
        return []

    def on_change(self, change: Change) -> list[msgspec.Struct]:
        """Nothing depends on what is told."""
        return [change]

    def on_setting(self, setting: Setting) -> list[msgspec.Struct]:
        """Nothing depends on settings."""
        return []

    def adopt(self, config: JobConfig) -> None:
        """Nothing depends on it."""

    def learn_from(self, state: bytes) -> None:
        """Nothing depends on it."""

    def on_feedback(self, feedback: Feedback) -> list[msgspec.Struct]:
        """Nothing depends on feedback."""
        return []

    def snapshot(self) -> bytes:
        """The rows so far."""
        return msgspec.msgpack.encode(self.rows)

    def restore(self, data: bytes) -> None:
        """The rows so far."""
        self.rows = msgspec.msgpack.decode(data, type=float)


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Records a CPU second of both, and the size of the state over a day of stream time."""
    panes = 6 if args.quick else 12
    warm = [message for pane in range(WARM) for message in pane_log(pane, 1)]
    log = [message for pane in range(WARM, WARM + panes) for message in pane_log(pane, RECORDS)]
    count = sum(isinstance(codec.decode(data), TraceBatch) for data in log)
    rounds = 3 if args.quick else 5
    times = [
        (
            _cpu(bare, log),
            _cpu(feeding(Operator(config(), FoldThrough()), warm), log),
            _cpu(feeding(Operator(config(), Stage2(config())), warm), log),
        )
        for _ in range(rounds)
    ]
    bare_time, fold_time, our_time = (statistics.median(column) / count for column in zip(*times, strict=True))
    yield reading("aggregate bare", bare_time * 1e6, "us/record")
    rival = "decode and five ufunc.at"
    for name, taken in (("aggregate windows", fold_time), ("aggregate", our_time)):
        yield cheaper(name, taken * 1e6, "us/record", bare_time * 1e6, rival)
    yield from aggregate_features.rows(quick=args.quick)
    yield from day(quick=args.quick)


def pane_log(pane: int, records_each: int, sent: int | None = None) -> Iterator[bytes]:
    """All records of one pane, shuffled among workers that have `sent` so many before, and the tick after it."""
    random = np.random.default_rng((SEED, pane))
    start = START + pane * PANE
    sent = pane * records_each if sent is None else sent
    for k in range(records_each):
        for worker in random.permutation(WORKERS).tolist():
            yield record(worker, sent + k + 1, start, random)
    yield codec.encode(Tick(job="bench", time=start + PANE))


def record(worker: int, sequence: int, pane: float, random: np.random.Generator) -> bytes:
    """500 shuffled points of one worker's 100 series."""
    batch = TraceBatch(
        job="bench", worker=f"worker:{worker}", incarnation="a", sequence=sequence, pane=pane, pane_length=PANE,
        interval=PANE, watermark=pane, names=_names(),
        index=random.permutation(np.arange(POINTS) % NAMES).astype("<u2").tobytes(),
        value=random.normal(size=POINTS).astype("<f8").tobytes(),
    )  # fmt: skip
    return codec.encode(batch)


def bare(log: Iterable[bytes]) -> None:
    """What numpy alone would do: decode, and five updates of the worker's own table."""
    tables = {f"worker:{worker}": np.zeros((5, NAMES)) for worker in range(WORKERS)}
    for data in log:
        batch = codec.decode(data)
        if not isinstance(batch, TraceBatch):
            continue
        index, value, _ = codec.points(batch)
        table = tables[batch.worker]
        np.add.at(table[0], index, 1.0)
        np.add.at(table[1], index, 1.0)
        np.add.at(table[2], index, value)
        np.minimum.at(table[3], index, value)
        np.maximum.at(table[4], index, value)


def feeding(operator: Operator, warm: list[bytes]) -> Callable[[list[bytes]], None]:
    """An operator that knows its workers, ready for the same log in batches of a poll."""
    operator.on_records(warm)

    def feed(log: list[bytes]) -> None:
        for at in range(0, len(log), BATCH):
            operator.on_records(log[at : at + BATCH])

    return feed


def config() -> JobConfig:
    """One tumbling window."""
    window = WindowSpec(name="short", kind="short", length=WINDOW, slide=WINDOW)
    return JobConfig(name="bench", windows=(window,), pane=PANE)


def day(*, quick: bool) -> Iterable[Row]:
    """The state after an hour and after a day of stream time: it must not grow."""
    operator = Operator(config(), FoldThrough())
    panes = int((4 if quick else 24) * 3600 / PANE)
    every = 18  # one pane in three minutes has points, so that a day takes seconds; time passes in all
    sizes: list[float] = []
    memory: list[float] = []
    for pane in range(0, panes, every):
        operator.on_records(list(pane_log(pane, 1)))
        if pane * PANE % 3600 == 0:
            sizes.append(len(operator.snapshot()) / 1e6)
            memory.append(_resident())
    for name, values in (("snapshot", sizes), ("memory", memory)):
        yield cheaper(f"aggregate {name}", values[-1], "MB", values[1], "an hour in")


@functools.cache
def _names() -> bytes:
    return codec.encode_names([Name("train", "gradient_norm", f"tensor:{i}") for i in range(NAMES)])


def _resident() -> float:
    """Resident set now, MB: a high-water mark would hide growth below what the timed part used."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def _cpu(work: Callable[[list[bytes]], object], log: list[bytes]) -> float:
    start = time.process_time()
    work(log)
    return time.process_time() - start
