"""Profiling a frame of 40 columns (13 numeric with nulls, 26 Zipf ids, a label) against whylogs on the same frame.

Both give, for each column, row and null counts, moments, quantiles, distinct values and frequent items; only whylogs
gives type counts. The target is a ratio of 10. Rates are rows per second of the process's CPU time, so that other
processes on the machine do not count.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from benchmarks.rows import Row, faster, reading
from streamgauge.pipelines.profiling.columns import column_of
from streamgauge.pipelines.profiling.report import summarise

SEED: Final = 20260701
ROWS: Final = 200_000


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Rows per CPU second, ours and whylogs', interleaved; the best of the rounds of each."""
    frame = frame_of(ROWS // 4 if args.quick else ROWS)
    log = importlib.import_module("whylogs").log
    _profile(frame.head(1_000))
    log(frame.head(1_000))  # imports and caches of both are not timed
    rounds = 2 if args.quick else 4
    ours, theirs = zip(*((_cpu(_profile, frame), _cpu(log, frame)) for _ in range(rounds)), strict=True)
    rate, rival = len(frame) / min(ours), len(frame) / min(theirs)
    yield reading("profile whylogs", rival, "rows/cpu-s")
    yield faster("profile", rate, "rows/cpu-s", rival, "whylogs log()")


def frame_of(rows: int) -> Any:
    """The frame as pandas holds it: 13 float64 with 0 to 76 % nulls, 26 int64 ids of cardinality 3 to 1M, a label."""
    rng = np.random.default_rng(SEED)
    columns: dict[str, Any] = {}
    for i in range(13):
        values = np.round(rng.lognormal(i / 3.0, 1.0, rows))
        values[rng.random(rows) < i * 0.76 / 12] = np.nan
        columns[f"I{i + 1}"] = values
    for i, size in enumerate(np.geomspace(3, 1_000_000, 26).round().astype(int)):
        columns[f"C{i + 1}"] = _zipf(rng, size, rows)
    columns["label"] = (rng.random(rows) < 0.0304).astype(np.int64)
    return importlib.import_module("pandas").DataFrame(columns)


def _zipf(rng: np.random.Generator, size: int, rows: int) -> Any:
    """Zipf(1.05) over `size` ids, spread over the integers as real ids are."""
    mass = np.arange(1, size + 1) ** -1.05
    ranks = np.searchsorted(np.cumsum(mass / mass.sum()), rng.random(rows))
    return (ranks * 2_654_435_761 % (1 << 40)).astype(np.int64)


def _profile(frame: Any) -> None:
    for name in frame.columns:
        summarise(column_of(name, frame[name]))


def _cpu(work: Callable[[Any], Any], frame: Any) -> float:
    start = time.process_time()
    work(frame)
    return time.process_time() - start
