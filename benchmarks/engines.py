"""Points per CPU second of each engine, from a real Kafka topic to stored scores, each against its rival in one run.

Ours is all of `streamgauge run --engine ...` and what it starts (JVM, Python workers), on one core: consuming,
decoding, folding, closing windows, evaluating and scoring 10,000 series, sending the outputs to Kafka, reading
them again, judging them and writing them to the embedded store, snapshots and offsets too. 100 workers send
records of 500 points, 300,000 points in a second of stream time, and windows have 60 s. The whole log lies in the
topic before the engine starts, as it does for the rivals: an engine that waits for its log would be charged for
waiting. The clock starts when the score of the first dense window is stored (imports, JVM and JIT are warm) and
stops when that of the last one is, both with more to be read. The rivals are in `benchmarks.rivals`; none stores
anything. CPU time is that of process trees, so other load on the machine disturbs it less than wall time; `busy`
tells how much of its core an engine used, `load` how much others wanted. The targets: embedded 0.5 of bare consume,
decode and five `ufunc.at`; Faust 100 times a stock Table; Flink 2 times Flink SQL. What a window costs does not
depend on its points, so a slower stream gives a lower rate; see `docs/scaling.md`.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from benchmarks import aggregate, cpu, hosted, rivals
from benchmarks.aggregate import WORKERS
from benchmarks.rows import Row, faster, reading
from streamgauge.pipelines.adapters.kafka.bus import KafkaBus
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.config.schema import Kafka
from tests.pipelines.adapters.kafka import world
from tests.servers.kafka import KafkaServers

RIVALS: Final = {
    "embedded": ("bare", "consume, decode, five ufunc.at"),
    "faust": ("faust", "stock Faust Table, a point a message"),
    "flink": ("sql", "Flink SQL TUMBLE, a row a point"),
}
WARM: Final = 12  # panes: two windows
_SPARSE: Final = 10  # records of each worker in those panes, and in the others:
_DENSE: Final = 60
_WINDOW: Final = int(aggregate.WINDOW / aggregate.PANE)  # panes
_TAIL: Final = 4  # panes behind the last window that is measured: its score is stored while others are read
_JOB: Final = """
[[jobs]]
name = "bench"
pane = 10
tick = 10

[[jobs.windows]]
name = "short"
kind = "short"
length = 60
slide = 60
"""


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Each engine's rate and its rival's, medians over interleaved rounds."""
    rounds, windows, rows, messages = (1, 1, 1_000_000, 6_000) if args.quick else (2, 5, 2_000_000, 12_000)
    with tempfile.TemporaryDirectory(prefix="streamgauge-engines-") as name, hosted.broker(pathlib.Path(name)) as kafka:
        bench = Bench(kafka, pathlib.Path(name), windows)
        small = bench.rows("json", messages, messages // 4, json=True)
        large = bench.rows("raw", rows, 0, json=False)
        for engine in hosted.ENGINES:
            rates = [bench.round(engine, small if engine == "faust" else large) for _ in range(rounds)]
            ours, busy, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
            rival, words = RIVALS[engine]
            yield reading(f"engines rival {rival}", theirs, "points/cpu-s")
            yield faster(f"engines {engine}", ours, "points/cpu-s", theirs, words)
            yield reading(f"engines {engine} busy", busy, "of a core")


class Bench:
    """Contenders on one broker; `windows` are measured, behind the first dense one."""

    def __init__(self, servers: KafkaServers, folder: pathlib.Path, windows: int) -> None:
        self._servers, self._folder, self._windows, self._number = servers, folder, windows, 0

    def rows(self, topic: str, count: int, warm: int, *, json: bool) -> rivals.Task:
        """A topic with one message a point."""
        task = rivals.Task(
            bootstrap=self._servers.bootstrap, topic=topic, warm=warm, until=count, jar=str(hosted.connector()),
            folder=str(self._folder / "rival"),
        )  # fmt: skip
        self._servers.create(topic, rivals.few(topic), retention_ms="-1")
        rivals.send_rows(task, json=json)
        return task

    def round(self, engine: str, rows: rivals.Task) -> tuple[float, float, float]:
        """Points per CPU second of the engine, how much of its core it used meanwhile, and its rival's points."""
        self._number += 1
        kafka = world.topics(self._servers, partitions=1)
        folder = self._folder / f"{engine}-{self._number}"
        folder.mkdir()
        with world.bus(kafka, folder) as bus:
            count = self._send(bus)
        rate, busy = self._ours(engine, kafka, folder)
        same = msgspec.structs.replace(rows, topic=f"{kafka.prefix}traces", warm=WARM * _SPARSE * WORKERS, until=count)
        theirs = _theirs(RIVALS[engine][0], same if engine == "embedded" else rows)
        self._servers.delete(f"{kafka.prefix}traces")  # gigabytes
        return rate, busy, theirs

    def _send(self, bus: KafkaBus) -> int:
        """The whole log; how many records it has."""
        each = [_SPARSE] * WARM + [_DENSE] * ((1 + self._windows) * _WINDOW + _TAIL)
        for number, records_each in enumerate(each):
            log = aggregate.pane_log(number, records_each, sum(each[:number]))
            bus.send([("traces", "bench", data) for data in log])
        return sum(each) * WORKERS

    def _ours(self, engine: str, kafka: Kafka, folder: pathlib.Path) -> tuple[float, float]:
        config = folder / "streamgauge.toml"
        config.write_text('clock = "log"' + hosted.head(engine, folder, kafka.bootstrap, kafka.prefix) + _JOB)
        panes = self._windows * _WINDOW
        with hosted.running(config) as process:

            def at(pane: int) -> tuple[float, float]:
                end = aggregate.START + pane * aggregate.PANE
                hosted.until(lambda: stored(folder) >= end, process, f"the score of {end:g}")
                return cpu.tree(process.pid), time.monotonic()

            first, last = at(WARM + _WINDOW), at(WARM + _WINDOW + panes)
        taken, passed = last[0] - first[0], last[1] - first[1]
        return panes * WORKERS * _DENSE * aggregate.POINTS / taken, taken / passed


def stored(folder: pathlib.Path, job: str = "bench") -> float:
    """The end of the job's last window whose score is in the store of a data folder."""
    path = folder / "store.db"
    if not path.exists():
        return 0.0
    query = SqliteQuery(path)
    try:
        return max((float(line["end"]) for line in query.scores(job, 0.0, 1e12, 1)), default=0.0)
    finally:
        query.close()


def _theirs(rival: str, task: rivals.Task) -> float:
    command = [sys.executable, "-m", "benchmarks.rivals", rival, msgspec.json.encode(task).decode()]
    said = subprocess.run(cpu.pinned(command), stdout=subprocess.PIPE, text=True, check=True)
    rate = re.search(r"^rate (\S+)$", said.stdout, re.MULTILINE)  # a JVM talks there, too
    if rate is None:
        raise RuntimeError(f"the rival {rival} ended without a rate: {said.stdout[-2000:]}")
    return float(rate[1])
