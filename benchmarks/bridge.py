"""The bridge on the flights' JSON rows: message bytes to encoded trace records, against `json.loads` of the same bytes.

The rival does the least that any reader of such a topic must do, and nothing with what it read. Fetching from Kafka
costs about 1 us a message more for both. The target is 200,000 rows per CPU second.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from benchmarks.rows import Row, faster, reading
from streamgauge.examples.flights import rows as flights
from streamgauge.examples.flights.data import load
from streamgauge.pipelines.bridge import rows
from streamgauge.pipelines.bridge.blocks import Blocks, Sample, fields_of
from streamgauge.pipelines.config import loading

CONFIG: Final = Path(__file__).parents[1] / "examples" / "flights" / "bridge.toml"
ROWS: Final = 100_000


def run(args: argparse.Namespace) -> Iterable[Row]:
    """Rows per CPU second, ours and the rival's, interleaved; the best of the rounds of each."""
    samples = _samples(ROWS // 4 if args.quick else ROWS)
    rounds = 2 if args.quick else 5
    ours, theirs = zip(*((_cpu(_bridge, samples), _cpu(_loads, samples)) for _ in range(rounds)), strict=True)
    rate, rival = len(samples) / min(ours), len(samples) / min(theirs)
    yield reading("bridge json.loads", rival, "rows/cpu-s")
    yield faster("bridge", rate, "rows/cpu-s", rival, "json.loads alone")


def _samples(count: int) -> list[Sample]:
    """EWR's year as fast as a busy topic: a thousand rows a second of the broker's time."""
    start = 1_700_000_000.0
    found = list(flights.rows(load("EWR")))
    return [Sample(i, start + i / 1000, found[i % len(found)].value) for i in range(count)]


def _bridge(samples: list[Sample]) -> None:
    config = loading.load(CONFIG)
    (bridge,), (job,) = config.bridges, config.jobs
    read = rows.decoder_of(bridge.format, fields_of(bridge, job))
    blocks = Blocks(bridge, job, "samples/0", read, fault=_fail)
    for at in range(0, len(samples), 10_000):
        blocks.add(samples[at : at + 10_000])


def _fail(where: str, error: Exception) -> None:
    raise error


def _loads(samples: list[Sample]) -> None:
    for sample in samples:
        json.loads(sample.value)


def _cpu(work: Callable[[list[Sample]], None], samples: list[Sample]) -> float:
    start = time.process_time()
    work(samples)
    return time.process_time() - start
