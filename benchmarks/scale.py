"""What 1,000 workers cost on one machine, and whether that grows faster than they do; and one job of 500 in shards.

Each cell is a process of its own that runs all of the embedded pipeline but HTTP and notifiers (operators, combiner,
pager, store writer, snapshots) over the log of WORKERS workers in JOBS jobs, panes of 10 s. What a worker sends is what
a real `Tracer` made of 100 rows of 4 features with labels, and 20 tensors, each pane; making the log's bytes is not
counted. Windows of 60 s, 3 minutes and wall time: the first three minutes fill them and the last two are measured. CPU
is core-seconds a second of stream time, memory is resident above an idle process, state is what a snapshot has, `in` is
the tracers' records and `out` what the pipeline says (each crosses the network twice on Kafka). Growth is the cost of a
worker against that in the cell before with a tenth of the workers: 1 is linear.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import pathlib
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from benchmarks.rows import Row, cheaper, reading
from streamgauge.pipelines.config.schema import Config, Feature, JobConfig, WindowSpec
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.service.replay import replay
from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import Open, Tick, TraceBatch, key_of, shard_of
from streamgauge.tracer.selection import BOOT
from streamgauge.tracer.tracer import Tensor, Tracer
from streamgauge.tracer.transport import MemoryLog, Message

CELLS: Final = ((10, 10), (10, 100), (10, 1_000), (100, 100), (100, 1_000))  # jobs, workers
BIG: Final = 500  # workers of the one job
SHARDS: Final = 8
PANE: Final = 10.0
LONG: Final = 180.0  # seconds of the longest window: the panes of so much time are kept
START: Final = 1_700_000_400.0
FILLED: Final = 19  # panes until every window has closed full
MEASURED: Final = 12
ROWS: Final = 100
FEATURES: Final = tuple(f"f{i}" for i in range(4))
TENSORS: Final = tuple(f"dense_{i}" for i in range(20))
KINDS: Final = 4  # different workers; the others send what one of these does
Costs = dict[str, float]
_UNITS: Final = {
    "cpu": "cores", "memory": "MB", "state": "MB", "in": "MB/s", "out": "MB/s", "store": "MB/h", "records": "1/s",
}  # fmt: skip


class Cell(msgspec.Struct, kw_only=True):
    """How many of what."""

    jobs: int
    workers: int  # of all jobs together
    shards: int = 1
    filled: int = FILLED
    measured: int = MEASURED


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Costs of 1,000 workers in each cell; `--quick`: short windows are filled, the largest cells left out."""
    before: dict[int, Costs] = {}
    for jobs, workers in CELLS:
        if args.quick and workers > 100:
            continue
        costs = _in_process(_cell(args, jobs, workers))
        yield from _rows(f"scale {workers:,} in {jobs}", costs, before.get(jobs), "a tenth of the workers")
        before[jobs] = costs
    big = 100 if args.quick else BIG
    whole, parts = (_in_process(_cell(args, 1, big, shards)) for shards in (1, SHARDS))
    yield from _rows(f"scale {big} in 1", whole, None, "")
    yield from _rows(f"scale {big} in 1, {SHARDS} shards", parts, whole, "one key")


def measure(cell: Cell, folder: pathlib.Path) -> Costs:
    """Costs of all workers of a cell, in this process; its store is left in `folder`."""
    config = config_of(cell, folder)
    for kind in range(KINDS):
        _life(kind)
    idle = _resident()
    log = SyntheticLog(cell, config)
    whole = cell.filled + cell.measured
    begin = START + cell.filled * PANE
    started = sizes = None
    for progress in replay(config, log, assembly.parts_of(config)):
        if started is None and progress.time >= begin:
            started, sizes = time.process_time() - log.spent, _sizes(folder)
            log.taken = 0
    assert started is not None and sizes is not None
    seconds, after = cell.measured * PANE, _sizes(folder)
    fresh = LocalLog(assembly.log_path(config))
    state = sum(len(fresh.committed(name)[1] or b"") for name in ("engine", "combiner", "pager"))
    fresh.close()
    assert log.end("traces") == whole * log.per_pane
    return {
        "cpu": (time.process_time() - log.spent - started) / seconds, "memory": _resident() - idle,
        "state": state / 1e6, "in": log.taken / seconds / 1e6, "out": (after["out"] - sizes["out"]) / seconds / 1e6,
        "store": (after["store"] - sizes["store"]) / seconds * 3600 / 1e6,
        "records": cell.workers / PANE,
    }  # fmt: skip


def config_of(cell: Cell, folder: pathlib.Path) -> Config:
    """The configuration of a cell."""
    windows = (
        WindowSpec(name="short", kind="short", length=60, slide=60),
        WindowSpec(name="long", kind="long", length=LONG, slide=60),
        WindowSpec(name="wall", kind="wall", length=60, slide=60),
    )
    features = tuple(Feature(name=name, kind="numeric") for name in FEATURES)
    jobs = tuple(
        JobConfig(name=f"job{i}", pane=PANE, tick=PANE, windows=windows, features=features, shards=cell.shards,
                  max_series=200_000)
        for i in range(cell.jobs)
    )  # fmt: skip
    return Config(data=str(folder), clock="log", console=False, jobs=jobs)


class SyntheticLog(MemoryLog):
    """`traces` of all jobs, made as they are read; `spent` is the CPU time that took, `taken` the bytes read."""

    def __init__(self, cell: Cell, config: Config) -> None:
        super().__init__()
        self.spent, self.taken = 0.0, 0
        self._panes, self._shards = cell.filled + cell.measured, cell.shards
        share = cell.workers // cell.jobs
        self._places = [(job.name, number) for job in config.jobs for number in range(share)]
        self._keys = [(job.name, shard) for job in config.jobs for shard in range(cell.shards)]
        self.per_pane = len(self._places) + len(self._keys) * (2 if cell.shards > 1 else 1)

    def end(self, log: str) -> int:
        """How many there are in all."""
        return self._panes * self.per_pane

    def read(self, log: str, offset: int, limit: int) -> list[Message]:
        """Up to `limit` messages of a log from `offset` on."""
        started = time.process_time()
        messages = [
            Message("traces", *self._message(*divmod(at, self.per_pane)), at)
            for at in range(offset, min(offset + limit, self.end(log)))
        ]
        self.taken += sum(len(message.value) for message in messages)
        self.spent += time.process_time() - started
        return messages

    def _message(self, pane: int, at: int) -> tuple[str, bytes]:
        """Key and value: workers first, then each key's tick and, of a sharded job, its opening."""
        record: TraceBatch | Tick | Open
        if at < len(self._places):
            job, number = self._places[at]
            worker = f"worker:{number}"
            shard = shard_of(worker, self._shards) if self._shards > 1 else 0
            record = msgspec.structs.replace(
                _life(number % KINDS)[pane], job=job, worker=worker, shard=shard, shards=self._shards
            )
        else:
            kind, key = divmod(at - len(self._places), len(self._keys))
            job, shard = self._keys[key]
            record = (
                Open(job=job, shard=shard, shards=self._shards, start=START) if kind
                else Tick(job=job, shard=shard, time=START + (pane + 1) * PANE)
            )  # fmt: skip
        return key_of(job, shard, self._shards), codec.encode(record)


@functools.cache
def _life(kind: int) -> Sequence[TraceBatch]:
    """All records of one worker's life, one a pane."""
    random, sent, now = np.random.default_rng((1, kind)), MemoryLog(), START
    tracer = Tracer(
        "job", f"kind:{kind}", sent, clock=lambda: now, pane=PANE, features=dict.fromkeys(FEATURES, "numeric"),
        incarnation="a", usage=False, select=[msgspec.structs.replace(one, every=1) for one in BOOT],
    )  # fmt: skip
    found: list[TraceBatch] = []
    for pane in range(FILLED + MEASURED):
        now = START + pane * PANE + 5
        ids = np.arange(ROWS) + pane * ROWS
        tracer.observe(dict(zip(FEATURES, random.normal(size=(len(FEATURES), ROWS)), strict=True)), ids=ids)
        labels, predictions = (random.random(ROWS) < 0.1).astype(float), random.random(ROWS) * 0.2
        tracer.label(ids, labels)
        tensors = {name: Tensor(gradient=random.normal(size=64)) for name in TENSORS}
        loss = float(random.gamma(2.0))
        tracer.step(loss, ids=ids, labels=labels, predictions=predictions, tensors=tensors, seconds=0.05)
        now = START + (pane + 1) * PANE
        tracer.idle()
        tracer.flush()
        found += map(_batch, sent.read("traces", pane, 1))
    return found


def _batch(message: Message) -> TraceBatch:
    record = codec.decode(message.value)
    assert isinstance(record, TraceBatch)
    return record


def _sizes(folder: pathlib.Path) -> Mapping[str, float]:
    """Bytes said so far, and of the store."""
    path = folder / "log.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as log:
        said = log.execute("SELECT sum(length(value) + length(key)) FROM messages").fetchone()[0]
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'store.db'}?mode=ro", uri=True)) as store:
        pages, size = (store.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return {"out": float(said or 0), "store": float(pages * size)}


def _resident() -> float:
    """Resident set now, MB."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def _cell(args: argparse.Namespace, jobs: int, workers: int, shards: int = 1) -> Cell:
    filled, measured = (7, 6) if args.quick else (FILLED, MEASURED)
    return Cell(jobs=jobs, workers=workers, shards=shards, filled=filled, measured=measured)


def _in_process(cell: Cell) -> Costs:
    """Costs of 1,000 workers, from a process of its own, so that memory is this cell's."""
    command = [sys.executable, "-m", "benchmarks.scale", msgspec.json.encode(cell).decode()]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    costs: Costs = json.loads(said.splitlines()[-1])
    return {name: cost * 1_000 / cell.workers for name, cost in costs.items()}


def _rows(name: str, costs: Costs, before: Costs | None, rival: str) -> Iterable[Row]:
    for cost, unit in _UNITS.items():
        if before and before[cost]:
            yield cheaper(f"{name} {cost}", costs[cost], unit, before[cost], rival)
        else:
            yield reading(f"{name} {cost}", costs[cost], unit)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="streamgauge-scale-") as name:
        print(json.dumps(measure(msgspec.json.decode(sys.argv[1], type=Cell), pathlib.Path(name))))
