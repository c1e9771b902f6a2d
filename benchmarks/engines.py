"""Points per CPU second of each engine, from a real Kafka topic to stored scores, each against its rival in one run.

Ours is all of `streamgauge run --engine ...` and what it starts (JVM, Python workers), on one core: consuming,
decoding, folding, closing windows, evaluating and scoring 10,000 series, sending the outputs to Kafka, reading
them again, judging them and writing them to the embedded store, snapshots and offsets too. 100 workers send
records of 500 points, 300,000 points in a second of stream time, and windows have 60 s. The clock starts when
the first windows are stored (imports, JVM and JIT are warm) and stops when the last one is. The rivals are in
`benchmarks.rivals`; none stores anything. CPU time is that of process trees, so other load on the machine
disturbs it less than wall time, and `load` tells how much there was. The targets: embedded 0.5 of bare consume,
decode and five `ufunc.at`; Faust 100 times a stock Table; Flink 2 times Flink SQL. What a window costs does not
depend on its points, so a slower stream gives a lower rate. Embedded misses its target: see `docs/scaling.md`.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np

from benchmarks import aggregate, cpu, hosted, rivals
from pipelines.adapters.sqlite_query import SqliteQuery
from pipelines.config import Kafka
from tests.pipelines.adapters import kafka_world
from tests.servers.kafka import KafkaServers
from tracer import records
from tracer.records import Tick

RIVALS: Final = {
    "embedded": ("bare", "consume, decode, five ufunc.at"),
    "faust": ("faust", "stock Faust Table, a point a message"),
    "flink": ("sql", "Flink SQL TUMBLE, a row a point"),
}
WARM: Final = 13  # panes: two windows are closed
_SPARSE: Final = 10  # records of each worker in those panes, and in the others:
_DENSE: Final = 60
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


def run(args: argparse.Namespace) -> Iterable[dict[str, object]]:
    """Each engine's rate and its rival's, medians over interleaved rounds."""
    rounds, panes, rows, messages = (1, 6, 1_000_000, 6_000) if args.quick else (2, 12, 2_000_000, 12_000)
    with tempfile.TemporaryDirectory(prefix="streamgauge-engines-") as name, hosted.broker(pathlib.Path(name)) as kafka:
        bench = Bench(kafka, pathlib.Path(name), panes)
        small = bench.rows("json", messages, messages // 4, json=True)
        large = bench.rows("raw", rows, 0, json=False)
        for engine in hosted.ENGINES:
            rates = [bench.round(engine, small if engine == "faust" else large) for _ in range(rounds)]
            ours, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
            rival, words = RIVALS[engine]
            yield _row(f"engines rival {rival}", theirs, "", None)
            yield _row(f"engines {engine}", ours, words, ours / theirs)
    yield {"name": "engines load", "value": cpu.load(), "unit": "processes", "rival": "", "ratio": None}


class Bench:
    """Contenders on one broker; of windows `panes` are measured."""

    def __init__(self, servers: KafkaServers, folder: pathlib.Path, panes: int) -> None:
        self._servers, self._folder, self._panes, self._number = servers, folder, panes, 0

    def rows(self, topic: str, count: int, warm: int, *, json: bool) -> rivals.Task:
        """A topic with one message a point."""
        task = rivals.Task(
            bootstrap=self._servers.bootstrap, topic=topic, warm=warm, until=count, jar=str(hosted.connector()),
            folder=str(self._folder / "rival"),
        )  # fmt: skip
        self._servers.create(topic, rivals.few(topic), retention_ms="-1")
        rivals.send_rows(task, json=json)
        return task

    def round(self, engine: str, rows: rivals.Task) -> tuple[float, float]:
        """Points per CPU second of the engine, and of its rival."""
        self._number += 1
        kafka = kafka_world.topics(self._servers, partitions=1)
        rate = self._ours(engine, kafka, self._folder / f"{engine}-{self._number}")
        warm = WARM * aggregate.WORKERS * _SPARSE
        until = warm + self._panes * aggregate.WORKERS * _DENSE
        same = msgspec.structs.replace(rows, topic=f"{kafka.prefix}traces", warm=warm, until=until)
        theirs = _theirs(RIVALS[engine][0], same if engine == "embedded" else rows)
        self._servers.delete(f"{kafka.prefix}traces")  # hundreds of megabytes
        return rate, theirs

    def _ours(self, engine: str, kafka: Kafka, folder: pathlib.Path) -> float:
        folder.mkdir()
        config = folder / "streamgauge.toml"
        config.write_text('clock = "log"' + hosted.head(engine, folder, kafka.bootstrap, kafka.prefix) + _JOB)
        log = Log()
        with hosted.running(config) as process, kafka_world.bus(kafka, folder) as bus:

            def through(panes: int, each: int) -> float:
                for _ in range(panes):
                    bus.send([("traces", "bench", data) for data in log.pane(each)])
                end = log.start - aggregate.PANE
                hosted.until(lambda: stored(folder) >= end, process, f"the score of {end:g}")
                return cpu.tree(process.pid)

            taken = -through(WARM, _SPARSE) + through(self._panes, _DENSE)
        return self._panes * aggregate.WORKERS * _DENSE * aggregate.POINTS / taken


class Log:
    """What the job's workers send, pane by pane; `start` is the next one's."""

    def __init__(self) -> None:
        self.start = aggregate.START
        self._sequence = 0

    def pane(self, each: int) -> Iterator[bytes]:
        """`each` records of every worker, shuffled among them, and the tick after."""
        random = np.random.default_rng(int(self.start))
        for _ in range(each):
            self._sequence += 1
            for worker in random.permutation(aggregate.WORKERS).tolist():
                yield aggregate.record(worker, self._sequence, self.start, random)
        self.start += aggregate.PANE
        yield records.encode(Tick(job="bench", time=self.start))


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
    return float(said.stdout.split()[-1])


def _row(name: str, value: float, rival: str, ratio: float | None) -> dict[str, object]:
    return {"name": name, "value": value, "unit": "points/cpu-s", "rival": rival, "ratio": ratio}
