"""Detectors at 10,000 series against river's GaussianScorer, one object a series, in points per CPU second.

Windows of a minute after four days of history, so an hour's medians are taken once in sixty windows, as in production;
both sides score first and learn afterwards, interleaved in one process, median of five rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

import numpy as np
from river.anomaly import GaussianScorer

from benchmarks.rows import Row, faster, reading
from streamgauge.anomaly.detectors import DETECTORS
from streamgauge.anomaly.reference import Floats, Moment

T = TypeVar("T")
SERIES: Final = 10_000
DAYS: Final = 4
ROUNDS: Final = 5
RIVAL: Final = "river GaussianScorer"
RIVAL_SERIES: Final = 500
PARAMETERS: Final[dict[str, dict[str, Any]]] = {"seasonal_robust": {"slots": 24}}


def run(args: argparse.Namespace) -> Iterable[Row]:
    rounds, windows = (2, 60) if args.quick else (ROUNDS, 120)
    generator = np.random.default_rng(1)
    levels = generator.normal(100.0, 10.0, (60, SERIES))
    subjects = {name: _Subject(name, levels) for name in sorted(DETECTORS) if name != "limit"}
    rival = _Rival(levels)
    rates: dict[str, list[float]] = {name: [] for name in (*subjects, RIVAL)}
    for _ in range(rounds):
        rates[RIVAL].append(rival.rate(levels))
        for name, subject in subjects.items():
            rates[name].append(subject.rate(windows))
    against = statistics.median(rates[RIVAL])
    yield reading("detect.rival", against, "points/CPU s")
    for name in subjects:
        yield faster(f"detect.{name}", statistics.median(rates[name]), "points/CPU s", against, RIVAL)


class _Subject:
    """One of our detectors with four days of history."""

    def __init__(self, name: str, levels: Floats) -> None:
        self._detector = DETECTORS[name](SERIES, **PARAMETERS.get(name, {}))
        self._levels, self._keep = levels, np.ones(SERIES, dtype=bool)
        self._minutes = _minutes(DAYS * 1440)
        for minute in range(0, DAYS * 1440, 20):
            self._step(minute)

    def rate(self, windows: int) -> float:
        minutes = [next(self._minutes) for _ in range(windows)]
        return windows * SERIES / _cpu(self._step, minutes)

    def _step(self, minute: int) -> None:
        at, level = Moment(minute // 1440, minute // 60 % 24), self._levels[minute % 60]
        self._detector.score(level, at)
        self._detector.learn(level, at, self._keep)


class _Rival:
    """River's scorer, one a series, on some of the same points, past its grace period of 100 points."""

    def __init__(self, levels: Floats) -> None:
        self._scorers: list[Any] = [GaussianScorer() for _ in range(RIVAL_SERIES)]
        self.rate(np.concatenate([levels, levels]))

    def rate(self, levels: Floats) -> float:
        points = levels[:, :RIVAL_SERIES].tolist()
        return len(points) * RIVAL_SERIES / _cpu(self._step, points)

    def _step(self, row: list[float]) -> None:
        for scorer, value in zip(self._scorers, row, strict=True):
            scorer.score_one(None, value)
            scorer.learn_one(None, value)


def _minutes(start: int) -> Iterator[int]:
    minute = start
    while True:
        yield minute
        minute += 1


def _cpu(step: Callable[[T], None], inputs: Iterable[T]) -> float:
    start = time.process_time()
    for one in inputs:
        step(one)
    return time.process_time() - start
