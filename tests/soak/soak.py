"""One soak: the real pipeline under load, a fault every so often, and at the end the accounts."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from tests.servers.jars import fetch
from tests.soak import accounts, faults, parts
from tests.soak.accounts import Sample
from tests.soak.faults import Scene
from tests.soak.parts import Driver, Fleet, Pipeline, Plan
from tests.soak.worker import JOB

DEMO: Final = 12.0  # stream hours, each a pane of every worker, that the demo replays a second
_LOOK: Final = 1.0
_SHOWN: Final = 10.0
_WELL: Final = (0, -signal.SIGTERM)  # the latter: it was told to end before it had begun
_PATIENT: Final = 3.0  # faults come in time, though nobody answers
_ENDS: Final = ("kill run", "kill engine")  # a life of the pipeline
_QUIET: Final = 0.9  # of the time between two faults, at most, one is held


class Asked(NamedTuple):
    """What a soak is told."""

    seconds: float
    speed: float = 5.0  # times the demo's rate
    engine: str = "embedded"
    brokers: int = 1  # 0: the embedded log
    every: float = 60.0  # seconds between faults
    held: float = 10.0  # seconds that one goes on which lasts
    seed: int = 1
    only: Sequence[str] = ()  # these faults, in this order; none: all, drawn


class Result(NamedTuple):
    """What a soak showed."""

    asked: dict[str, Any]
    faults: list[dict[str, Any]]  # second, name, what was struck, seconds until it was mended
    records: int  # batches of workers on the log
    counts: dict[str, int]
    incarnations: int
    starts: int  # of the pipeline
    most_waiting: int  # messages before the engine
    drained_in: float  # seconds
    memory: float  # most megabytes
    slope: float | None  # megabytes a minute, of a warm pipeline
    disk: float  # most megabytes of state and of what waits
    disk_growth: float | None  # megabytes from the second quarter to the last
    stored: dict[str, int]  # records in the store by kind
    problems: list[str]


def soak(asked: Asked, folder: Path, say: Callable[[str], None]) -> Result:
    """Run it; whatever happens, nothing that was started is left. Raises AssertionError for what does not come back."""
    servers, kafka = parts.brokers(folder, asked.brokers) if asked.brokers else (None, None)
    try:
        connector = _connector() if asked.engine == "flink" else None
        plan = Plan(folder, asked.engine, DEMO * asked.speed, servers, kafka, asked.brokers, connector)
        plan.data.mkdir(parents=True)
        return _Soak(asked, plan, say).run()
    finally:
        if servers is not None:
            servers.stop()


class _Soak:
    def __init__(self, asked: Asked, plan: Plan, say: Callable[[str], None]) -> None:
        self._asked, self._plan, self._say = asked, plan, say
        self._samples: list[Sample] = []
        self._suffered: list[dict[str, Any]] = []
        self._most_waiting, self._shown, self._seen = 0, 0.0, 0.0

    def run(self) -> Result:
        self._pipeline = Pipeline(self._plan)
        origin = time.time() + 2.0
        self._driver, self._fleet = Driver(self._plan, origin), Fleet(self._plan, origin)
        self._started = time.monotonic()
        try:
            self._driver.start()
            self._suffer()
            codes = self._fleet.stop()
            self._driver.close(panes=2000)
            return self._accounted([f"{name} ended with {code}" for name, code in codes.items() if code not in _WELL])
        finally:
            self._driver.end()
            self._fleet.end()
            self._pipeline.kill()

    @property
    def _now(self) -> float:
        return time.monotonic() - self._started

    @property
    def _is_late(self) -> bool:
        """Whether the pipeline is killed no more, so that one long life tells whether its memory grows."""
        return self._now > self._asked.seconds / 2

    def _suffer(self) -> None:
        """Go on until the time is over, with a fault every so often."""
        asked, chance = self._asked, random.Random(self._asked.seed)
        drawn = faults.drawn(faults.possible(self._plan), chance)
        names = iter(asked.only) if asked.only else (one for one in drawn if one not in _ENDS or not self._is_late)
        poison: list[bytes] = []
        self.poison = poison
        held = min(asked.held, _QUIET * asked.every)
        scene = Scene(self._plan, self._pipeline, self._fleet, self._driver, chance, held, poison)
        due = asked.every / 2
        while self._now < asked.seconds:
            self._look()
            if self._now >= due:
                due += asked.every
                if (name := next(names, None)) is not None:
                    self._inflict(name, scene)
            time.sleep(0.2)

    def _inflict(self, name: str, scene: Scene) -> None:
        at = self._now
        struck = faults.FAULTS[name](scene)
        took = self._now - at
        self._suffered.append({"second": round(at, 1), "fault": name, "struck": struck, "seconds": round(took, 1)})
        self._say(f"{at:7.0f} s  fault: {name}, {struck}; mended after {took:.1f} s")

    def _look(self) -> None:
        """Take a sample each second, tell how it goes each ten."""
        if self._now < self._seen + _LOOK:
            return
        self._seen = self._now
        ended = [name for name, process in self._fleet.processes.items() if process.poll() is not None]
        assert not ended, f"workers that nobody killed have ended: {ended}; see {self._plan.folder}/workers.log"
        memory, disk = accounts.resident(self._pipeline.pids()), accounts.kept(self._plan.data)
        self._samples.append(Sample(self._now, self._pipeline.starts, memory, disk))
        if self._now < self._shown + _SHOWN:
            return
        self._shown = self._now
        lags = self._pipeline.lags(_PATIENT)
        self._most_waiting = max(self._most_waiting, lags.get("engine", 0))
        waiting = ", ".join(f"{name} {count}" for name, count in lags.items() if count) or "nothing"
        if not lags:
            waiting = "no answer"
        self._say(
            f"{self._now:7.0f} s  panes {self._driver.passed}, waiting: {waiting}, "
            f"memory {self._samples[-1].megabytes:.0f} MB, starts {self._pipeline.starts}"
        )

    def _accounted(self, problems: list[str]) -> Result:
        started = time.monotonic()
        self._pipeline.drain()
        drained_in = time.monotonic() - started
        counts = {name: n for name, n in self._pipeline.ask(f"api/jobs/{JOB}/health").items() if name != "time"}
        dead = self._pipeline.ask("api/health")["dead"]
        if code := self._pipeline.stop():
            problems.append(f"the pipeline ended with {code}")
        self._say(f"{self._now:7.0f} s  drained in {drained_in:.1f} s; replaying the recorded log")
        found = accounts.recorded(self._plan.data, self._plan.kafka, self._plan.folder)
        problems += accounts.losses(found, self._fleet.notes, counts, dead, self.poison)
        steady = accounts.replayed(found, self._plan.folder / "streamgauge.toml", self._plan.folder)
        ours = canonical_dump(self._plan.data / "store.db")
        problems += accounts.differences(ours, steady)
        return Result(
            asked=self._asked._asdict(), faults=self._suffered, records=found.batches, counts=counts,
            incarnations=len(found.sequences), starts=self._pipeline.starts, most_waiting=self._most_waiting,
            drained_in=round(drained_in, 1), memory=round(max(one.megabytes for one in self._samples), 1),
            slope=accounts.slope(self._samples), disk=round(max(one.disk for one in self._samples), 1),
            disk_growth=accounts.disk_growth(self._samples), stored=accounts.kinds(ours), problems=problems,
        )  # fmt: skip


def _connector() -> Path:
    (jar,) = fetch("flink-pom.xml").glob("flink-sql-connector-kafka-*.jar")
    return jar


def log(text: str) -> None:
    """A progress line."""
    print(text, file=sys.stderr, flush=True)
