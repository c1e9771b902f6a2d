"""GAUC and the ranking metrics against definitions over rows and over every order of ties."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.statistics.grouped import gauc, ranked
from streamgauge.tracer.summaries import Groups, hash_values


def of(users, p, y, modulus=1):
    return Groups.of(hash_values(np.asarray(users)), p, y, modulus)


def exact_auc(p, y):
    hits, misses = p[y == 1], p[y == 0]
    return float(((hits[:, None] > misses) + 0.5 * (hits[:, None] == misses)).mean())


def exact_gauc(users, p, y, weight="rows"):
    areas, weights, every = [], [], 0.0
    for user in np.unique(users):
        q, z = p[users == user], y[users == user]
        mass = len(z) if weight == "rows" else z.sum()
        every += mass
        if 0 < z.sum() < len(z):
            areas.append(exact_auc(q, z))
            weights.append(mass)
    return float(np.average(areas, weights=weights)), sum(weights) / every


def clicks(seed, rows=4000, users=300, rate=0.15):
    """Users differ in their rate, which the model knows: the pooled AUC is far above the GAUC."""
    rng = np.random.default_rng(seed)
    user = (rng.pareto(1.2, rows) * 20).astype(int) % users
    own = rng.normal(0, 1.5, users)[user]
    logit = math.log(rate / (1 - rate)) + own + rng.normal(0, 0.5, rows)
    p = 1 / (1 + np.exp(-logit))
    return user, p, (rng.random(rows) < p).astype(float)


@pytest.mark.parametrize("weight", ["rows", "clicks"])
def test_gauc_and_its_share_are_those_of_the_rows_within_the_bound(weight):
    users, p, y = clicks(1)
    found, (value, share) = gauc(of(users, p, y), weight), exact_gauc(users, p, y, weight)
    assert abs(found.value - value) <= found.bound + 1e-12 < 0.01
    assert found.kept_share == pytest.approx(share)
    assert found.groups + found.skipped == len(np.unique(users))
    assert exact_auc(p, y) - found.value > 0.05


def test_gauc_of_sampled_users_lies_within_its_error_as_often_as_it_says():
    inside = []
    for seed in range(40):
        users, p, y = clicks(seed, rows=8000, users=2000)
        exact, _ = exact_gauc(users, p, y)
        found = gauc(Groups.of(hash_values(users, bytes([seed])), p, y, modulus=8))
        inside.append(abs(found.value - exact) <= 2 * found.error)
    assert np.mean(inside) >= 0.85  # 0.95 is what two sigmas of a normal law hold; the heaviest user is rarely drawn


def test_groups_of_one_row_and_of_one_class_are_skipped_and_counted():
    found = gauc(of([1, 2, 2, 3, 3], [0.5, 0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0, 1]))
    assert (found.groups, found.skipped, found.kept_share, found.value) == (1, 2, 0.4, 1.0)
    nothing = gauc(of([1, 2], [0.5, 0.1], [1, 0]))
    assert math.isnan(nothing.value) and (nothing.groups, nothing.kept_share) == (0, 0.0)


def by_orders(scores, labels, k):
    """The mean over every order of the ties of (NDCG@K, HR@K, recall@K, MRR) of one group."""
    found = []
    for order in permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in pairwise(order)):
            hits = [labels[i] for i in order]
            discount = [1 / math.log2(i + 2) for i in range(len(hits))]
            ideal = sum(discount[:k][: sum(hits)])
            dcg = sum(h * d for h, d in zip(hits[:k], discount, strict=False))
            found.append((dcg / ideal, float(any(hits[:k])), sum(hits[:k]) / sum(hits), 1 / (hits.index(1) + 1)))
    return np.mean(found, axis=0)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 1)), min_size=1, max_size=6),
        min_size=1, max_size=4,
    ),
    st.integers(1, 4),
)
def test_ranking_metrics_are_the_mean_over_all_orders_of_ties(lists, k):
    users = [i for i, rows in enumerate(lists) for _ in rows]
    scores = [p for rows in lists for p, _ in rows]
    labels = [y for rows in lists for _, y in rows]
    found = ranked(of(users, scores, labels), k)
    exact = [by_orders([p for p, _ in rows], [y for _, y in rows], k) for rows in lists if any(y for _, y in rows)]
    assert found.groups == len(exact)
    values = [found.ndcg.value, found.hit_rate.value, found.recall.value, found.mrr.value]
    if exact:
        np.testing.assert_allclose(values, np.mean(exact, axis=0), atol=1e-9)
    else:
        assert np.isnan(values).all()
