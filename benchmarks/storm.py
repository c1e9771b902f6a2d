"""A storm of 10,000 alerts through the pager at its defaults: root recall, justified pages, reduction, holds, events/s.

Ten seeds that were not used for tuning (seeds below 100 were). Alertmanager's rules judge the same storms in the same
run. The events are timed in CPU seconds with few and with 10,000 alerts live; the ratio of the two is what growth
costs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable, Iterator
from typing import Final

from benchmarks.rows import Row, faster, reached, reading, waited
from benchmarks.storms import generator, judging, playing, rival
from benchmarks.storms.generator import Storm
from benchmarks.storms.judging import Quality
from streamgauge.pipelines.config.schema import Config, JobConfig, Paging
from streamgauge.pipelines.paging.pager import Pager

SEEDS: Final = tuple(range(101, 111))
TARGETS: Final = {"recall": 0.94, "justified": 0.96, "reduction": 0.90, "hold": 45.0, "hold_p95": 90.0}
BROKEN_RECALL: Final = 0.82
SPURIOUS: Final = 0.2
MISSING: Final = 0.3
FEW, MANY, TIMED = 500, 10_000, 4_000
RATE: Final = 20_000.0


def run(args: argparse.Namespace) -> Iterable[Row]:
    """The rows of the benchmark."""
    storms = [generator.storm(seed) for seed in (SEEDS[:2] if args.quick else SEEDS)]
    ours = _mean([_ours(storm, storm.edges) for storm in storms])
    theirs = _mean([judging.judge(storm, rival.told(storm.edges, storm.events)) for storm in storms])
    for name, target in TARGETS.items():
        value = getattr(ours, name)
        is_wait = name.startswith("hold")
        yield waited(f"storm {name}", value, "s", target) if is_wait else reached(f"storm {name}", value, "", target)
        yield reading(f"storm {name} alertmanager", getattr(theirs, name), "s" if is_wait else "")
    spurious = [_ours(s, generator.with_spurious(s.edges, SPURIOUS, i)) for i, s in enumerate(storms)]
    missing = [_ours(s, generator.without(s.edges, MISSING, i)) for i, s in enumerate(storms)]
    hops = Paging().max_hops
    best = [judging.at_best(s, generator.without(s.edges, MISSING, i), hops) for i, s in enumerate(storms)]
    yield reading("storm justified at best 30% missing edges", statistics.fmean(best), "")
    for name, found in (("20% spurious", _mean(spurious)), ("30% missing", _mean(missing))):
        yield reached(f"storm recall {name} edges", found.recall, "", BROKEN_RECALL)
        yield reading(f"storm justified {name} edges", found.justified, "")
    yield from _speed(1 if args.quick else 3)


def _ours(storm: Storm, edges: tuple[tuple[str, str], ...]) -> Quality:
    return judging.judge(storm, playing.told(playing.messages(edges, storm.events, storm.until)))


def _mean(found: list[Quality]) -> Quality:
    columns = {name: statistics.fmean(getattr(one, name) for one in found) for name in Quality._fields}
    return Quality(**columns)


def _speed(rounds: int) -> Iterator[Row]:
    rates = {live: statistics.median(_rate(live) for _ in range(rounds)) for live in (FEW, MANY)}
    yield reached(f"storm events {MANY} live", rates[MANY], "events/CPU s", RATE)
    yield faster("storm events growth", rates[MANY], "events/CPU s", rates[FEW], f"{FEW} live")


def _rate(live: int) -> float:
    """Events a CPU second while `live` alerts are live."""
    before, timed, count = crowd(live, TIMED)
    pager = Pager(Config(jobs=(JobConfig(name=playing.JOB),)))
    pager.on_records(before)
    start = time.process_time()
    for message in timed:
        pager.on_records((message,))
    return count / (time.process_time() - start)


def crowd(live: int, timed: int) -> tuple[list[bytes], list[bytes], int]:
    """A log until `live` alerts are live, then with them live, and how many events it has then.

    `timed` new ones fire in an hour, as fast as old ones end.
    """
    storm = generator.storm(1, alerts=MANY + TIMED, hours=6.0)
    firsts = {event.alert: event for event in reversed(storm.events) if event.end is None}
    order = sorted(firsts.values(), key=lambda event: event.time)
    begin = order[0].time
    step = 3600.0 / timed
    events = []
    for i, event in enumerate(order[: live + timed]):
        at = begin + i * step
        events.append(event._replace(time=at, start=at - 5.0, found=at - 1.0))
        if i >= live:
            old = order[i - live]
            events.append(old._replace(time=at, start=begin + (i - live) * step - 5.0, found=at, end=at - 1.0))
    messages = list(playing.messages(storm.edges, events, events[-1].time))
    numbers = [0]
    for message in messages:
        numbers.append(numbers[-1] + (b"storm" in message and b"sample" in message))
    cut = next(i for i, count in enumerate(numbers) if count >= live)
    return messages[:cut], messages[cut:], numbers[-1] - numbers[cut]
