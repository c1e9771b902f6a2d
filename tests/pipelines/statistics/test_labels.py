"""AUC, calibration and information value against exact computations over the rows, and their stated noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from streamgauge.pipelines.statistics import (
    auc,
    auc_volatility,
    average_precision,
    base_rate,
    ece,
    hanley_mcneil,
    information_value,
    log_loss,
    normalized_entropy,
    pcoc,
    pcoc_by_bucket,
    precision_recall_curve,
    roc_curve,
)
from streamgauge.pipelines.statistics.information import grouped, iv_of
from streamgauge.tracer.summaries import Bins, LabelBuckets, hash_values

SEED = 20130101
Array = np.ndarray[Any, Any]


def clicks(rate: float, rows: int, seed: int = SEED, spread: float = 1.0) -> tuple[Array, Array]:
    """Calibrated predictions and their labels."""
    rng = np.random.default_rng([seed, rows])
    p = 1 / (1 + np.exp(-rng.normal(math.log(rate / (1 - rate)), spread, rows)))
    return p, (rng.random(rows) < p).astype(float)


def exact_auc(p: Array, y: Array, w: Array | None = None) -> float:
    """By ranks, ties counted half (weights by pairs)."""
    if w is not None:
        hits, misses = y == 1, y == 0
        order = np.sign(p[hits][:, None] - p[misses][None, :]) / 2 + 0.5
        pairs = w[hits][:, None] * w[misses][None, :]
        return float((order * pairs).sum() / pairs.sum())
    positives = y.sum()
    return float((rankdata(p)[y == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(y) - positives)))


def exact_average_precision(p: Array, y: Array) -> float:
    total, hits, rows = 0.0, 0.0, 0
    for value in np.unique(p)[::-1]:
        tied = p == value
        rows, gained = rows + tied.sum(), y[tied].sum()
        hits += gained
        total += gained * hits / rows
    return float(total / y.sum())


@pytest.mark.parametrize("rate", [0.3, 0.03, 0.005, 0.001])
def test_auc_is_within_its_bound_and_the_bound_below_a_thousandth(rate: float) -> None:
    p, y = clicks(rate, 200_000)
    found = auc(LabelBuckets.of(p, y))
    assert abs(found.value - exact_auc(p, y)) <= found.bound
    assert found.bound < 1.5e-3
    assert abs(found.value - exact_auc(p, y)) < 1e-4


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=2, max_size=80))
def test_auc_of_any_predictions_is_within_its_bound(rows: list[tuple[float, int]]) -> None:
    p, y = np.array(rows).T
    found = auc(LabelBuckets.of(p, y))
    if y.min() == y.max():
        assert math.isnan(found.value)
    else:
        assert abs(found.value - exact_auc(p, y)) <= found.bound + 1e-12


def test_auc_of_merged_panes_is_the_auc_of_all_rows_not_a_mean_of_aucs() -> None:
    p, y = clicks(0.1, 4_000)
    order = np.argsort(p)  # panes that differ: each alone ranks badly
    panes = [LabelBuckets.of(p[part], y[part]) for part in np.array_split(order, 8)]
    assert auc(LabelBuckets.merge(panes)) == auc(LabelBuckets.of(p, y))
    assert abs(np.mean([auc(pane).value for pane in panes]) - auc(LabelBuckets.of(p, y)).value) > 0.05


def test_weighted_auc_counts_weighted_pairs() -> None:
    p, y = clicks(0.3, 500)
    w = np.random.default_rng(SEED).choice([1.0, 5.0], 500)
    found = auc(LabelBuckets.of(p, y, w))
    assert abs(found.value - exact_auc(p, y, w)) <= found.bound


def test_auc_does_not_change_under_uniform_sampling_of_negatives() -> None:
    p, y = clicks(0.05, 60_000)
    kept = (y == 1) | (np.random.default_rng(SEED).random(60_000) < 0.1)
    found, sampled = auc(LabelBuckets.of(p, y)), auc(LabelBuckets.of(p[kept], y[kept]))
    assert abs(found.value - sampled.value) < 4 * sampled.error


def test_hanley_mcneil_matches_the_spread_of_resampled_windows() -> None:
    found = [auc(LabelBuckets.of(*clicks(0.03, 16_384, seed))) for seed in range(80)]
    assert np.std([f.value for f in found]) == pytest.approx(np.mean([f.error for f in found]), rel=0.35)
    assert hanley_mcneil(0.7442, 491, 15_893) == pytest.approx(0.011, abs=0.002)  # measured in quality.md, section 4


def test_average_precision_is_that_of_the_rows() -> None:
    p, y = clicks(0.03, 3_000)
    assert average_precision(LabelBuckets.of(p, y)) == pytest.approx(exact_average_precision(p, y), abs=5e-3)
    rounded = np.round(p, 2).clip(0.01)  # few distinct predictions: each in a bucket of its own, so exact
    labels = LabelBuckets.of(rounded, y)
    assert average_precision(labels) == pytest.approx(exact_average_precision(rounded, y), rel=1e-12)


def test_curves_end_at_one_and_the_area_under_roc_is_the_auc() -> None:
    labels = LabelBuckets.of(*clicks(0.1, 5_000))
    false, true = roc_curve(labels)
    recall, precision = precision_recall_curve(labels)
    assert (false[0], true[0], false[-1], true[-1], recall[-1]) == (0, 0, 1, 1, 1)
    assert float(np.trapezoid(true, false)) == pytest.approx(auc(labels).value, rel=1e-12)
    assert precision[-1] == pytest.approx(base_rate(labels))


def test_volatility_subtracts_the_sampling_noise() -> None:
    rng = np.random.default_rng(SEED)
    noisy = 0.7 + rng.normal(0, 0.02, 200)
    assert auc_volatility(noisy, np.full(200, 0.02)).value < 0.05
    assert auc_volatility(noisy, np.full(200, 0.001)).value == pytest.approx(0.1, rel=0.15)
    assert math.isnan(auc_volatility([0.7, math.nan], [0.01, 0.01]).value)


def test_pcoc_is_predicted_over_observed_and_unknown_without_positives() -> None:
    p, y = clicks(0.03, 50_000)
    assert pcoc(LabelBuckets.of(p, y)).value == pytest.approx(p.sum() / y.sum(), rel=1e-12)
    assert math.isnan(pcoc(LabelBuckets.of([0.1], [0])).value)


def test_pcoc_of_a_calibrated_model_is_one_within_three_errors() -> None:
    far = 0
    for seed in range(100):
        found = pcoc(LabelBuckets.of(*clicks(0.03, 4_000, seed)))
        far += abs(math.log(found.value)) > 3 / math.sqrt(120)
    assert far <= 2


def test_pcoc_by_bucket_shows_where_predictions_are_off() -> None:
    p, y = clicks(0.2, 100_000)
    wrong = np.where(p > np.quantile(p, 0.9), np.minimum(p * 1.3, 1.0), p)
    found = pcoc_by_bucket(LabelBuckets.of(wrong, y))
    assert found[-1] > 1.2
    assert np.abs(np.log(found[:-1])).max() < 0.1


def exact_ece(p: Array, y: Array, buckets: int) -> float:
    order = np.argsort(p, kind="stable")
    parts = np.array_split(order, buckets)
    return float(sum(abs(p[part].sum() - y[part].sum()) for part in parts) / y.sum())


def test_ece_is_that_of_equal_mass_buckets_of_rows() -> None:
    p, y = clicks(0.03, 200_000)
    scaled = np.minimum(p * 1.2, 1.0)
    assert ece(LabelBuckets.of(scaled, y)).value == pytest.approx(exact_ece(scaled, y, 20), abs=0.01)


@pytest.mark.parametrize(("rate", "floor"), [(0.03, 0.16), (0.005, 0.39)])
def test_a_perfect_model_shows_an_ece_near_the_floor(rate: float, floor: float) -> None:
    found = [ece(LabelBuckets.of(*clicks(rate, 16_384, seed, spread=0.5))) for seed in range(30)]
    assert np.mean([f.floor for f in found]) == pytest.approx(floor, rel=0.15)
    # the floor is that of positives spread evenly over the buckets; uneven ones show a little less
    assert np.mean([f.value for f in found]) == pytest.approx(np.mean([f.floor for f in found]), rel=0.2)


def test_normalized_entropy_is_log_loss_over_the_entropy_of_the_base_rate() -> None:
    p, y = clicks(0.03, 20_000)
    w = np.where(y == 1, 1.0, 4.0)
    losses = -np.log(np.where(y == 1, p, 1 - p))
    rate = float((w * y).sum() / w.sum())
    entropy = -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)
    labels = LabelBuckets.of(p, y, w)
    assert log_loss(labels) == pytest.approx(float((w * losses).sum() / w.sum()), rel=1e-12)
    assert normalized_entropy(labels).value == pytest.approx(float((w * losses).sum() / w.sum()) / entropy, rel=1e-12)


def test_predicting_the_base_rate_has_a_normalized_entropy_of_one() -> None:
    y = np.repeat([1.0, 0.0], [30, 970])
    found = normalized_entropy(LabelBuckets.of(np.full(1_000, 0.03), y))
    assert found.value == pytest.approx(1.0, rel=1e-12)
    assert found.error == pytest.approx(0.0, abs=1e-9)


def test_the_error_of_normalized_entropy_matches_the_spread_of_resampled_windows() -> None:
    found = [normalized_entropy(LabelBuckets.of(*clicks(0.05, 8_000, seed))) for seed in range(80)]
    assert np.std([f.value for f in found]) == pytest.approx(np.mean([f.error for f in found]), rel=0.3)


def test_label_metrics_of_one_class_are_unknown() -> None:
    for y in ([0, 0], [1, 1]):
        labels = LabelBuckets.of([0.2, 0.4], y)
        assert math.isnan(auc(labels).value)
        assert math.isnan(normalized_entropy(labels).value)
    empty = LabelBuckets.of([], [])
    for value in (auc(empty).value, pcoc(empty).value, ece(empty).value, log_loss(empty), average_precision(empty)):
        assert math.isnan(value)


def test_information_value_is_its_formula() -> None:
    pos, neg = np.array([100.0, 300.0]), np.array([5_000.0, 4_600.0])
    p, n = (pos + 0.5) / 401, (neg + 12) / 9_624
    assert iv_of(pos, neg).value == pytest.approx(float(((p - n) * np.log(p / n)).sum()), rel=1e-12)


def test_the_seed_variant_weighs_each_term_by_its_share_of_rows() -> None:
    even = iv_of(np.array([10.0, 30.0, 20.0, 20.0]), np.array([240.0, 220.0, 230.0, 230.0]))
    assert even.seed == pytest.approx(even.value / 4, rel=1e-12)


def test_a_feature_that_is_the_label_has_a_large_finite_value() -> None:
    y = np.arange(5_000) % 20 == 0
    for bins in (Bins.of_numeric(y * 10.0, y), Bins.of_ids(hash_values(y), y)):
        assert 5 < information_value(bins).excess < math.inf


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.25, 0.97])
@pytest.mark.parametrize("kind", ["numeric", "ids"])
def test_shuffled_labels_stay_below_the_information_floor(kind: str, rate: float) -> None:
    exceeded = 0
    for seed in range(100):
        rng = np.random.default_rng([SEED, seed])
        y = rng.random(10_000) < rate
        if kind == "numeric":
            bins = Bins.of_numeric(rng.lognormal(2.0, 1.0, 10_000), y)
        else:
            bins = Bins.of_ids(hash_values(np.minimum(rng.zipf(1.2, 10_000), 50_000)), y)
        exceeded += information_value(bins).excess > 0
    assert exceeded <= 1


def test_an_informative_feature_exceeds_the_floor() -> None:
    rng = np.random.default_rng(SEED)
    x = rng.normal(0.0, 1.0, 20_000)
    y = rng.random(20_000) < 1 / (1 + np.exp(3.0 - x))
    found = information_value(Bins.of_numeric(x, y))
    edges = np.quantile(x, np.linspace(0, 1, 21)[1:-1])
    place = np.searchsorted(edges, x)
    exact = iv_of(np.bincount(place, y, 20), np.bincount(place, ~y, 20))
    assert found.value == pytest.approx(exact.value, rel=0.1)
    assert found.excess > 0.5


def test_an_informative_missing_value_is_a_bin_of_its_own() -> None:
    rng = np.random.default_rng(SEED)
    y = rng.random(10_000) < 0.2
    x = np.where(y & (rng.random(10_000) < 0.5), np.nan, rng.normal(size=10_000))
    assert information_value(Bins.of_numeric(x, y)).excess > 0.5


def test_every_group_is_large_enough_to_expect_five_positives() -> None:
    rng = np.random.default_rng(SEED)
    y = rng.random(5_000) < 0.02
    for bins in (Bins.of_numeric(rng.normal(size=5_000), y), Bins.of_ids(hash_values(rng.zipf(1.5, 5_000)), y)):
        positives, negatives = grouped(bins)
        assert (positives + negatives)[:-1].min() * y.mean() >= 5
        assert positives.sum() == y.sum()


def test_information_value_without_both_classes_is_unknown() -> None:
    assert math.isnan(information_value(Bins.of_numeric([1.0, 2.0], [0, 0])).value)
    assert math.isnan(information_value(Bins.of_numeric([], [])).value)


def test_the_error_of_an_information_value_is_its_spread_over_samples() -> None:
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.full(8, 5.0)), rng.dirichlet(np.full(8, 5.0))
    drawn = [iv_of(rng.multinomial(180, p), rng.multinomial(620, q)) for _ in range(2000)]
    spread = np.std([one.value for one in drawn])
    assert np.mean([one.error for one in drawn]) == pytest.approx(spread, rel=0.1)


def test_published_errors_are_the_spread_that_weighted_samples_show():
    seen: dict[str, list[tuple[float, float]]] = {"pcoc": [], "auc": [], "entropy": []}
    for seed in range(200):
        random = np.random.default_rng([7, seed])
        p, y = clicks(0.05, 8_000, seed)
        labels = LabelBuckets.of(p, y, random.lognormal(0.0, 1.0, len(p)))
        for name, found in (("pcoc", pcoc(labels)), ("auc", auc(labels)), ("entropy", normalized_entropy(labels))):
            seen[name].append((found.value, found.error))
    for name, pairs in seen.items():
        values, errors = np.array(pairs).T
        assert np.median(errors) == pytest.approx(values.std(ddof=1), rel=0.2), name
    assert labels.effective_positives == pytest.approx(y.sum() / math.e, rel=0.2)  # of weights exp(N(0, 1))


def test_weights_of_a_record_that_tells_no_squares_are_equal_within_a_bucket():
    old = LabelBuckets.of([0.2, 0.2, 0.7], [1, 0, 1], [2.0, 3.0, 5.0]).columns()[:8]
    again = LabelBuckets.from_columns(old)
    assert again.columns() == old
    new = LabelBuckets.of([0.2, 0.2], [1, 1], [1.0, 3.0])
    squares = LabelBuckets.fold([old, new.columns()]).squares()[0]
    assert squares.tolist() == [4.0 + 10.0, 25.0]


@pytest.mark.parametrize(("name", "centre", "scale"), [
    ("plain", 0.0, 1.0), ("year", 2012.0, 5.0), ("kelvin", 290.0, 8.0), ("unix time", 1.7e9, 4e4),
    ("negative", -1e6, 1.0),
])  # fmt: skip
def test_information_value_does_not_depend_on_the_level_of_a_feature(name: str, centre: float, scale: float) -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(size=40_000)
    y = (rng.random(len(base)) < 1.0 / (1.0 + np.exp(2.5 - 0.25 * base))).astype(int)
    x = np.round(centre + scale * base) if name == "year" else centre + scale * base
    cuts = np.unique(np.quantile(x, np.linspace(0.0, 1.0, 21)[1:-1]))
    table = np.array([np.bincount(np.searchsorted(cuts, x), y == one, minlength=len(cuts) + 1) for one in (1, 0)])
    pos, neg = table / table.sum(axis=1, keepdims=True)
    parts = [Bins.of_numeric(x[rows], y[rows]) for rows in np.array_split(np.arange(len(x)), 23)]
    found = information_value(Bins.merge([Bins.merge(parts[:7]), Bins.merge(parts[7:])]))
    assert found.value == pytest.approx(float(((pos - neg) * np.log(pos / neg)).sum()), rel=0.15)
    assert Bins.merge(parts).columns() == Bins.of_numeric(x, y).columns()
