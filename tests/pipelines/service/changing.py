"""A pipeline on a folder whose configuration changes between two runs: real parts, one thread, a clock of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.config.loading import parse
from streamgauge.pipelines.config.own_job import with_own_job
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.service import assembly
from streamgauge.pipelines.service.run import Service
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.steady import Steady
from streamgauge.tracer.tracer import Tracer

START: Final = 1_700_000_400.0 // 3600 * 3600
PANES: Final = 21  # of 10 s: three windows of a minute and what closes them
IDS: Final = ["a", "b", "c", "d"]


class Folder:
    """One data folder, its workers, and the time in it."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path, START
        self.leap = 0.0  # how far the host's wall clock is off

    def config(self, text: str) -> Config:
        """A configuration of this folder, as `run` would have it."""
        place = f'data = "{self.path}"\nport = 0\nconsole = false\n'
        return with_own_job(parse(place + text))

    def run(self, config: Config, panes: int = PANES) -> Service:
        """Run this configuration while its workers send `panes` panes; the service, stopped."""
        with self.running(config) as service, self.working(config) as workers:
            for pane in range(panes):
                for tracer, columns in workers:
                    self.now += 0.001
                    train(tracer, columns, pane)
                self.now = START + 10.0 * round((self.now - START) / 10.0 + 1.0)
                for tracer, _ in workers:
                    tracer.beat()
                settle(service)
        return service

    @contextmanager
    def running(self, config: Config) -> Iterator[Service]:
        """The process, without threads."""
        clock = Steady(lambda: self.now + self.leap, lambda: self.now)
        parts = assembly.parts_of(config)._replace(now=clock, trim=lambda: None)
        service = Service(config, parts)
        service.engine.begin()
        yield service
        settle(service)
        service.stop()
        for consumer in service.consumers:
            consumer.finish()

    @contextmanager
    def working(self, config: Config) -> Iterator[list[tuple[Tracer, dict[str, Any]]]]:
        """Two workers of each job."""
        log = LocalLog(self.path / "log.db")
        jobs = [job for job in config.jobs if job.name != config.own.name]
        made = [
            (Tracer(job.name, worker, log, clock=lambda: self.now, pane=job.pane, shards=job.shards), columns_of(job))
            for job in jobs for worker in "uv"
        ]  # fmt: skip
        yield made
        for tracer, _ in made:
            tracer.close()
        log.close()

    def scored(self, job: str, since: float) -> list[float]:
        """The ends of the windows that ended after `since` and have a score."""
        query = SqliteQuery(self.path / "store.db")
        found = query.scores(job, since, self.now + 600.0)
        query.close()
        return [row["end"] for row in found if row["domain"] == "overall" and row["end"] > since]

    def dead(self) -> list[tuple[str, str]]:
        """Reason and text of each dead letter."""
        log = LocalLog(self.path / "log.db")
        letters = [outputs.decode(message.value) for message in log.read("dead-letters", 0, 10_000)]
        log.close()
        return [(letter.reason, letter.text) for letter in letters if isinstance(letter, outputs.DeadLetter)]


def columns_of(job: JobConfig) -> dict[str, Any]:
    """A few rows of each of a job's features."""
    return {
        feature.name: np.array([20.0, 30.0, 40.0, 50.0]) if feature.kind == "numeric" else ["x", "y", "x", "z"]
        for feature in job.features
    }


def train(tracer: Tracer, columns: dict[str, Any], pane: int) -> None:
    """One step on four samples."""
    ids = [f"{one}{pane}" for one in IDS]
    tracer.observe(columns, ids=ids, predictions=[0.2, 0.4, 0.6, 0.8])
    tracer.label(ids, [0, 0, 1, 1])
    tracer.step(loss=0.5, ids=ids)


def settle(service: Service) -> None:
    """Let every consumer do all that there is to do, and let the host tick."""
    for _ in range(3):
        while sum(consumer.step() for consumer in service.consumers if consumer.name != "own"):
            pass
