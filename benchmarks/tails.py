"""Tails: how often a score is as rare as its tail says: normal, heavy-tailed, seasonal noise, after 10,000 points.

A row's value is the smaller of measured / stated rate and its inverse: 1 is right, 0.5 is a factor of two.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np

from benchmarks import rows
from streamgauge.anomaly.reference import Floats
from streamgauge.anomaly.tails import Tail

SERIES: Final = 300
LEARNT: Final = 10_000
ASKED: Final = 3_000
RATES: Final = (1e-2, 1e-3, 1e-4)
FACTOR: Final = 0.5
Draw = Callable[[np.random.Generator, int], Floats]
STREAMS: Final[Mapping[str, Draw]] = {
    "normal": lambda generator, row: generator.normal(size=SERIES),
    "student": lambda generator, row: generator.standard_t(3.0, size=SERIES),
    "seasonal": lambda generator, row: generator.normal(size=SERIES) * (1.5 + np.sin(row / 24.0 * 2.0 * np.pi)),
}


def run(args: argparse.Namespace) -> Iterable[rows.Row]:
    """Three rates on three kinds of noise."""
    for name in STREAMS:
        for rate, share in measured(name, ASKED // 4 if args.quick else ASKED).items():
            yield rows.reached(f"tails {name} {rate:g}", min(share, 1.0 / max(share, 1e-9)), "of the rate", FACTOR)


def measured(name: str, asked: int = ASKED) -> dict[float, float]:
    """Measured over stated rate, by the stated one."""
    tail, generator = learnt(name, LEARNT), np.random.default_rng(2)
    surprise = np.concatenate([tail.surprise(STREAMS[name](generator, row)) for row in range(asked)])
    return {rate: float(np.mean(surprise > -np.log10(rate))) / rate for rate in RATES}


def learnt(name: str, points: int, seed: int = 1) -> Tail:
    """A tail that has seen so many points of each series."""
    tail, generator = Tail(SERIES), np.random.default_rng(seed)
    for row in range(points):
        tail.learn(STREAMS[name](generator, row), np.ones(SERIES, dtype=bool))
    return tail
