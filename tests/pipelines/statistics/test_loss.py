"""Brier, PR-AUC and the best F1 against exact computations over the rows, within their stated bounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.statistics import brier, max_f1, pr_auc
from streamgauge.tracer.summaries import LabelBuckets


def exact_average_precision(p, y, w):
    """Sum over distinct thresholds, highest first, of the step in recall x the precision there."""
    order = np.argsort(-p, kind="stable")
    p, y, w = p[order], y[order], w[order]
    ends = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)
    hits, every = np.cumsum(w * y)[ends], np.cumsum(w)[ends]
    return float((np.diff(hits, prepend=0.0) * hits / every).sum() / hits[-1])


def exact_f1(p, y, w):
    found = [
        2 * (w * y)[p >= at].sum() / (w[p >= at].sum() + (w * y).sum()) for at in np.unique(p)
    ]
    return float(max(found))


def clicks(seed, rows, rate, spread=1.5):
    rng = np.random.default_rng([seed, rows])
    p = 1 / (1 + np.exp(-rng.normal(math.log(rate / (1 - rate)), spread, rows)))
    y = (rng.random(rows) < p).astype(float)
    y[:2] = 0.0, 1.0
    return p, y


@given(
    st.integers(0, 10_000), st.sampled_from([4, 60, 3000]), st.sampled_from([0.5, 0.03, 0.002]), st.booleans(),
    st.sampled_from([3, 12]),
)
def test_the_exact_value_lies_within_the_stated_bound(seed, rows, rate, has_weights, digits):
    p, y = clicks(seed, rows, rate)
    p = p.round(digits)  # few digits: many ties
    w = np.random.default_rng(seed).choice([0.5, 1.0, 7.0], rows) if has_weights else np.ones(rows)
    labels = LabelBuckets.of(p, y, w if has_weights else None)
    for found, exact in (
        (brier(labels), float((w * (p - y) ** 2).sum() / w.sum())),
        (pr_auc(labels), exact_average_precision(p, y, w)),
        (max_f1(labels), exact_f1(p, y, w)),
    ):
        assert abs(found.value - exact) <= found.floor + 1e-9


@pytest.mark.parametrize("rate", [0.3, 0.03, 0.005])
def test_the_bounds_are_far_below_what_a_person_would_call_a_change(rate):
    labels = LabelBuckets.of(*clicks(1, 100_000, rate))
    assert brier(labels).floor < 0.02 * brier(labels).value
    assert pr_auc(labels).floor < 0.01
    assert max_f1(labels).floor < 0.01


def test_all_rows_in_one_bucket_say_how_little_they_know():
    labels = LabelBuckets.of([0.5] * 100, [1.0] * 50 + [0.0] * 50)
    assert pr_auc(labels).value == pytest.approx(0.5)
    assert pr_auc(labels).floor == pytest.approx(0.5, abs=0.01)
    assert max_f1(labels).value == pytest.approx(2 / 3)


def test_without_rows_or_positives_all_are_unknown():
    for labels in (LabelBuckets.of([], []), LabelBuckets.of([0.2, 0.3], [0, 0])):
        assert math.isnan(pr_auc(labels).value) and math.isnan(max_f1(labels).value)
    assert math.isnan(brier(LabelBuckets.of([], [])).value)


def test_merging_gives_what_all_rows_at_once_give():
    p, y = clicks(3, 5000, 0.1)
    whole = LabelBuckets.of(p, y)
    merged = LabelBuckets.merge([LabelBuckets.of(p[at::3], y[at::3]) for at in range(3)])
    for metric in (brier, pr_auc, max_f1):
        assert metric(merged).value == pytest.approx(metric(whole).value, abs=1e-12)
