"""GAUC, NDCG@10 and slices: from merged summaries against exact numpy over the rows, and what they add to a step.

1,000,000 rows of 100,000 users. The rival of GAUC sorts all rows of the window and sums ranks by user, vectorised; the
rival of the step is the same tracer without groups and slices. Medians of processor time over several rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, cheaper, faster, reached, reading
from streamgauge.pipelines.statistics.grouped import gauc, ranked
from streamgauge.tracer.evaluation import Evaluation, Slice
from streamgauge.tracer.summaries import Groups, hash_values
from streamgauge.tracer.tasks import Head, Task
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

ROWS: Final = 1_000_000
USERS: Final = 100_000
PIECE: Final = 16_384
BATCH: Final = 1_024
BATCHES: Final = 60
EVALUATION: Final = Evaluation(groups=("user",), slices=(
    Slice(name="a", feature="age", below=0.0), Slice(name="b", feature="age", above=1.0),
    Slice(name="c", feature="country", equals="US"), Slice(name="d", feature="country", equals="DE"),
    Slice(name="e", feature="position", equals=1),
))  # fmt: skip
TASKS: Final = (Task(name="cvr", of="positives"), Task(name="like"))
Floats = NDArray[np.float64]


def run(args: argparse.Namespace) -> Iterable[Row]:
    """All rows."""
    rounds = 3 if args.quick else 9
    users, p, y = _clicks()
    exact, rival = _timed(lambda: exact_gauc(users, p, y), rounds)
    for modulus in (1, 16):
        parts = [Groups.of(users[i : i + PIECE], p[i : i + PIECE], y[i : i + PIECE], modulus).columns()
                 for i in range(0, ROWS, PIECE)]  # fmt: skip
        found, taken = _timed(lambda parts=parts: _merged(parts), rounds)  # type: ignore[misc]
        name = f"gauc and ndcg, one user in {modulus} told"
        yield faster(name, ROWS / taken, "rows/CPU s", ROWS / rival, "exact GAUC over the rows, numpy")
        yield reached(name, ROWS / taken, "rows/CPU s", 1_000_000.0)
        yield reading(f"{name}: error / stated", abs(found.value - exact) / found.error, "sigmas")
    for name, join in (("step with ids", True), ("step without a join", False)):
        pairs = [(_stepped(None, join), _stepped(EVALUATION, join)) for _ in range(rounds)]
        ratio = float(np.median([with_it / without for without, with_it in pairs]))
        yield cheaper(f"{name}, GAUC and 5 slices", 100.0 * ratio, "% of its CPU", 100.0, "the same step without")
    pairs = [(_stepped(None, True), _stepped(EVALUATION, True, TASKS)) for _ in range(rounds)]
    ratio = float(np.median([with_it / without for without, with_it in pairs]))
    name = "step with ids, GAUC, 5 slices and 2 tasks"
    yield cheaper(name, 100.0 * ratio, "% of its CPU", 150.0, "one and a half times the same step without")


def exact_gauc(users: NDArray[np.uint64], p: Floats, y: Floats) -> float:
    """GAUC by rank sums, weighted by rows; no two predictions of a user are equal here."""
    order = np.lexsort((p, users))
    group, label = users[order], y[order]
    first = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    size = np.diff(first, append=len(group))
    rank = np.arange(len(group)) - np.repeat(first, size) + 1.0
    hits, ranks = np.add.reduceat(label, first), np.add.reduceat(rank * label, first)
    both = (hits > 0) & (hits < size)
    hits, ranks, size = hits[both], ranks[both], size[both]
    return float(np.average((ranks - hits * (hits + 1) / 2) / (hits * (size - hits)), weights=size))


def _merged(parts: list[Any]) -> Any:
    groups = Groups.fold(parts)
    ranked(groups, 10)
    return gauc(groups)  # kept for these groups only: each merge makes others


def _clicks() -> tuple[NDArray[np.uint64], Floats, Floats]:
    random = np.random.default_rng(0)
    p = 1.0 / (1.0 + np.exp(-random.normal(-3.0, 1.0, ROWS)))
    return hash_values(random.integers(0, USERS, ROWS)), p, (random.random(ROWS) < p).astype(np.float64)


def _timed(work: Callable[[], Any], rounds: int) -> tuple[Any, float]:
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        found = work()
        taken.append(time.process_time() - begin)
    return found, float(np.median(taken))


def _stepped(evaluation: Evaluation | None, join: bool, tasks: Sequence[Task] = ()) -> float:
    """Seconds of CPU of the whole tracer, folding and sending included."""
    random, now = np.random.default_rng(0), [0.0]
    tracer = Tracer(
        "ctr", "w", MemoryLog(), clock=lambda: now[0], usage=False, evaluation=evaluation, tasks=tasks,
        features={"user": "id", "position": "categorical"},
    )  # fmt: skip
    batches = [_batch(random) for _ in range(BATCHES)]
    begin = time.process_time()
    for i, (features, p, y) in enumerate(batches):
        now[0], ids = 0.5 * i, np.arange(i * BATCH, (i + 1) * BATCH)
        if join:
            tracer.observe(features, ids=ids, predictions=p, tasks={task.name: Head(predictions=p) for task in tasks})
            tracer.step(0.1, ids=ids, labels=y, tasks={task.name: Head(labels=y) for task in tasks})
        else:
            tracer.step(0.1, ids=ids, labels=y, predictions=p, features=features)
        tracer.beat()
    now[0] = 1e3
    tracer.beat()
    tracer.close()
    return time.process_time() - begin


def _batch(random: np.random.Generator) -> tuple[dict[str, Any], Floats, Floats]:
    features: dict[str, Any] = {f"x{i}": random.normal(size=BATCH) for i in range(8)}
    features |= {
        "user": random.integers(0, USERS, BATCH), "age": random.normal(size=BATCH),
        "country": random.choice(["US", "DE", "FR"], BATCH), "position": random.integers(0, 9, BATCH),
    }  # fmt: skip
    return features, 0.1 * random.random(BATCH), (random.random(BATCH) < 0.05).astype(np.float64)
