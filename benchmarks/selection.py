"""Which detector for a series: the answers beside each other, on a family of labelled series that none was tuned on.

`--data DIR` has two families: `DIR/kpi` (CSV files with labels) and `DIR/nab` (the Numenta corpus). All that is chosen
(thresholds, the best channel, weights, what a selector learns) is chosen on the one and judged on the other. A
detector is a channel of `anomaly.surprise` with its calibration, so that all speak of the same `-log10 p`.

    random           a channel drawn for each series, the mean over all draws
    best single      the channel with the highest F1 on the other family
    plain ensemble   the mean of all channels
    oracle           each series' best channel by its own labels: what no selector can reach
    by trial         the channel on which planted faults stand out most in the series' first half: needs no labels
    by likeness      the channel that was best for the most similar series of the other family
    learnt ensemble  up to three channels, chosen greedily on the other family
    ours             what ships for files, `Surprise`'s two steps; found on labels of both families, so in-sample here

Measured is event F1 over the second halves, as in `events`; a window of Numenta's counts wherever it is met.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from benchmarks import rows
from benchmarks.selection_families import NAMES, Labelled, families
from streamgauge.anomaly.reference import Floats
from streamgauge.anomaly.surprise import QUIET

THRESHOLDS: Final = np.arange(1.5, 16.01, 0.25)
NEAREST: Final = 5  # series that a likeness is about
MEMBERS: Final = 3
RANDOM: Final = "a random choice"


class Counts(NamedTuple):
    """What the alerts of some series met; each of shape [series]."""

    found: Floats
    false: Floats
    segments: Floats

    @property
    def f1(self) -> float:
        """Over all of them."""
        return _f1(*(float(np.sum(part)) for part in self))

    def each(self) -> Floats:
        """Of each series; where there is nothing to be found, fewer false alerts are better."""
        return np.array([_f1(*one) if one[2] else -one[1] for one in zip(*self, strict=True)])


Scores = Sequence[Floats]  # of each series, a value a row


def run(args: argparse.Namespace) -> Iterable[rows.Row]:
    """All answers for each family, a row each; nothing without both."""
    known = families(args.data) if args.data else {}
    if len(known) < 2:
        return
    for name, other in (("kpi", "nab"), ("nab", "kpi")):
        found = answers(known[name], known[other])
        against = found.pop("random")
        yield rows.reading(f"selection {name}: random", against, "F1")
        for answer, f1 in found.items():
            yield rows.faster(f"selection {name}: {answer}", f1, "F1", max(against, 1e-9), RANDOM)


def answers(judged: Sequence[Labelled], other: Sequence[Labelled]) -> dict[str, float]:
    """F1 of every answer on `judged`; whatever is chosen is chosen on `other`."""
    singles = [_transferred(judged, other, _of_channel(place)) for place in range(len(NAMES))]
    theirs = [_best(other, _of_channel(place))[1] for place in range(len(NAMES))]
    best = int(np.argmax([counts.f1 for counts in theirs]))
    each = np.stack([counts.each() for counts in singles])
    members = _greedy(other)
    return {
        "random": Counts(*(np.mean([one[part] for one in singles], axis=0) for part in range(3))).f1,
        f"best single ({NAMES[best]})": singles[best].f1,
        "plain ensemble": _transferred(judged, other, lambda one: one.surprise.mean(axis=0)).f1,
        "oracle": _picked(singles, np.argmax(each, axis=0)).f1,
        "by trial": _picked(singles, np.array([int(np.argmax(one.apart)) for one in judged])).f1,
        "by likeness": _picked(singles, _alike(judged, other, np.stack([counts.each() for counts in theirs]))).f1,
        f"learnt ensemble ({', '.join(NAMES[one] for one in members)})":
            _transferred(judged, other, lambda one: one.surprise[members].sum(axis=0)).f1,
        "ours": _transferred(judged, other, lambda one: one.steps).f1,
    }  # fmt: skip


def _f1(found: float, false: float, segments: float) -> float:
    return 2.0 * found / max(found + false + segments, 1e-12)


def _of_channel(place: int) -> Callable[[Labelled], Floats]:
    return lambda one: one.surprise[place]


def _transferred(judged: Sequence[Labelled], other: Sequence[Labelled], score: Callable[[Labelled], Floats]) -> Counts:
    """With the threshold that is best on the other family."""
    return _counted(judged, [score(one) for one in judged], _best(other, score)[0])


def _best(family: Sequence[Labelled], score: Callable[[Labelled], Floats]) -> tuple[float, Counts]:
    """The threshold with the highest F1 of a family, and what its alerts met."""
    scores = [score(one) for one in family]
    tried = [(float(threshold), _counted(family, scores, float(threshold))) for threshold in THRESHOLDS]
    return max(tried, key=lambda one: one[1].f1)


def _counted(family: Sequence[Labelled], scores: Scores, threshold: float) -> Counts:
    met = np.zeros((3, len(family)))
    for column, (one, score) in enumerate(zip(family, scores, strict=True)):
        alerts = np.array(_alerts(score, threshold), np.int64)
        met[0, column] = sum(bool(((alerts >= start) & (alerts < end)).any()) for start, end in one.segments)
        met[1, column] = np.count_nonzero(~one.inside[alerts])
        met[2, column] = len(one.segments)
    return Counts(*met)


def _alerts(score: Floats, threshold: float) -> list[int]:
    """Rows above, none within `QUIET` rows of the one before."""
    found: list[int] = []
    for row in np.flatnonzero(score > threshold).tolist():
        if not found or row - found[-1] > QUIET:
            found.append(row)
    return found


def _picked(singles: Sequence[Counts], choice: Floats) -> Counts:
    """What one channel a series met."""
    series = np.arange(len(choice))
    return Counts(*(np.stack([one[part] for one in singles])[choice, series] for part in range(3)))


def _alike(judged: Sequence[Labelled], other: Sequence[Labelled], theirs: Floats) -> Floats:
    """For each series the channel that was best in the mean over the most similar ones of the other family."""
    known = np.stack([one.features for one in other])
    spread = known.std(axis=0) + 1e-9
    chosen = []
    for one in judged:
        away = np.square((known - one.features) / spread).sum(axis=1)
        chosen.append(int(np.argmax(theirs[:, np.argsort(away, kind="stable")[:NEAREST]].mean(axis=1))))
    return np.array(chosen)


def _greedy(family: Sequence[Labelled]) -> list[int]:
    """The channels whose sum has the highest F1 of a family, one by one."""
    members: list[int] = []
    reached = 0.0
    while len(members) < MEMBERS:
        rest = [place for place in range(len(NAMES)) if place not in members]
        tried = [(_best(family, _sum([*members, place]))[1].f1, place) for place in rest]
        f1, place = max(tried)
        if f1 <= reached:
            break
        members, reached = [*members, place], f1
    return members


def _sum(members: list[int]) -> Callable[[Labelled], Floats]:
    return lambda one: one.surprise[members].sum(axis=0)
