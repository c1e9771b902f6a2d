"""What is measured of predictions and drift equals what scikit-learn and scipy say of the same rows."""

from __future__ import annotations

import numpy as np
import pytest

metrics = pytest.importorskip("sklearn.metrics")
stats = pytest.importorskip("scipy.stats")
distance = pytest.importorskip("scipy.spatial.distance")

from streamgauge.pipelines import statistics  # noqa: E402
from streamgauge.pipelines.statistics import regression  # noqa: E402
from streamgauge.tracer.summaries import Bins, Errors, Histogram, LabelBuckets  # noqa: E402

RATES = [0.5, 0.03, 0.001]  # of positives: balanced, clicks, conversions


def rows(rate: float, seed: int = 1, weighted: bool = False):
    """Predictions of a calibrated model, labels and weights of 400,000 rows."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2.0, 2.0 * (1.0 - rate) / rate, 400_000)
    y = (rng.random(len(p)) < p).astype(float)
    return p, y, rng.exponential(1.0, len(p)) + 0.01 if weighted else np.ones(len(p))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rate", RATES)
def test_auc_is_within_its_bound_of_scikit_learns(rate: float, weighted: bool) -> None:
    p, y, w = rows(rate, weighted=weighted)
    found = statistics.auc(LabelBuckets.of(p, y, w))
    away = abs(found.value - metrics.roc_auc_score(y, p, sample_weight=w))
    assert away <= min(found.bound, 1e-4) + 1e-9
    assert found.bound < 2e-3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rate", RATES)
def test_log_loss_and_normalised_entropy_are_scikit_learns(rate: float, weighted: bool) -> None:
    p, y, w = rows(rate, weighted=weighted)
    labels = LabelBuckets.of(p, y, w)
    loss = metrics.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7), sample_weight=w)
    usual = np.average(y, weights=w)
    assert statistics.log_loss(labels) == pytest.approx(loss, rel=1e-9)
    entropy = statistics.normalized_entropy(labels).value
    assert entropy == pytest.approx(loss / stats.entropy([usual, 1.0 - usual]), rel=1e-9)


@pytest.mark.parametrize("rate", RATES)
def test_average_precision_is_within_a_thousandth_of_scikit_learns(rate: float) -> None:
    p, y, _ = rows(rate)
    found = statistics.average_precision(LabelBuckets.of(p, y))
    assert found == pytest.approx(metrics.average_precision_score(y, p), rel=0.02, abs=1e-3)


@pytest.mark.parametrize("rate", RATES)
def test_pcoc_is_the_ratio_of_the_sums(rate: float) -> None:
    p, y, w = rows(rate, weighted=True)
    assert statistics.pcoc(LabelBuckets.of(p, y, w)).value == pytest.approx((w * p).sum() / (w * y).sum(), rel=1e-12)


def test_saturated_predictions_leave_open_no_more_than_their_bound_says() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0.0, 30.0, 50_000)
    y = (rng.random(len(logits)) < 1.0 / (1.0 + np.exp(-logits / 20.0))).astype(float)
    found = statistics.auc(LabelBuckets.of(1.0 / (1.0 + np.exp(-logits)), y))
    assert abs(found.value - metrics.roc_auc_score(y, logits)) <= found.bound
    assert found.bound > 0.01, "the score must leave that much open"


def test_the_bound_of_pcoc_is_the_limit_of_a_poisson_mean() -> None:
    for positives in (0, 1, 5, 19):
        y = np.zeros(2_000)
        y[:positives] = 1.0
        found = statistics.pcoc_bound(LabelBuckets.of(np.full(2_000, 0.1), y))
        most = 200.0 / found
        assert stats.poisson.cdf(positives, most) == pytest.approx(1.0 - 0.99865, rel=1e-6)


def test_information_value_is_jeffreys_divergence_of_the_two_classes() -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 8, 200_000)
    y = (rng.random(len(groups)) < 0.02 + 0.01 * groups).astype(float)
    bins = Bins.of_ids(groups.astype(np.uint64) + np.uint64(1), y)
    p, n = (np.bincount(groups[y == label], minlength=8) / (y == label).sum() for label in (1.0, 0.0))
    found = statistics.information_value(bins).value
    assert found == pytest.approx(stats.entropy(p, n) + stats.entropy(n, p), rel=2e-3)  # with half a row a bin


def test_drift_is_jeffreys_divergence_and_the_distance_scipys() -> None:
    rng = np.random.default_rng(4)
    current, reference = rng.multinomial(20_000, [0.1, 0.2, 0.3, 0.4]), rng.multinomial(90_000, [0.25] * 4)
    p, q = (side / side.sum() for side in (current, reference))
    assert statistics.psi(current, reference) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), rel=2e-3)
    assert statistics.js_distance(current, reference) == pytest.approx(distance.jensenshannon(p, q, 2.0), rel=1e-9)


@pytest.mark.parametrize("law", ["normal", "lognormal", "uniform"])
def test_quantiles_are_within_the_stated_error_of_numpys(law: str) -> None:
    values = getattr(np.random.default_rng(5), law)(*((3.0, 1.0) if law != "uniform" else (1.0, 9.0)), 100_000)
    values = np.abs(values) + 1e-3
    found = Histogram.of(values).quantiles([0.05, 0.5, 0.95])
    np.testing.assert_allclose(found, np.quantile(values, [0.05, 0.5, 0.95], method="inverted_cdf"), rtol=0.016)


@pytest.mark.parametrize("level", [0.0, 1.7e9])
def test_errors_are_scikit_learns_whatever_the_level(level: float) -> None:
    p, y, w = _watched(level)
    found = Errors.merge([Errors.of(p[i::7], y[i::7], w[i::7]) for i in range(7)])
    near = pytest.approx
    assert regression.mse(found).value == near(metrics.mean_squared_error(y, p, sample_weight=w), rel=1e-6)
    assert regression.rmse(found).value == near(metrics.root_mean_squared_error(y, p, sample_weight=w), rel=1e-6)
    assert regression.mae(found).value == near(metrics.mean_absolute_error(y, p, sample_weight=w), rel=1e-6)
    assert regression.relative_mse(found).value == near(1.0 - metrics.r2_score(y, p, sample_weight=w), rel=1e-6)
    for q in (0.1, 0.9):
        told = metrics.mean_pinball_loss(y, p, sample_weight=w, alpha=q)
        assert regression.quantile_loss(found, q).value == near(told, rel=1e-6)
    assert regression.bias(found).value == near(np.average(p - y, weights=w), rel=1e-5)
    assert regression.coverage_gap(found, 0.5).value == near(np.average(y <= p, weights=w) - 0.5, abs=1e-12)


def _watched(level: float):
    """Predictions, labels and weights of a job that predicts numbers about a level."""
    random = np.random.default_rng(1)
    signal, w = random.normal(size=4000), random.choice([0.5, 1.0, 4.0], 4000)
    return level + signal + 0.1, level + signal + random.normal(size=4000), w
