"""Records of 40 profiled features to scores, against C++ sketches of the same rows that are read, merged and asked.

100 workers send what a real tracer sends of 13 numeric features and 27 of strings, a record each pane; four of them
are traced, the others say the same under their own names. Ours checks, folds, evaluates, judges and scores. The rival
only deserialises whylogs' Apache DataSketches (KLL; HLL and frequent strings) of each feature, merges them into the
window's, and asks for quantiles, distinct values and the most frequent ones.
"""

from __future__ import annotations

import functools
import importlib
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from benchmarks.rates import Batch, batches
from benchmarks.rows import Row, cheaper
from streamgauge.pipelines.config.schema import Feature, JobConfig, WindowSpec
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from streamgauge.tracer import codec
from streamgauge.tracer.records import Tick, TraceBatch
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import MemoryLog

WORKERS: Final = 100
TRACED: Final = 4
PANE: Final = 10.0
WINDOW: Final = 60.0
START: Final = 1_700_000_040.0
WARM: Final = 8  # panes before the clock starts: everybody is known and a window was closed
RANKS: Final = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]


def rows(*, quick: bool) -> Iterable[Row]:
    """Processor time of a record with 40 features, the median of interleaved rounds."""
    panes = 6 if quick else 12
    given = [batches(WARM + panes, worker) for worker in range(TRACED)]
    traced = [_traced(worker) for worker in given]
    warm = [data for pane in range(WARM) for data in _pane(traced, pane)]
    log = [data for pane in range(WARM, WARM + panes) for data in _pane(traced, pane)]
    theirs = [[sketched(worker[pane]) for worker in given] for pane in range(WARM, WARM + panes)]
    spent: list[tuple[float, float]] = []
    for _ in range(3 if quick else 5):
        operator = Operator(config(), Stage2(config()))
        operator.on_records(warm)
        spent.append((_cpu(operator.on_records, log), _cpu(merged, theirs)))
    ours, rival = (statistics.median(column) / (panes * WORKERS) * 1e6 for column in zip(*spent, strict=True))
    yield cheaper("aggregate.features", ours, "us/record", rival, "DataSketches: read, merge, ask")


def config() -> JobConfig:
    """One tumbling window and the 40 features."""
    numeric = [Feature(name=f"I{i}", kind="numeric") for i in range(13)]
    text = [Feature(name=f"C{i}", kind="categorical") for i in range(27)]
    window = WindowSpec(name="short", kind="short", length=WINDOW, slide=WINDOW)
    return JobConfig(name="bench", windows=(window,), pane=PANE, features=(*numeric, *text))


def _traced(given: list[Batch]) -> list[TraceBatch]:
    """What a worker sends, one record a pane."""
    log, now = MemoryLog(), [START]
    tracer = Tracer("bench", "w", log, clock=lambda: now[0], salt="salt", usage=False, pane=PANE)
    for batch in given:
        tracer.observe(batch.features)
        tracer.step(loss=0.3)
        now[0] += PANE
        tracer.beat()
    tracer.close()
    found = [codec.decode(message.value) for message in log.read("traces", 0, 10_000)]
    return [record for record in found if isinstance(record, TraceBatch)]


def _pane(traced: list[list[TraceBatch]], pane: int) -> Iterator[bytes]:
    for worker in range(WORKERS):
        record = traced[worker % TRACED][pane]
        yield codec.encode(msgspec.structs.replace(record, worker=f"worker:{worker}"))
    yield codec.encode(Tick(job="bench", time=START + (pane + 1) * PANE))


@functools.cache
def _library() -> Any:
    return importlib.import_module("whylogs_sketching")


def sketched(batch: Batch) -> dict[str, list[bytes]]:
    """A worker's serialised sketches of one pane, by feature."""
    library, found = _library(), dict[str, list[bytes]]()
    for name, column in batch.features.items():
        if name.startswith("I"):
            numbers = library.kll_doubles_sketch(200)
            numbers.update_list(column.tolist())
            found[name] = [numbers.serialize()]
        else:
            distinct, frequent = library.hll_sketch(12), library.frequent_strings_sketch(8)
            for value in column.tolist():
                distinct.update(value)
                frequent.update(value)
            found[name] = [distinct.serialize_compact(), frequent.serialize()]
    return found


def merged(panes: list[list[dict[str, list[bytes]]]]) -> list[object]:
    """The answers of each window, from every worker's sketches."""
    library, every = _library(), round(WINDOW / PANE)
    answers: list[object] = []
    for begin in range(0, len(panes), every):
        parts = [panes[pane][worker % TRACED] for pane in range(begin, begin + every) for worker in range(WORKERS)]
        answers += [
            (_numbers if name.startswith("I") else _strings)(library, [part[name] for part in parts])
            for name in parts[0]
        ]
    return answers


def _numbers(library: Any, parts: list[list[bytes]]) -> object:
    whole = library.kll_doubles_sketch(200)
    for (data,) in parts:
        whole.merge(library.kll_doubles_sketch.deserialize(data))
    return whole.get_quantiles(RANKS)


def _strings(library: Any, parts: list[list[bytes]]) -> object:
    distinct, frequent = library.hll_union(12), library.frequent_strings_sketch(8)
    for hashed, counted in parts:
        distinct.update(library.hll_sketch.deserialize(hashed))
        frequent.merge(library.frequent_strings_sketch.deserialize(counted))
    return distinct.get_estimate(), frequent.get_frequent_items(library.frequent_items_error_type.NO_FALSE_NEGATIVES)


def _cpu(work: Callable[[Any], object], given: Any) -> float:
    start = time.process_time()
    work(given)
    return time.process_time() - start
