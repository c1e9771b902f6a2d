"""Lives of series: false pages a week and real changes found, for each kind of series that production has.

56 days in windows of 15 minutes, 40 series a kind, all in one `Watch`, as the second stage of every engine runs it.
Pages are counted in weeks 5 to 8. Every series has one planted change in those weeks, of 5 to 8 robust standard
deviations and 6 to 24 windows; a page that begins within it finds it, any other is false. What a kind itself changes
for good (its rhythm vanishes, its level moves, a batch is added) is found by a page within its grace, which is not
counted as false either.

Seed 1 is for tuning, seed 2 for reporting.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from benchmarks import rows
from benchmarks.lives_kinds import DAYS, KINDS, NOISE, PER_DAY, WINDOW, Life
from streamgauge.anomaly.reference import Floats
from streamgauge.anomaly.types import Anomaly, SeriesKey
from streamgauge.pipelines.config.schema import DAY, JobConfig, WindowSpec
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.detection.watch import Watch
from streamgauge.pipelines.metrics import Metric, Values, View

SERIES: Final = 40
FIRST: Final = 28 * PER_DAY  # window from which pages are counted
WEEKS: Final = 4
REPORTED: Final = 2
START: Final = 1_770_508_800.0  # Sunday, 8 February 2026, 00:00 UTC: clocks change on 8 and 29 March
SPEC: Final = WindowSpec(name="short", kind="short", length=WINDOW, slide=WINDOW)
GOAL: Final = 0.02  # false pages a week and series


class Planted(NamedTuple):
    """One change: windows `start` (included) to `end` (not)."""

    start: int
    end: int


class Outcome(NamedTuple):
    """What became of one kind."""

    false: int
    found: int
    changes: int
    late: float  # median windows from a change to its page

    @property
    def weekly(self) -> float:
        """False pages a week and series."""
        return self.false / (SERIES * WEEKS)


def run(args: argparse.Namespace) -> Iterable[rows.Row]:
    """False pages and changes found, a kind a row."""
    for name, outcome in lives(REPORTED, 8 if args.quick else SERIES).items():
        yield rows.waited(f"lives {name} false", outcome.weekly, "pages/week", GOAL)
        yield rows.reached(f"lives {name} found", outcome.found / max(1, outcome.changes), "share", 1.0)


def lives(seed: int, series: int = SERIES, kinds: Iterable[str] = tuple(KINDS)) -> Mapping[str, Outcome]:
    """The outcome of each kind; the same seed gives the same series."""
    places = {name: place for place, name in enumerate(KINDS)}
    made = {name: KINDS[name](np.random.default_rng((seed, places[name])), series) for name in kinds}
    planted = {name: _plant(np.random.default_rng((seed, 1000 + places[name])), life) for name, life in made.items()}
    pages = _watch({name: life.values for name, life in made.items()})
    return {name: _judge(made[name], planted[name], pages[name]) for name in made}


def _plant(generator: np.random.Generator, life: Life) -> list[Planted | None]:
    """Add one change to every series, where nothing else changes within two days before and after."""
    planted: list[Planted | None] = []
    latest = DAYS * PER_DAY - PER_DAY
    for column in range(life.values.shape[1]):
        if any(change is not None and change + life.open > latest - 5 * PER_DAY for change in life.changes):
            planted.append(None)  # no room for another change
            continue
        while True:
            start = int(generator.integers(FIRST + PER_DAY, latest))
            own = life.changes[column]
            if own is None or not -2 * PER_DAY < start - own < max(life.grace, life.open) + 2 * PER_DAY:
                break
        end = start + int(generator.integers(6, 25))
        size = generator.uniform(5.0, 8.0) * NOISE * generator.choice([-1.0, 1.0])
        life.values[start:end, column] += size * life.sigma
        planted.append(Planted(start, end))
    return planted


def _nothing(view: View) -> Values:
    raise NotImplementedError("values are given")


def _watch(values: Mapping[str, Floats]) -> dict[str, list[list[int]]]:
    """The windows at which each series of each kind paged."""
    metric = Metric("level", "sample", "sample", _nothing, "count", 1.0, "short", "A life's own.")._replace(
        transform="identity", direction="both"
    )
    keys = {
        SeriesKey("lives", "", "sample", f"{name}:{column:03}", "level"): (name, column)
        for name, block in values.items() for column in range(block.shape[1])
    }
    order = tuple(sorted(keys))
    table = np.stack([values[name][:, column] for name, column in (keys[key] for key in order)], axis=1)
    watch = Watch(JobConfig(name="lives", windows=(SPEC,)), SPEC)
    ones, metrics = np.ones(len(order)), (metric,) * len(order)
    pages: dict[str, list[list[int]]] = {name: [[] for _ in range(block.shape[1])] for name, block in values.items()}
    begun: set[tuple[SeriesKey, float]] = set()
    for number, row in enumerate(table):
        start = START + number * WINDOW
        window = Columns(
            SPEC.name, start, start + WINDOW, 0, WINDOW, order, metrics, row, 1000.0 * ones, 0.0 * ones, 0.0 * ones
        )
        for told in _step(watch, window):
            is_new = (told.key, told.start) not in begun  # a later record of an episode is no page
            begun.add((told.key, told.start))
            if told.end is None and is_new and number >= FIRST:
                name, column = keys[told.key]
                pages[name][column].append(number)
    return pages


def _step(watch: Watch, window: Columns) -> list[Anomaly]:
    judged = watch.judge(window)
    found = watch.anomalies_of(window, judged, window.end)
    watch.learn(window, judged, np.zeros(len(window.keys), dtype=bool))
    return found


def _judge(life: Life, planted: list[Planted | None], pages: list[list[int]]) -> Outcome:
    false = found = changes = 0
    late: list[int] = []
    for column, told in enumerate(pages):
        spans = [span for span in (planted[column],) if span is not None]
        own = life.changes[column]
        if own is not None:
            spans.append(Planted(own, own + life.grace))
        for span in spans:
            inside = [page for page in told if span.start <= page <= span.end]
            found += bool(inside)
            changes += 1
            late += [inside[0] - span.start] if inside else []
        false += sum(not any(span.start <= page <= span.end for span in spans) for page in told)
    return Outcome(false, found, changes, float(np.median(late)) if late else float("nan"))


assert DAY == PER_DAY * WINDOW, "windows must divide the day"
