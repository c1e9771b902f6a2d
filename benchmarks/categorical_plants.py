"""Blocks of real ids with planted shifts: carriers, tail numbers, destinations and routes of flights, by the day.

    stuck      a share of the rows has the feature's most frequent value
    value      a share of the rows has one value that was never seen
    format     a share of the rows has values that were never seen, each its own
    uniform    a share of the rows has values drawn evenly from all that there are
    renamed    the rows of one usual value have another usual value
    gone       the rows of one usual value are gone

A block is a day, and there is one every 3 hours, as the demo's job has it. Each shift lasts a day, at one feature;
shares are drawn from 2 % to 30 %, usual values from the 3rd to 15th most frequent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from streamgauge.anomaly.categorical.spread import NEW, Counts, Hashes
from streamgauge.examples.flights.columns import AIRPORTS
from streamgauge.examples.flights.data import load
from streamgauge.tracer.summaries.hashing import codes_of, tally

FEATURES: Final = ("carrier", "tailnum", "dest", "carrier_dest")
KINDS: Final = ("stuck", "value", "format", "uniform", "renamed", "gone")
SLIDE: Final = 3 * 3600.0  # from one block to the next, seconds
PER_DAY: Final = 8
FIRST: Final = 70 * PER_DAY  # block from which all is counted
Block = Mapping[str, tuple[Hashes, Counts]]
Columns = Mapping[str, Hashes]


class Plant(NamedTuple):
    """One shift; blocks `start` (included) to `end` (not)."""

    kind: str
    feature: str
    start: int
    end: int
    share: float
    seed: int


class Planted(NamedTuple):
    """A block with a shift in it, and the codes that say what it was; none where no value does."""

    block: Block
    named: frozenset[int]


class Year(NamedTuple):
    """All rows, and where each slice of 3 hours begins in the columns."""

    columns: Columns
    edges: Counts

    @property
    def blocks(self) -> int:
        """How many."""
        return len(self.edges) - 1

    def rows(self, first: int, last: int) -> dict[str, Hashes]:
        """The codes of the slices `first` to `last`."""
        cut = slice(int(self.edges[max(first, 0)]), int(self.edges[last + 1]))
        return {name: column[cut] for name, column in self.columns.items()}

    def block(self, number: int) -> Block:
        """The day that ends with slice `number`, as its profiles are."""
        return tallied(self.rows(number - PER_DAY + 1, number))


def year(cache: Path | None = None) -> Year:
    """The flights of all three airports; days begin at midnight in New York."""
    flights = [load(airport, cache) for airport in AIRPORTS]
    time = np.concatenate([one.time for one in flights])
    order = np.argsort(time, kind="stable")
    columns = {name: codes_of(np.concatenate([one.features[name] for one in flights]))[order] for name in FEATURES}
    midnight = 5 * 3600.0
    number = np.floor((time[order] - midnight) / SLIDE).astype(np.int64)
    first = number[0] // PER_DAY * PER_DAY
    return Year(columns, np.searchsorted(number - first, np.arange(number[-1] - first + 2)))


def tallied(rows: Mapping[str, Hashes]) -> Block:
    """A block as its profiles are."""
    found = {name: tally(codes[codes != 0]) for name, codes in rows.items()}
    return {name: (one.hashes, one.counts) for name, one in found.items()}


def plants(generator: np.random.Generator, count: int, blocks: int) -> Iterator[Plant]:
    """Shifts of every kind at every feature in turn."""
    for number in range(count):
        start = int(generator.integers(FIRST, blocks - 2 * PER_DAY))
        kind, feature = KINDS[number % len(KINDS)], FEATURES[number // len(KINDS) % len(FEATURES)]
        share = float(np.exp(generator.uniform(np.log(0.02), np.log(0.3))))
        yield Plant(kind, feature, start, start + PER_DAY, share, int(generator.integers(1 << 30)))


def planted(known: Year, plant: Plant, number: int) -> Planted:
    """The day that ends with slice `number`, with the shift in what of it is planted."""
    rows, before = known.rows(plant.start, number), known.rows(number - PER_DAY + 1, plant.start - 1)
    codes, generator = rows[plant.feature], np.random.default_rng(plant.seed)
    usual = tally(known.columns[plant.feature][: int(known.edges[plant.start])])
    order = usual.hashes[np.argsort(-usual.counts, kind="stable")]
    order = order[order != 0]
    one, other = order[np.random.default_rng(plant.seed).choice(np.arange(2, min(15, len(order))), 2, replace=False)]
    hit = generator.random(len(codes)) < plant.share
    fresh = int(tally(codes_of(np.array([f"never seen {plant.seed}"]))).hashes[0])
    changed, named = codes.copy(), {fresh, NEW}
    if plant.kind == "stuck":
        changed[hit], named = order[0], {int(order[0])}
    elif plant.kind == "value":
        changed[hit] = fresh
    elif plant.kind == "format":
        changed[hit] = generator.integers(1, 1 << 63, int(hit.sum()), np.uint64)
        named = {NEW, *changed[hit].tolist()}
    elif plant.kind == "uniform":
        changed[hit], named = generator.choice(order, int(hit.sum())), set()
    elif plant.kind == "renamed":
        changed[codes == one], named = other, {int(one), int(other)}
    else:
        changed, named = changed[codes != one], {int(one)}
    rows[plant.feature] = changed
    return Planted(tallied({name: np.concatenate([before[name], rows[name]]) for name in rows}), frozenset(named))
