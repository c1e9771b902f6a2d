import math

import numpy as np
import pytest
from scipy import stats

from streamgauge.pipelines.config.schema import DAY
from streamgauge.pipelines.stream.evaluate import Evaluator
from streamgauge.tracer.summaries import Buckets, Histogram, LabelBuckets, Moments
from tests.pipelines.reports import LONG, config, evaluate, learn, partial, report, values_of


def judged(worker, predictions, labels):
    return partial(worker, summaries=[(LabelBuckets.of(predictions, labels), "train", "labels", "")])


def predicted(worker, predictions):
    return partial(worker, summaries=[
        (Buckets.of(predictions), "sample", "prediction", ""), (Moments.of(predictions), "sample", "prediction", ""),
    ])


def click_log(seed, n=2000, tilt=0.0):
    rng = np.random.default_rng(seed)
    p = rng.beta(2.0, 8.0, n)
    return p, (rng.random(n) < np.clip(p + tilt, 0, 1)).astype(float)


def exact_auc(p, y):
    positive, negative = p[y == 1], p[y == 0]
    return float(((positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)).mean())


def long(*parts, **changes):
    return evaluate(*parts, window=LONG, end=DAY, config=config(**changes))


def test_auc_of_the_job_is_that_of_all_rows_and_not_a_mean_of_aucs():
    (p, y), (q, z) = click_log(1), click_log(2)
    q = q * 0.1  # this worker predicts lower throughout, so the pooled AUC is not the workers' mean
    found = long(judged("a", p, y), judged("b", q, z))
    pooled = exact_auc(np.concatenate([p, q]), np.concatenate([y, z]))
    assert found["", "", "auc"] == pytest.approx(pooled, abs=1e-3)
    assert abs((found["a", "", "auc"] + found["b", "", "auc"]) / 2 - pooled) > 0.02


def test_auc_carries_the_rarer_label_as_evidence_its_error_and_the_bound_of_its_buckets():
    p, y = click_log(1)
    evaluated = Evaluator(config()).evaluate(report(judged("a", p, y), window=LONG, end=DAY))
    area, positives, negatives = exact_auc(p, y), y.sum(), (1 - y).sum()
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    assert values_of(evaluated, "rows")["a", "", "auc"] == min(positives, negatives)
    error = math.sqrt(spread / positives / negatives)
    assert values_of(evaluated, "error")["a", "", "auc"] == pytest.approx(error, rel=1e-2)
    assert 0 < values_of(evaluated, "floor")["a", "", "auc"] < 1e-2


@pytest.mark.parametrize("metric", ["auc", "normalized_entropy", "pcoc", "ece"])
def test_a_window_with_few_positives_is_unknown(metric):
    p, y = click_log(1, n=60)
    y[:] = 0
    y[:10] = 1
    assert np.isnan(long(judged("a", p, y))["a", "", metric])


def test_pcoc_is_predicted_over_observed_positives_of_all_workers():
    (p, y), (q, z) = click_log(1), click_log(2, tilt=0.1)
    found = long(judged("a", p, y), judged("b", q, z))
    assert found["", "", "pcoc"] == pytest.approx((p.sum() + q.sum()) / (y.sum() + z.sum()))
    assert found["b", "", "pcoc"] < found["a", "", "pcoc"]


def test_normalized_entropy_is_log_loss_over_the_entropy_of_the_base_rate():
    p, y = click_log(1)
    rate = y.mean()
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    assert long(judged("a", p, y))["a", "", "normalized_entropy"] == pytest.approx(loss / entropy)


def test_ece_of_a_calibrated_model_is_about_its_floor_and_of_a_biased_one_far_above():
    p, y = click_log(1, n=20_000)
    evaluator = Evaluator(config())
    good = evaluator.evaluate(report(judged("a", p, y), window=LONG, end=DAY))
    bad = evaluator.evaluate(report(judged("a", np.clip(p * 2, 0, 1), y), window=LONG, end=DAY))
    floor = values_of(good, "floor")["a", "", "ece"]
    assert values_of(good)["a", "", "ece"] < 2 * floor
    assert values_of(bad)["a", "", "ece"] > 10 * floor


def test_auc_volatility_needs_24_windows_that_do_not_overlap_and_ignores_sampling_noise():
    evaluator = Evaluator(config())
    for day in range(25):
        for start in (day * DAY, day * DAY + DAY / 2):  # every second one overlaps the one before
            p, y = click_log(day, n=1000)
            evaluated = evaluator.evaluate(report(judged("a", p, y), window=LONG, start=start, end=start + DAY))
            value = values_of(evaluated).get(("a", "", "auc_volatility"), float("nan"))
            assert np.isnan(value) == (start < 23.5 * DAY)
            learn(evaluator, evaluated)
    assert value < 0.2  # the model is the same every day; the AUC's own spread is about 0.15 of its distance to 0.5


def test_auc_of_windows_that_were_not_normal_does_not_count_as_volatility():
    evaluator = Evaluator(config())
    for day in range(30):
        p, y = click_log(day, n=1000)
        is_ill = day % 6 == 5
        evaluated = evaluator.evaluate(
            report(judged("a", p, 1 - y if is_ill else y), window=LONG, start=day * DAY, end=(day + 1) * DAY)
        )
        learn(evaluator, evaluated, *(["auc"] if is_ill else []))
    assert values_of(evaluated)["a", "", "auc_volatility"] < 0.2


def test_prediction_mean_needs_no_label_and_is_of_all_rows():
    p, q = click_log(1)[0], click_log(2)[0] * 0.5
    evaluated = Evaluator(config()).evaluate(report(predicted("a", p), predicted("b", q), window=LONG, end=DAY))
    everything = np.concatenate([p, q])
    assert values_of(evaluated)["", "", "prediction_mean"] == pytest.approx(everything.mean())
    error = values_of(evaluated, "error")["", "", "prediction_mean"]
    assert error == pytest.approx(everything.std(ddof=1) / math.sqrt(len(everything)))


def test_prediction_psi_stays_below_its_floor_until_the_predictions_move():
    evaluator = Evaluator(config())
    for slot in range(17):
        learn(evaluator, evaluator.evaluate(report(predicted("a", click_log(slot)[0]), start=slot * 10800.0)))
    where = {"window": LONG, "start": 2 * DAY, "end": 3 * DAY}
    same = evaluator.evaluate(report(predicted("a", click_log(99)[0]), **where))
    moved = evaluator.evaluate(report(predicted("a", np.minimum(click_log(99)[0] * 2, 1.0)), **where))
    floor = values_of(same, "floor")["a", "", "prediction_psi"]
    assert values_of(same)["a", "", "prediction_psi"] < floor < 0.1
    assert values_of(moved)["a", "", "prediction_psi"] > 0.5


def test_above_one_percent_of_invalid_predictions_what_depends_on_them_is_unknown():
    p, y = click_log(1)
    for share, is_known in ((0.005, True), (0.02, False)):
        bad = np.where(np.arange(len(p)) < share * len(p), 7.0, p)
        found = long(judged("a", bad, y), predicted("b", bad))
        named = [found["a", "", metric] for metric in ("auc", "pcoc", "ece", "normalized_entropy")]
        assert np.isfinite([*named, found["b", "", "prediction_mean"]]).all() == is_known
        assert np.isfinite(named).any() == is_known
    evaluated = evaluate(predicted("b", bad), config=config())
    assert evaluated["b", "", "invalid_predictions"] == pytest.approx(0.02, abs=1e-3)


def test_predictions_that_are_all_not_finite_make_the_metrics_unknown_and_raise_nothing():
    broken = np.full(600, np.nan)
    found = long(judged("a", broken, np.ones(600)), predicted("b", broken))
    assert np.isnan([found["a", "", metric] for metric in ("auc", "pcoc", "ece", "normalized_entropy")]).all()
    assert np.isnan(found["b", "", "prediction_mean"])


def test_pcoc_without_any_positive_is_at_least_what_three_sigmas_leave():
    p = np.full(3000, 0.01)
    evaluated = Evaluator(config()).evaluate(report(judged("a", p, np.zeros(3000)), window=LONG, end=DAY))
    at_most = stats.chi2.ppf(stats.norm.cdf(3.0), 2) / 2  # of a Poisson mean of which nothing was seen
    assert values_of(evaluated)["", "", "pcoc"] == pytest.approx(30.0 / at_most, rel=1e-3)
    assert values_of(evaluated, "rows")["", "", "pcoc"] == pytest.approx(30.0)
    for metric in ("auc", "normalized_entropy", "ece"):
        assert np.isnan(values_of(evaluated)["", "", metric])


@pytest.mark.parametrize(("rate", "positives"), [(0.01, 18), (0.001, 0)])
def test_pcoc_of_few_positives_that_may_well_be_as_many_as_predicted_is_unknown(rate, positives):
    labels = np.zeros(3000)
    labels[:positives] = 1.0
    assert np.isnan(long(judged("a", np.full(3000, rate), labels))["", "", "pcoc"])


def test_pcoc_is_judged_against_one_where_labels_come_at_once_and_against_its_own_past_where_they_are_late():
    p, y = click_log(1)
    for delay, right in ((5.0, 1.0), (7200.0, 0.0)):
        delays = partial("a", summaries=[
            (LabelBuckets.of(p, y), "train", "labels", ""), (Histogram.of([delay]), "label", "label_delay", ""),
        ])  # fmt: skip
        evaluated = Evaluator(config()).evaluate(report(delays, window=LONG, end=DAY))
        assert values_of(evaluated, "floor")["", "", "pcoc"] == right
