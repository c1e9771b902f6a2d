"""Bins that a reference fixes, and counts of a current window in the same bins."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamgauge.tracer.summaries import Buckets, Heavy, Histogram

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
NUMERIC_BINS: Final = 20
ID_BINS: Final = 50  # and one for all others
SURE: Final = 0.1  # of the count of an id in the reference: what its error may be


def numeric_cuts(reference: Histogram, limit: int = NUMERIC_BINS) -> Integers:
    """Cuts of at most `limit` bins of near-equal mass in the reference, see `cuts_of`."""
    return cuts_of(reference.keys, reference.counts, limit)


def prediction_cuts(reference: Buckets, limit: int = NUMERIC_BINS) -> Integers:
    """Cuts of at most `limit` bins of predictions of near-equal mass in the reference."""
    return cuts_of(reference.bucket, reference.counts, limit)


def cuts_of(keys: NDArray[Any], counts: Integers, limit: int) -> Integers:
    """The last key of every bin but the open last one; a key with a bin's mass has a bin of its own.

    So a spike (a default, a zero) is not mixed with its neighbours, and a shift to either side of it shows.

    >>> cuts_of(np.array([1, 2, 3, 9]), np.array([1, 1, 97, 1]), 4).tolist()
    [2, 3]
    """
    total = int(counts.sum())
    target = total / limit
    while True:
        cuts = _greedy(keys.tolist(), counts.tolist(), target)
        if len(cuts) < limit:
            return np.array(cuts, np.int64)
        target *= 1.25


def count_numeric(cuts: Integers, histogram: Histogram) -> Integers:
    """Counts of a histogram in the bins of `cuts`, of shape [len(cuts) + 1]."""
    return count_keys(cuts, histogram.keys, histogram.counts)


def count_predictions(cuts: Integers, buckets: Buckets) -> Integers:
    """Counts of predictions in the bins of `cuts`, of shape [len(cuts) + 1]."""
    return count_keys(cuts, buckets.bucket, buckets.counts)


def id_vocabulary(reference: Heavy, limit: int = ID_BINS) -> NDArray[np.uint64]:
    """Hashes of the reference's `limit` most frequent values, sorted; of those whose counts are known to 10 %.

    The others are one with the rest: what a sketch keeps of them depends on how many parts it was merged from.
    """
    known = [top.hash for top in reference.top(limit) if top.error <= SURE * top.rows]
    return np.sort(np.array(known, np.uint64))


def count_ids(vocabulary: NDArray[np.uint64], heavy: Heavy) -> Floats:
    """Counts of the vocabulary's values and, last, of all others: shape [len(vocabulary) + 1].

    Where a count is known to lie between two bounds it is taken in their middle; `id_slack` is half of their distance.
    """
    counts = heavy.counts_of(vocabulary) + id_slack(vocabulary, heavy)[:-1]
    return np.append(counts, max(heavy.total - counts.sum(), 0.0))


def id_slack(vocabulary: NDArray[np.uint64], heavy: Heavy) -> Floats:
    """How far each count of `count_ids` can be off, at most; of all others the sum."""
    slack = 0.5 * heavy.slack_of(vocabulary)
    return np.append(slack, slack.sum())


def _greedy(keys: list[int], counts: list[int], target: float) -> list[int]:
    cuts: list[int] = []
    mass = 0
    for key, count in zip(keys, counts, strict=True):
        if count >= target:
            if mass or not cuts:
                cuts.append(key - 1)
            cuts.append(key)
            mass = 0
        else:
            mass += count
            if mass >= target:
                cuts.append(key)
                mass = 0
    return cuts


def count_keys(cuts: Integers, keys: NDArray[Any], counts: Integers) -> Integers:
    """Counts of sorted keys in the bins of `cuts`, of shape [len(cuts) + 1]."""
    bins = np.searchsorted(cuts, keys.astype(np.int64), side="left")
    return np.bincount(bins, counts, minlength=len(cuts) + 1).astype(np.int64)
