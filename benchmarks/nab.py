"""The Numenta Anomaly Benchmark (`--data DIR` with its `data` and `labels`): its published rule, one parameter set.

The rule (Lavin and Ahmad 2015): of each labelled window the earliest detection pays by how early it is, every detection
outside costs, and ONE threshold for all files is chosen on the labels. Also with the threshold chosen on other files
(five folds, two shuffles). The detector's composition was chosen on these files, so the first number is in-sample.
`--results DIR` keeps the scores for the official scorer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from benchmarks import rows
from benchmarks.labelled import Series, read, run_all, write
from streamgauge.anomaly.reference import Floats, Rows

FALSE: Final = 0.11  # cost of a detection outside, of the standard profile
TARGET: Final = 72.0
FOLDS: Final = 5


class Rated(NamedTuple):
    """One file past its probation; every array has one element a row."""

    score: Floats
    weight: Floats  # -1..1, what a detection here is worth
    window: Rows  # the labelled window's number over all files, -1 for none
    windows: int  # labelled ones, past the probation or not


def run(args: argparse.Namespace) -> Iterable[rows.Row]:
    """The standard profile's score; nothing without `--data`."""
    if not args.data or not (args.data / "labels").is_dir():
        return
    labels = json.loads((args.data / "labels" / "combined_windows.json").read_text())
    series = [read(args.data / "data" / name, name) for name in sorted(labels)]
    results = run_all(series)
    rated, number = [], 0
    for one, result in zip(series, results, strict=True):
        rated.append(_rated(one, result.scores, labels[one.name], number))
        number += len(labels[one.name])
        if args.results:
            write(args.results, one, result)
    value = 100.0 * best(rated)[0] / perfect(rated)
    yield rows.reached("nab standard", value, "of 100", TARGET)
    for seed in (0, 1):
        name = f"nab standard, other files' threshold, shuffle {seed}"
        yield rows.reached(name, _out_of_fold(rated, seed), "of 100", TARGET)


def best(rated: Sequence[Rated]) -> tuple[float, float]:
    """The highest total that one threshold gives, and that threshold."""
    score = np.concatenate([one.score for one in rated])
    weight, window = np.concatenate([one.weight for one in rated]), np.concatenate([one.window for one in rated])
    order = np.argsort(-score, kind="stable")
    order = order[score[order] > 0.0]
    paid: dict[int, float] = {}
    total, highest, threshold = 0.0, 0.0, np.inf
    for place, row in enumerate(order.tolist()):
        if window[row] < 0:
            total += weight[row] * FALSE
        elif weight[row] > paid.get(window[row], -1.0):
            total += weight[row] - paid.get(window[row], -1.0)
            paid[window[row]] = weight[row]
        is_last = place + 1 == len(order) or score[order[place + 1]] != score[row]
        if is_last and total > highest:
            highest, threshold = total, score[row]
    return highest, threshold


def perfect(rated: Sequence[Rated]) -> float:
    """The total of a detector that finds every window in its first row and nothing else."""
    reached = sum(len(np.unique(one.window[one.window >= 0])) for one in rated)
    return float(sum(one.windows for one in rated) + reached)


def _out_of_fold(rated: Sequence[Rated], seed: int) -> float:
    total = whole = 0.0
    shuffled = np.random.default_rng(seed).permutation(len(rated))
    for part in np.array_split(shuffled, FOLDS):
        threshold = best([rated[i] for i in range(len(rated)) if i not in part])[1]
        held = [rated[i]._replace(score=(rated[i].score >= threshold).astype(float)) for i in part.tolist()]
        total += _total(held)
        whole += 2.0 * sum(len(np.unique(one.window[one.window >= 0])) for one in held)
    return 100.0 * total / whole


def _total(rated: Sequence[Rated]) -> float:
    """The total of all rows whose score is not 0."""
    total = 0.0
    for one in rated:
        hit = one.score > 0.0
        total += FALSE * float(one.weight[hit & (one.window < 0)].sum())
        found = np.unique(one.window[hit & (one.window >= 0)]).tolist()
        total += sum(1.0 + float(one.weight[hit & (one.window == window)].max()) for window in found)
    return total


def _rated(series: Series, scores: Floats, spans: Sequence[Sequence[str]], number: int) -> Rated:
    places = {datetime.fromisoformat(stamp): row for row, stamp in reversed(list(enumerate(series.stamps)))}
    bounds = [(places[datetime.fromisoformat(start)], places[datetime.fromisoformat(end)]) for start, end in spans]
    count = len(series.values)
    position, window = np.full(count, 99.0), np.full(count, -1)
    for place, (start, end) in enumerate(bounds):
        width = end - start + 1.0
        position[start : end + 1] = -(end - np.arange(start, end + 1) + 1) / width
        window[start : end + 1] = number + place
        until = bounds[place + 1][0] if place + 1 < len(bounds) else count
        position[end + 1 : until] = (np.arange(end + 1, until) - end) / (width - 1.0)
    weight = _sigmoid(position)
    weight = np.where(window >= 0, weight / _sigmoid(np.array([-1.0]))[0], weight)
    past = np.arange(count) >= min(int(0.15 * count), 0.15 * 5000)
    return Rated(scores[past], weight[past], window[past], len(spans))


def _sigmoid(x: Floats) -> Floats:
    return np.where(x > 3.0, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.clip(x, -50.0, 50.0))) - 1.0)
