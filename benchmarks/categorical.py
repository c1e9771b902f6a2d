"""Shifts in categorical streams found, and the value named, at equal false alarms: a sketch, a network, PSI and trees.

Real ids (`categorical_plants`): a year of flights with planted shifts, each seen by every detector as of its past. The
thresholds are each detector's own quantile of its scores of the untouched year, one a feature, so that all raise one
false alarm in 14 days: in hindsight, for all alike. A shift is found where a score of its feature is above it.

    sketch      ours, the default in the stream: `anomaly.categorical.rates`
    network     ours, the other one: `anomaly.categorical.autoencoder`, an adversarial autoencoder with recurrence
    psi         population stability index over its noise floor, against the last 28 days: what the metric `psi` is
    trees       river's half-space trees on the root of hashed shares; they name no value
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from benchmarks import rows
from benchmarks.categorical_detectors import Detector, Network, Psi, Sketch, Trees
from benchmarks.categorical_plants import FEATURES, FIRST, KINDS, PER_DAY, Plant, Year, planted, plants, year
from streamgauge.anomaly.reference import Bools, Floats

SEED: Final = 2
PLANTS: Final = 240
APART: Final = 14.0  # days between false alarms


class Seen(NamedTuple):
    """One planted shift as a detector saw it: the score and value of each of its blocks, and what names it."""

    plant: Plant
    scores: Floats
    is_named: Sequence[bool | None]


class Outcome(NamedTuple):
    """What a detector made of the year: scores by feature, [blocks]; and of the planted shifts."""

    clean: Mapping[str, Floats]
    seen: Sequence[Seen]


DETECTORS: Final[Mapping[str, Callable[[], Detector]]] = {
    "sketch": Sketch, "network": Network, "psi": Psi, "trees": Trees,
}  # fmt: skip


def run(args: argparse.Namespace) -> Iterable[rows.Row]:
    """Found and named by each detector, and by kind of shift; against PSI."""
    known = year()
    chosen = list(plants(np.random.default_rng(SEED), PLANTS // 5 if args.quick else PLANTS, known.blocks))
    found = {name: judged(known, make(), chosen) for name, make in DETECTORS.items()}
    level = {name: _level(outcome) for name, outcome in found.items()}
    against = _found(found["psi"], level["psi"])
    for name, outcome in found.items():
        ours = _found(outcome, level[name])
        yield rows.faster(f"categorical {name}: found", float(np.mean(ours)), "share", float(np.mean(against)), "psi")
        for kind in KINDS:
            of = [hit for hit, seen in zip(ours, outcome.seen, strict=True) if seen.plant.kind == kind]
            yield rows.reading(f"categorical {name}: {kind} found", float(np.mean(of)), "share")
        named = list(_named(outcome, level[name]))
        if named:
            yield rows.reading(f"categorical {name}: value named", float(np.mean(named)), "share of those found")


def judged(known: Year, detector: Detector, chosen: Sequence[Plant]) -> Outcome:
    """One pass over the year; at each shift's begin a copy goes on into it and learns nothing there."""
    clean = {name: np.zeros(known.blocks) for name in FEATURES}
    begins: dict[int, list[Plant]] = {}
    for plant in chosen:
        begins.setdefault(plant.start, []).append(plant)
    seen: list[Seen] = []
    for number in range(known.blocks):
        seen += [_into(known, copy.deepcopy(detector), plant) for plant in begins.get(number, ())]
        block = known.block(number)
        for name, (score, _) in detector.judge(block).items():
            clean[name][number] = score
        if number % PER_DAY == PER_DAY - 1:  # days that do not overlap
            detector.learn(block)
    return Outcome(clean, sorted(seen, key=lambda one: chosen.index(one.plant)))


def _into(known: Year, detector: Detector, plant: Plant) -> Seen:
    scores, named = np.zeros(plant.end - plant.start), list[bool | None]()
    for place, number in enumerate(range(plant.start, plant.end)):
        found = planted(known, plant, number)
        scores[place], value = detector.judge(found.block).get(plant.feature, (0.0, -1))
        if number % PER_DAY == PER_DAY - 1:
            detector.pass_by(found.block)
        named.append(value in found.named if found.named and value >= 0 else None)
    return Seen(plant, scores, named)


def _level(outcome: Outcome) -> dict[str, float]:
    """The threshold of each feature: the same share of blocks each, as many alarms in all as are allowed."""
    clean = {name: scores[FIRST:] for name, scores in outcome.clean.items()}
    allowed = len(clean[FEATURES[0]]) / PER_DAY / APART
    for share in np.geomspace(0.2, 1e-4, 200):
        level = {name: float(np.quantile(scores, 1.0 - share)) for name, scores in clean.items()}
        if sum(_alarms(scores > level[name]) for name, scores in clean.items()) <= allowed:
            return level
    return {name: float(scores.max()) for name, scores in clean.items()}


def _alarms(above: Bools) -> int:
    """Those within a day are one."""
    places = np.flatnonzero(above)
    return int(len(places) > 0) + int(np.count_nonzero(np.diff(places) > PER_DAY))


def _found(outcome: Outcome, level: Mapping[str, float]) -> list[bool]:
    return [bool((one.scores > level[one.plant.feature]).any()) for one in outcome.seen]


def _named(outcome: Outcome, level: Mapping[str, float]) -> Iterable[bool]:
    """Whether the value of the first block that alarms is the planted one, of those that have one."""
    for one in outcome.seen:
        above = np.flatnonzero(one.scores > level[one.plant.feature])
        if len(above) and (named := one.is_named[int(above[0])]) is not None:
            yield named
