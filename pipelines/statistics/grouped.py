"""Ranking within groups (users, sessions, requests): GAUC, NDCG@K, HR@K, recall@K, MRR; from `Groups`.

Rows of a group in one of the 4,096 logit buckets count as ties: half a pair in an AUC, the mean over all orders in what
looks at ranks. Groups with one class say nothing and are left out, the share of the others stands beside. About 0.1 us
an entry.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgauge.pipelines.statistics.estimate import Estimate, Floats
from streamgauge.tracer.summaries import Groups

Integers = NDArray[np.int64]
GroupWeight = Literal["rows", "clicks"]
DEEPEST: Final = 10_000  # ranks of one tie that MRR looks at; what is left then weighs below 1e-4
KEPT: Final = 8  # groups whose values are kept: several metrics read them


class Gauc(NamedTuple):
    """GAUC with what it is made of."""

    value: float
    error: float  # of the weighted mean over groups, these taken as drawn: what sampling them does is in it
    bound: float  # of the bucketing, as of `ranking.auc`
    groups: int  # with both classes
    skipped: int  # with one class
    kept_share: float  # weight of the groups with both classes / of all


class Ranked(NamedTuple):
    """Means over the groups that have a positive, each with its standard error."""

    ndcg: Estimate
    hit_rate: Estimate
    recall: Estimate
    mrr: Estimate
    groups: int


class _Runs(NamedTuple):
    """The entries of each group, highest bucket first; entry arrays have shape [n], group arrays [g]."""

    group: Integers  # number of each entry's group
    positives: Integers
    rows: Integers
    above: Integers  # rows of the group in higher buckets
    hits: Integers  # positives of the group in higher buckets
    all_positives: Integers  # by group
    all_rows: Integers  # by group


@lru_cache(KEPT)
def gauc(groups: Groups, weight: GroupWeight = "rows") -> Gauc:
    """Weighted mean of the groups' AUCs (Zhu et al. 2017), weighted by rows or positives; NaN without a group of both.

    The error is that of a ratio of sums over groups drawn at random: sqrt(n / (n - 1) sum w^2 (A - G)^2) / sum w.

    >>> round(gauc(Groups.of(np.array([1, 1, 2, 2], np.uint64), [0.9, 0.1, 0.2, 0.3], [1, 0, 1, 0])).value, 2)
    0.5
    """
    runs = _runs(groups)
    pos, neg = runs.all_positives, runs.all_rows - runs.all_positives
    weights = (runs.all_rows if weight == "rows" else pos).astype(np.float64)
    both = (pos > 0) & (neg > 0)
    total, kept = math.fsum(weights.tolist()), math.fsum(weights[both].tolist())
    n, skipped = int(np.count_nonzero(both)), int(np.count_nonzero(~both))
    if not n or kept <= 0:
        return Gauc(math.nan, math.nan, math.nan, 0, skipped, 0.0 if total else math.nan)
    negatives = runs.rows - runs.positives
    count = len(pos)
    won = np.bincount(runs.group, negatives * runs.hits, minlength=count)
    tied = np.bincount(runs.group, 0.5 * runs.positives * negatives, minlength=count)
    pairs = (pos * neg)[both]
    area, w = (won + tied)[both] / pairs, weights[both]
    value = math.fsum((w * area).tolist()) / kept
    squares = math.fsum((w**2 * (area - value) ** 2).tolist())
    error = math.sqrt(n / (n - 1) * squares) / kept if n > 1 else math.nan
    return Gauc(value, error, math.fsum((w * tied[both] / pairs).tolist()) / kept, n, skipped, kept / total)


@lru_cache(KEPT)
def ranked(groups: Groups, k: int = 10) -> Ranked:
    """NDCG@K (binary gains, log2 discounts), HR@K, recall@K and MRR over the groups with a positive, each a mean.

    Ties: the expected value over all orders of the tied rows, exact for all four.
    """
    runs = _runs(groups)
    has = runs.all_positives > 0
    count, n = len(has), int(np.count_nonzero(has))
    share = runs.positives / np.maximum(runs.rows, 1)
    discounts = np.concatenate(([0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))))
    gains = discounts[np.minimum(runs.above + runs.rows, k)] - discounts[np.minimum(runs.above, k)]
    dcg = np.bincount(runs.group, share * gains, minlength=count)
    taken = np.clip(k - runs.above, 0, runs.rows)
    found = np.bincount(runs.group, share * taken, minlength=count)
    ideal = discounts[np.minimum(runs.all_positives, k)]
    return Ranked(
        _mean(dcg[has] / ideal[has]), _mean(_hits(runs, taken, count)[has]),
        _mean(found[has] / runs.all_positives[has]), _mean(_first(runs, count)[has]), n,
    )  # fmt: skip


def _runs(groups: Groups) -> _Runs:
    group, positives, negatives = groups.group[::-1], groups.positives[::-1], groups.negatives[::-1]
    rows = positives + negatives
    is_first = np.ones(len(group), bool)
    is_first[1:] = group[1:] != group[:-1]
    first = np.flatnonzero(is_first)
    number = np.cumsum(is_first) - 1
    above, hits = np.cumsum(rows) - rows, np.cumsum(positives) - positives
    if not len(group):
        return _Runs(number, positives, rows, above, hits, positives, rows)
    return _Runs(
        number, positives, rows, above - above[first][number], hits - hits[first][number],
        np.add.reduceat(positives, first), np.add.reduceat(rows, first),
    )  # fmt: skip


def _hits(runs: _Runs, taken: Integers, count: int) -> Floats:
    """Chance of a positive among the first K, by group: sure before the entry that K cuts, hypergeometric in it."""
    sure = np.bincount(runs.group, (taken == runs.rows) * runs.positives, minlength=count) > 0
    cut = np.flatnonzero((taken > 0) & (taken < runs.rows) & (runs.positives > 0))
    chance = np.where(sure, 1.0, 0.0)
    for at in cut.tolist():
        if not sure[runs.group[at]]:
            missed = _none_of(int(runs.rows[at]), int(runs.positives[at]), int(taken[at]))
            chance[runs.group[at]] = 1.0 - missed
    return chance


def _none_of(rows: int, positives: int, drawn: int) -> float:
    """Chance that none of the drawn rows is positive."""
    return math.comb(rows - positives, drawn) / math.comb(rows, drawn) if drawn <= rows - positives else 0.0


def _first(runs: _Runs, count: int) -> Floats:
    """Expected reciprocal rank of the first positive, by group: in its highest entry with a positive, in any order."""
    lead = np.flatnonzero((runs.positives > 0) & (runs.hits == 0))
    rows, pos, above = runs.rows[lead], runs.positives[lead], runs.above[lead]
    left = np.ones(len(lead))  # chance that all rows before were negative
    value = np.zeros(len(lead))
    for j in range(min(DEEPEST, int((rows - pos).max(initial=-1)) + 1)):
        at = left * np.clip(pos / np.maximum(rows - j, 1), 0.0, 1.0)
        value += at / (above + j + 1)
        left -= at
        if left.max(initial=0.0) < 1e-9:
            break
    result = np.zeros(count)
    result[runs.group[lead]] = value
    return result


def _mean(values: Floats) -> Estimate:
    n = len(values)
    if not n:
        return Estimate(math.nan, math.nan)
    mean = math.fsum(values.tolist()) / n
    squares = math.fsum(((values - mean) ** 2).tolist())
    return Estimate(mean, math.sqrt(squares / (n - 1) / n) if n > 1 else math.nan)
