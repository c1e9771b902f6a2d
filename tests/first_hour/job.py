"""A click job in stream time: three workers of a logistic regression that begins cold, and the faults of its hour."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np

from streamgauge.pipelines.config.loading import parse
from streamgauge.pipelines.config.schema import Config
from streamgauge.tracer import codec, records
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.tracer import Labels, Tracer
from tests.first_hour.clicks import Clicks

T0: Final = 1_764_331_200.0  # 2025-11-28 12:00 UTC
MINUTE: Final = 60.0
TURN: Final = 5.0  # seconds between two steps of a worker
RATE: Final = 200.0  # impressions a second, of all workers together
WORKERS: Final = ("w0", "w1", "w2")
DELAY: Final = 8.0  # mean seconds to a click
TIMEOUT: Final = 30.0  # without a click for so long an impression was not clicked
SIZE: Final = 1 << 12
CONFIG: Final = """
data = "{folder}"
clock = "log"

[[jobs]]
name = "clicks"
workers = 3
missing_after = "60s"  # a restart of this job takes seconds

[jobs.paging]
remind = []  # nobody is there to acknowledge

[jobs.labels]
horizon = "60s"
margin = "10s"
timeout = "120s"

[[jobs.features]]
name = "item"
kind = "id"

[[jobs.features]]
name = "position"
kind = "categorical"

[[jobs.features]]
name = "gender"
kind = "categorical"

[[jobs.features]]
name = "age"
kind = "categorical"

[[jobs.features]]
name = "affinity"
kind = "numeric"
"""


class Fault(NamedTuple):
    """What is broken in [start, end) minutes of the hour, at one worker or (`""`) at all."""

    kind: Literal["null", "held", "nan", "killed"]
    start: float
    end: float
    worker: str = ""
    feature: str = ""

    def holds(self, minute: float, worker: str) -> bool:
        """Whether this worker has it now."""
        return self.start <= minute < self.end and self.worker in ("", worker)


class Shown(NamedTuple):
    """Impressions of one turn that wait for their labels."""

    ids: np.ndarray
    rows: Clicks
    known: np.ndarray  # when the label is, seconds


def config(folder: Path) -> Config:
    """The job as a user would declare it, its delays at the scale of the play."""
    return parse(CONFIG.format(folder=folder.as_posix()))


class Worker:
    """One life of one worker."""

    def __init__(self, name: str, life: int, clicks: Clicks, log: LocalLog, settings: Config) -> None:
        self.name, self.now = name, T0
        (job,) = settings.jobs
        labels = Labels(horizon=job.labels.horizon, margin=job.labels.margin, timeout=job.labels.timeout)
        self.tracer = Tracer(
            job.name, name, log, clock=lambda: self.now, features=job.features, labels=labels, incarnation=f"{life}",
            usage=False,
        )  # fmt: skip
        self._clicks = clicks
        self._random = np.random.default_rng([zlib.crc32(name.encode()), life])
        self._weights, self._squares = np.zeros(SIZE), np.full(SIZE, 1e-2)
        self._waiting: list[Shown] = []
        self._next = (zlib.crc32(name.encode()) << 24) + (life << 40)

    def turn(self, now: float, faults: Sequence[Fault]) -> None:
        """Show what came, learn what is known."""
        self.now = now
        minute = (now - T0) / MINUTE
        mine = [fault for fault in faults if fault.holds(minute, self.name)]
        self._show(now, {fault.feature for fault in mine if fault.kind == "null"})
        kinds = {fault.kind for fault in mine}
        known = [] if "held" in kinds else self._known(now)
        if known:
            self._learn(known, is_broken="nan" in kinds)
        else:
            self.tracer.idle()
        self.tracer.beat()

    def _show(self, now: float, null: set[str]) -> None:
        count = self._random.poisson(RATE / len(WORKERS) * TURN)
        rows = self._clicks.take(self._random.integers(0, len(self._clicks.clicked), count))
        ids = np.arange(self._next, self._next + count)
        self._next += count
        predicted = _predict(self._weights, rows)
        features = {
            name: [None] * count if name in null else getattr(rows, name)
            for name in ("item", "position", "gender", "age", "affinity")
        }
        self.tracer.observe(features, ids=ids, time=now, due=now + TIMEOUT, predictions=predicted)
        clicked_at = now + self._random.exponential(DELAY, count).clip(0.0, TIMEOUT)
        self._waiting.append(Shown(ids, rows, np.where(rows.clicked, clicked_at, now + TIMEOUT)))

    def _known(self, now: float) -> list[Shown]:
        """Take out of the waiting ones what is known by now."""
        known, rest = [], []
        for shown in self._waiting:
            due = shown.known <= now
            for part, into in ((due, known), (~due, rest)):
                if part.any():
                    into.append(Shown(shown.ids[part], shown.rows.take(np.flatnonzero(part)), shown.known[part]))
        self._waiting = rest
        return known

    def _learn(self, known: Sequence[Shown], *, is_broken: bool) -> None:
        ids = np.concatenate([shown.ids for shown in known])
        rows = Clicks._make(np.concatenate(parts) for parts in zip(*(shown.rows for shown in known), strict=True))
        predicted, y = _predict(self._weights, rows), rows.clicked.astype(float)
        safe = predicted.clip(1e-7, 1.0 - 1e-7)
        loss = float(-np.mean(y * np.log(safe) + (1.0 - y) * np.log1p(-safe)))
        gradient = np.zeros(SIZE)
        for index in _active(rows):
            np.add.at(gradient, index, (predicted - y) / len(y))
        self._squares += gradient**2
        self._weights -= 0.3 * gradient / np.sqrt(self._squares)
        self.tracer.label(ids, y)
        self.tracer.step(loss=math.nan if is_broken else loss, ids=ids)


def play(clicks: Clicks, log: LocalLog, settings: Config, faults: Sequence[Fault], minutes: float = 60.0) -> None:
    """The hour: turns of the workers, their records on the bus, then the tick of each second pane."""
    lives = dict.fromkeys(WORKERS, 1)
    workers = {name: Worker(name, 1, clicks, log, settings) for name in WORKERS}
    for now in _turns(minutes):
        minute = (now - T0) / MINUTE
        dead = {fault.worker for fault in faults if fault.kind == "killed" and fault.holds(minute, fault.worker)}
        for name in WORKERS:
            if name in dead:
                workers.pop(name, None)
            elif name not in workers:
                lives[name] += 1
                workers[name] = Worker(name, lives[name], clicks, log, settings)
        for worker in workers.values():
            worker.turn(now, faults)
        if now % 10.0 == 0.0:
            for worker in workers.values():
                assert worker.tracer.flush(30.0)
            tick = codec.encode(records.Tick(job="clicks", time=now))
            log.send([("traces", records.key_of("clicks", 0, 1), tick)])


def _turns(minutes: float) -> Iterator[float]:
    for turn in range(1, int(minutes * MINUTE / TURN) + 1):
        yield T0 + turn * TURN


def _predict(weights: np.ndarray, rows: Clicks) -> np.ndarray:
    logit = np.sum([weights[index] for index in _active(rows)], axis=0)
    return np.asarray(1.0 / (1.0 + np.exp(-logit.clip(-30.0, 30.0))))


def _active(rows: Clicks) -> tuple[np.ndarray, ...]:
    """The weight of each row's item, position, gender and age, and the bias."""
    columns = (rows.item, rows.position, rows.gender, rows.age)
    hashed = tuple(_hashed(i, column) for i, column in enumerate(columns))
    return (*hashed, np.zeros(len(rows.clicked), np.int64))


def _hashed(i: int, column: np.ndarray) -> np.ndarray:
    names, places = np.unique(column, return_inverse=True)
    slots = np.array([1 + zlib.crc32(f"{i}{name}".encode()) % (SIZE - 1) for name in names.tolist()], np.int64)
    return slots[places]
