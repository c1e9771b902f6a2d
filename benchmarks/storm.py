"""A storm of 10,000 alerts through the pager at its defaults: root recall, justified pages, reduction, holds, events/s.

Ten seeds that were not used for tuning (seeds below 100 were). Alertmanager's rules judge the same storms in the same
run. The events are timed in CPU seconds with few and with 10,000 alerts live; the ratio of the two is what growth
costs. Quality rows: ratio = value / target (of holds target / value).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable, Iterator
from typing import Final

from benchmarks.storms import generator, judging, playing, rival
from benchmarks.storms.generator import Storm
from benchmarks.storms.judging import Quality
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.paging.pager import Pager

SEEDS: Final = tuple(range(101, 111))
TARGETS: Final = {"recall": 0.94, "justified": 0.96, "reduction": 0.90, "hold": 45.0, "hold_p95": 90.0}
BROKEN_RECALL: Final = 0.82
SPURIOUS: Final = 0.2
MISSING: Final = 0.3
FEW, MANY, TIMED = 500, 10_000, 4_000
RATE: Final = 20_000.0


def run(args: argparse.Namespace) -> Iterable[dict[str, object]]:
    """The rows of the benchmark."""
    seeds = SEEDS[:2] if args.quick else SEEDS
    storms = [generator.storm(seed) for seed in seeds]
    ours = _mean([_ours(storm, storm.edges) for storm in storms])
    theirs = _mean([judging.judge(storm, rival.told(storm.edges, storm.events)) for storm in storms])
    for name, target in TARGETS.items():
        value, other = getattr(ours, name), getattr(theirs, name)
        is_wait = name.startswith("hold")
        yield {
            "name": f"storm.{name}", "value": value, "unit": "s" if is_wait else "share", "rival": "target",
            "target": target, "ratio": target / value if is_wait else value / target,
            "better": "lower" if is_wait else "higher", "alertmanager": other,
        }  # fmt: skip
    spurious = [_ours(s, generator.with_spurious(s.edges, SPURIOUS, i)) for i, s in enumerate(storms)]
    missing = [_ours(s, generator.without(s.edges, MISSING, i)) for i, s in enumerate(storms)]
    for name, found in (("spurious", _mean(spurious)), ("missing", _mean(missing))):
        yield {
            "name": f"storm.recall_{name}", "value": found.recall, "unit": "share", "rival": "target",
            "target": BROKEN_RECALL, "ratio": found.recall / BROKEN_RECALL, "better": "higher",
            "justified": found.justified, "reduction": found.reduction,
        }  # fmt: skip
    yield from _speed(1 if args.quick else 3)


def _ours(storm: Storm, edges: tuple[tuple[str, str], ...]) -> Quality:
    return judging.judge(storm, playing.told(playing.messages(edges, storm.events, storm.until)))


def _mean(found: list[Quality]) -> Quality:
    columns = {name: statistics.fmean(getattr(one, name) for one in found) for name in Quality._fields}
    return Quality(**columns)


def _speed(rounds: int) -> Iterator[dict[str, object]]:
    rates = {FEW: [_rate(FEW) for _ in range(rounds)], MANY: [_rate(MANY) for _ in range(rounds)]}
    few, many = statistics.median(rates[FEW]), statistics.median(rates[MANY])
    yield {
        "name": "storm.events", "value": many, "unit": "events/CPU s", "rival": "target", "target": RATE,
        "ratio": many / RATE, "better": "higher", "live": MANY,
    }  # fmt: skip
    yield {
        "name": "storm.growth", "value": many / few, "unit": "of the rate with few live", "rival": f"{FEW} live",
        "ratio": many / few, "better": "higher",
    }  # fmt: skip


def _rate(live: int) -> float:
    """Events a CPU second while `live` alerts are live: new ones fire as fast as old ones end."""
    storm = generator.storm(1, alerts=MANY + TIMED, hours=6.0)
    firsts = {event.alert: event for event in reversed(storm.events) if event.end is None}
    order = sorted(firsts.values(), key=lambda event: event.time)
    begin = order[0].time
    step = 3600.0 / TIMED
    events = []
    for i, event in enumerate(order[: live + TIMED]):
        at = begin + i * step
        events.append(event._replace(time=at, start=at - 5.0, found=at - 1.0))
        if i >= live:
            old = order[i - live]
            events.append(old._replace(time=at, start=begin + (i - live) * step - 5.0, found=at, end=at - 1.0))
    messages = list(playing.messages(storm.edges, events, events[-1].time))
    pager = Pager(Config(jobs=(JobConfig(name=playing.JOB),)))
    numbers = [0]
    for message in messages:
        numbers.append(numbers[-1] + (b"storm" in message and b"sample" in message))
    cut = next(i for i, count in enumerate(numbers) if count >= live)
    pager.on_records(messages[:cut])
    start = time.process_time()
    for message in messages[cut:]:
        pager.on_records((message,))
    return (numbers[-1] - numbers[cut]) / (time.process_time() - start)
