"""What strings, ids and the join cost at click-through rates, against C++ sketches of the same strings and a dict.

`strings` profiles columns of hexadecimal ids, 1,024 rows a call, as whylogs' sketches of the Apache DataSketches do one
by one. `join` remembers a million samples and their labels, as a dict of Python's would. `worker` is the whole life of
one worker on one core: 27 columns of strings and 13 of floats, string ids, labels that come late, everything folded,
cut and encoded; beside it what of that the step itself waits for.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, cheaper, faster, reading
from streamgauge.tracer import compiled
from streamgauge.tracer.joins import Join
from streamgauge.tracer.summaries import Distinct, Heavy, Table, codes_of, hash_values, tally_codes
from streamgauge.tracer.tracer import Labels, Tracer
from streamgauge.tracer.transport import MemoryLog

SEED: Final = 20261128
ROWS: Final = 1024  # of a call
WAIT: Final = 8  # calls until a sample's label comes
KEPT: Final = 50_000  # distinct strings of the largest columns: the rest of the tail is one value


class Batch(NamedTuple):
    """One call of `observe`, and the labels of its samples."""

    features: dict[str, NDArray[Any]]
    ids: NDArray[Any]
    predictions: NDArray[np.float64]
    labels: NDArray[np.float64]


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Processor time, the least of the rounds of each, interleaved."""
    rounds = 2 if args.quick else 5
    yield from _strings(rounds)
    yield from _join(rounds, 100_000 if args.quick else 1_000_000)
    yield from _worker(rounds, 32 if args.quick else 128)


def _strings(rounds: int) -> Iterator[Row]:
    columns = [batch.features["C20"] for batch in batches(64)]
    rows = ROWS * len(columns)
    sketching: Any = importlib.import_module("whylogs_sketching")

    def ours() -> None:
        table = Table(b"salt")
        for column in columns:
            found = tally_codes(codes_of(column, b"salt", table))
            Distinct.of_tally(found), Heavy.of_tally(found)

    def theirs() -> None:
        distinct, frequent = sketching.hll_sketch(12), sketching.frequent_strings_sketch(8)
        for column in columns:
            for value in column.tolist():
                distinct.update(value)
                frequent.update(value)

    mine, rival = _least(rounds, ours, theirs)
    yield cheaper("strings", mine / rows * 1e9, "ns/value", rival / rows * 1e9, "whylogs' HLL and frequent strings")


def _join(rounds: int, samples: int) -> Iterator[Row]:
    keys = hash_values(np.arange(samples))
    parts = np.array_split(keys, max(1, samples // ROWS))
    spent: list[list[float]] = [[], [], [], []]
    for _ in range(rounds):
        join, table = Join(Labels(), 10.0), dict[int, list[float]]()
        lists = [part.tolist() for part in parts]
        works: tuple[Callable[[], object], ...] = (
            functools.partial(_each, functools.partial(join.open, 0.0), parts),
            functools.partial(_each, functools.partial(_open, table), lists),
            functools.partial(_each, functools.partial(_label, join), parts),
            functools.partial(_each, functools.partial(_set, table), lists),
        )
        for times, work in zip(spent, works, strict=True):
            times.append(_cpu(work))
    opened, theirs, labelled, rival = (min(times) / samples * 1e9 for times in spent)
    yield cheaper("join.open", opened, "ns/sample", theirs, "a dict of lists")
    yield cheaper("join.label", labelled, "ns/label", rival, "a dict of lists")
    yield cheaper("join.bytes", join.nbytes / samples, "bytes/sample", 224.0, "release 1215182")


def _each(work: Callable[[Any], object], parts: Iterable[Any]) -> None:
    for part in parts:
        work(part)


def _open(table: dict[int, list[float]], keys: list[int]) -> None:
    table.update({key: [0.0, -1.0] for key in keys})


def _label(join: Join, keys: NDArray[np.uint64]) -> None:
    join.label(1.0, keys, np.ones(len(keys)))


def _set(table: dict[int, list[float]], keys: list[int]) -> None:
    for key in keys:
        table[key][1] = 1.0


def _worker(rounds: int, calls: int) -> Iterator[Row]:
    given = batches(calls)
    life(given[:WAIT])
    spent, by_numpy = list[tuple[float, float]](), list[tuple[float, float]]()
    for _ in range(rounds):
        spent.append(life(given))
        by_numpy.append(_without_core(functools.partial(life, given)))
    rows = calls * ROWS
    (whole, step), (twin, _) = min(spent), min(by_numpy)
    yield faster("worker", rows / whole, "rows/cpu-s", rows / twin, "the same without the compiled core")
    yield reading("worker.step", step / calls * 1e3, "ms/call of 1,024 rows")


def _without_core(work: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    os.environ[compiled.SWITCH] = "off"
    compiled.fast.cache_clear()
    try:
        return work()
    finally:
        del os.environ[compiled.SWITCH]
        compiled.fast.cache_clear()


def life(given: list[Batch]) -> tuple[float, float]:
    """Seconds of the processor in all, and of those in calls on the step."""
    now = [1_700_000_000.0]
    tracer = Tracer("ctr", "w", MemoryLog(), clock=lambda: now[0], labels=Labels(), salt="salt", usage=False)
    begin, on_step = time.process_time(), 0.0
    for i, batch in enumerate(given):
        start = time.process_time()
        tracer.observe(batch.features, ids=batch.ids, predictions=batch.predictions)
        if i >= WAIT:
            tracer.label(given[i - WAIT].ids, given[i - WAIT].labels)
            tracer.step(loss=0.3, ids=given[i - WAIT].ids)
        on_step += time.process_time() - start
        now[0] += 1.0
        tracer.beat()
    tracer.close()
    return time.process_time() - begin, on_step


def batches(calls: int, worker: int = 0) -> list[Batch]:
    """13 floats and 27 strings of 3 to 50,000 distinct values with a heavy tail, ids that never come again."""
    rng = np.random.default_rng(SEED + worker)
    sizes = np.geomspace(3, KEPT, 27).round().astype(int)
    words = [np.array([f"{i * 2_654_435_761 % (1 << 40):x}" for i in range(size)], object) for size in sizes]
    return [_batch(rng, words, call) for call in range(calls)]


def _batch(rng: np.random.Generator, words: list[NDArray[Any]], call: int) -> Batch:
    features: dict[str, NDArray[Any]] = {f"I{i}": rng.lognormal(i / 3.0, 1.0, ROWS) for i in range(13)}
    for i, table in enumerate(words):
        features[f"C{i}"] = table[np.minimum(rng.pareto(0.6, ROWS), len(table) - 1).astype(np.int64)]
    ids = np.array([f"s{call * ROWS + row:012d}" for row in range(ROWS)], object)
    return Batch(features, ids, rng.random(ROWS), (rng.random(ROWS) < 0.03).astype(float))


def _least(rounds: int, *works: Callable[[], object]) -> list[float]:
    spent = [[_cpu(work) for work in works] for _ in range(rounds)]
    return [min(times) for times in zip(*spent, strict=True)]


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
